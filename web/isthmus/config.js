// config.js - what an application configures, and addresses as people write
// them.
import { IsthmusError } from './errors.js';
import { defaultStorage } from './store.js';

const DEFAULTS = {
	displayName: '',
	iceServers: null, // null: asked of the gateway
	disconnectionTtl: 60,
	expiration: undefined,
	reconnectMin: 500,
	reconnectMax: 30_000,
	connectTimeout: 10_000,
	keepAlive: 30_000,
	gatherTimeout: 150,
	statsInterval: 0,
	qualityInterval: 5000,
	maxSessions: 8,
	mediaConstraints: { audio: true },
	peerConnectionConfig: {},
	playback: false,
	ringback: { frequencies: [425], on: 1, off: 4 },
	restoreSessions: true,
	supportedExtension: [],
};

/** The configuration with all that was left out; throws where it is wrong. */
export function completed(config) {
	if (!config || typeof config.id !== 'string' ||
	    !/^(sip|sips|tel):[^\s]+$/i.test(config.id))
		throw new IsthmusError('config', 'id must be a sip: or tel: URI');
	if (typeof config.endpoint !== 'string' ||
	    !/^wss?:\/\/[^\s]+$/i.test(config.endpoint))
		throw new IsthmusError('config', 'endpoint must be a wss: URL');
	return {
		...DEFAULTS,
		WebSocket: globalThis.WebSocket,
		RTCPeerConnection: globalThis.RTCPeerConnection,
		storage: defaultStorage(),
		...config,
	};
}

/**
 * "bob" -> sip:bob@<the domain of @id>, "+1 555" -> tel:+1555, URIs as they
 * are.
 */
export function normalizeTarget(target, id) {
	const text = String(target ?? '').trim();
	if (/^(sip|sips|tel|urn):\S+$/i.test(text))
		return text;
	const number = text.replace(/[\s().-]/g, '');
	if (/^\+[0-9]{3,15}$/.test(number))
		return `tel:${number}`;
	if (/^[^\s@:]+@[^\s@]+$/.test(text))
		return `sip:${text}`;
	const domain = /@([^;?>]+)/.exec(id)?.[1];
	if (/^[^\s@:/]+$/.test(text) && domain)
		return `sip:${text}@${domain}`;
	throw new IsthmusError('target', `"${text}" is not an address to call`);
}
