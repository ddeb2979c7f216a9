// sdp.js - the little that has to be read in descriptions.

const DIRECTION = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m;

/** Does the writer of @sdp want to hear us?  (RFC 3264 8.4) */
export function listens(sdp) {
	const sections = sdp.split(/^(?=m=)/m);
	const audio = sections.find((s) => /^m=audio [1-9]/.test(s));
	if (!audio)
		return true;
	const direction = (DIRECTION.exec(audio) ?? DIRECTION.exec(sections[0]))?.[1];
	return direction !== 'sendonly' && direction !== 'inactive';
}
