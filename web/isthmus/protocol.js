// protocol.js - the names that the wire has (docs/protocol.md).

export const PROTOCOL = '3gpp.RESPECT.v1';
export const VERSION = '1.1.0';

// WebSocket close codes that carry a meaning (RFC 6455 7.4.1, docs/protocol.md).
export const CloseCode = Object.freeze({
	NORMAL: 1000,
	POLICY: 1008,
	RESTART: 1012,
	OVERLOAD: 1013,
	EXPIRED: 4001,
	SUPERSEDED: 4002,
	DEREGISTERED: 4003,
});

export const State = Object.freeze({
	INITIAL: 'initial',
	PROCEEDING: 'proceeding',
	ALERTING: 'alerting',
	EARLY: 'early',
	CONNECTED: 'connected',
	HELD: 'held',
	UPDATING: 'updating',
	DISCONNECTING: 'disconnecting',
	DISCONNECTED: 'disconnected',
});
export const KNOWN_STATES = new Set(Object.values(State));

/** The gateway's own application-specific methods. */
export const Method = Object.freeze({
	MESSAGE: 'message.isthmus',
	QUALITY: 'quality.isthmus',
	TRANSFER: 'transfer.isthmus',
});
