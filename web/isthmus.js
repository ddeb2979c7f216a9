// isthmus.js - the browser's side of an Isthmus gateway.
//
// ES modules without dependencies or build step: RESPECT (JSON over WebSocket)
// on one side, RTCPeerConnection on the other.  The protocol is described in
// docs/protocol.md, the API in docs/client.md.
//
//   isthmus/ua.js           one registration: connection, log-in, requests
//   isthmus/session.js      one call as the application sees it
//   isthmus/negotiation.js  its offers and answers (JSEP)
//   isthmus/media.js        its RTCPeerConnection, tracks and devices
//   ...                     one concern each

import { CloseCode, Method, PROTOCOL, State, VERSION } from './isthmus/protocol.js';
import { IsthmusError, causeOf } from './isthmus/errors.js';
import { Session } from './isthmus/session.js';
import { UA } from './isthmus/ua.js';

export { CloseCode, IsthmusError, Method, PROTOCOL, Session, State, UA, VERSION, causeOf };
export default { UA, Session, IsthmusError, State, CloseCode, Method, causeOf, PROTOCOL, VERSION };
