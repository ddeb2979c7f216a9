// respect.mjs - a RESPECT client for tests: says what it is told to, right or
// wrong, and remembers all that went over the wire.  docs/protocol.md.
//
//	const c = await connect(url, { origin });
//	await c.authBasic('sip:alice@demo.example', 'demo');
//	const { mediaSessionId } = await c.request('msetup', { resourceId, preOffer });
//	const update = await c.next((m) => m.method === 'mupdate');
//	c.close();
//
// With ISTHMUS_TRAFFIC=FILE every message is appended to FILE, one JSON object a
// line, for asyncapi-check.mjs; messages marked as wrong on purpose (raw) are
// not.
import fs from 'node:fs';
import { EventEmitter } from 'node:events';
import WebSocket from 'ws';

export const SUBPROTOCOL = '3gpp.RESPECT.v1';

function record(dir, msg) {
	const file = process.env.ISTHMUS_TRAFFIC;
	if (file)
		fs.appendFileSync(file, `${JSON.stringify({ dir, msg })}\n`);
}

/** A response with success false, as an error. */
export class Refused extends Error {
	constructor(response) {
		super(`${response.method}: ${response.problemDetails?.status} ` +
			`${response.problemDetails?.detail ?? response.problemDetails?.title ?? ''}`);
		this.response = response;
		this.status = response.problemDetails?.status;
	}
}

/**
 * Events: request (message), response (message), message (any), closed ({ code,
 * reason }).
 */
export class RespectClient extends EventEmitter {
	#socket;
	#nextId = 0;
	#waiting = new Map(); // transactionId -> { resolve, reject }
	#watchers = new Set(); // of next()
	#seen = 0; // requests of the gateway that next() has given out
	#closed = null;

	requests = []; // of the gateway, in order
	messages = []; // everything received, in order
	closeCode = null;
	credential = null; // the latest reauthCredential
	id = null;

	/**
	 * answers: (message) => members of the success response, a Refused-like
	 * { success: false, problemDetails } to refuse, or null: do not respond.
	 * autoAnswer: (sdpOffer, message) => sdpAnswer, for msetup and mupdate
	 * offers; the answer follows in an mupdate.
	 */
	constructor(socket, { answers = () => ({}), autoAnswer = null } = {}) {
		super();
		this.#socket = socket;
		this.answers = answers;
		this.autoAnswer = autoAnswer;
		this.#closed = new Promise((resolve) => {
			socket.on('close', (code, reason) => {
				this.closeCode = code;
				const end = { code, reason: reason.toString() };
				for (const { reject } of this.#waiting.values())
					reject(new Error(`closed ${code} ${end.reason}`));
				this.#waiting.clear();
				for (const watcher of this.#watchers)
					watcher.reject(new Error(`closed ${code} ${end.reason}`));
				this.#watchers.clear();
				resolve(end);
				this.emit('closed', end);
			});
		});
		socket.on('error', () => {}); // close follows
		socket.on('message', (data) => this.#take(data.toString()));
	}

	/** Resolves with { code, reason } once the WebSocket is closed. */
	get closed() { return this.#closed; }
	get nextId() { return this.#nextId; }
	get socket() { return this.#socket; }

	// ---- sending ----

	/** Text or bytes as they are; not checked, not recorded. */
	raw(data) { this.#socket.send(data); }

	/** An object as it is, with no transaction kept; not recorded. */
	rawObject(object) { this.raw(JSON.stringify(object)); }

	/** One whole message, recorded. */
	send(message) {
		record('c2s', message);
		this.#socket.send(JSON.stringify(message));
	}

	/** A request with the next id; resolves with the response, whatever it says. */
	transact(method, members = {}, { wrong = false, id = this.#nextId } = {}) {
		const message = { messageType: 'request', method, transactionId: id, ...members };
		if (id === this.#nextId)
			this.#nextId += 2;
		const done = this.expect(id);
		if (wrong)
			this.rawObject(message);
		else
			this.send(message);
		return done;
	}

	/** The response to transaction @id, however it was sent. */
	expect(id, timeout = 10_000) {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(id);
				reject(new Error(`no response to ${id}`));
			}, timeout);
			this.#waiting.set(id, {
				resolve: (m) => { clearTimeout(timer); resolve(m); },
				reject: (e) => { clearTimeout(timer); reject(e); },
			});
		});
	}

	/** Like transact(), but a failure is thrown as Refused. */
	async request(method, members = {}) {
		const response = await this.transact(method, members);
		if (!response.success)
			throw new Refused(response);
		return response;
	}

	respond(request, members = {}) {
		const { method, transactionId, mediaSessionId } = request;
		this.send({
			messageType: 'response', method, transactionId, success: true,
			...mediaSessionId === undefined ? {} : { mediaSessionId }, ...members,
		});
	}

	refuse(request, status, members = {}) {
		this.respond(request, {
			success: false,
			problemDetails: { type: 'about:blank', title: 'Refused', status },
			...members,
		});
	}

	// ---- auth ----

	async auth(members) {
		const response = await this.request('auth', members);
		this.credential = response.reauthCredential ?? null;
		this.id = members.webrtcId;
		return response;
	}

	authBasic(webrtcId, password, members = {}) {
		const user = webrtcId.replace(/^[a-z]+:/i, '');
		const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
		return this.auth({ authType: 'basic', webrtcId, authorization, ...members });
	}

	authBearer(webrtcId, token, members = {}) {
		return this.auth({
			authType: 'bearer', webrtcId, authorization: `Bearer ${token}`, ...members,
		});
	}

	reauth(webrtcId, credential, members = {}) {
		return this.auth({
			authType: 'reauth', webrtcId, authorization: credential, ...members,
		});
	}

	// ---- receiving ----

	/** The next request of the gateway that @matches, now or later. */
	next(matches = () => true, timeout = 10_000) {
		for (; this.#seen < this.requests.length;) {
			const message = this.requests[this.#seen++];
			if (matches(message))
				return Promise.resolve(message);
		}
		return new Promise((resolve, reject) => {
			const watcher = { matches };
			const timer = setTimeout(() => {
				this.#watchers.delete(watcher);
				reject(new Error('the gateway did not say what was awaited; last: ' +
					JSON.stringify(this.messages.at(-1))));
			}, timeout);
			watcher.resolve = (m) => { clearTimeout(timer); resolve(m); };
			watcher.reject = (e) => { clearTimeout(timer); reject(e); };
			this.#watchers.add(watcher);
		});
	}

	state(name, timeout) {
		return this.next((m) => m.mediaSessionState === name, timeout);
	}

	#take(text) {
		const message = JSON.parse(text);
		record('s2c', message);
		this.messages.push(message);
		this.emit('message', message);
		if (message.messageType === 'request')
			this.#takeRequest(message);
		else
			this.#takeResponse(message);
	}

	#takeResponse(message) {
		const waiting = this.#waiting.get(message.transactionId);
		this.#waiting.delete(message.transactionId);
		waiting?.resolve(message);
		this.emit('response', message);
	}

	#takeRequest(message) {
		this.requests.push(message);
		const members = this.answers(message);
		if (members)
			this.respond(message, members);
		if (members && members.success !== false && message.sdpOffer && this.autoAnswer)
			this.request('mupdate', {
				mediaSessionId: message.mediaSessionId,
				sdpAnswer: this.autoAnswer(message.sdpOffer, message),
			}).catch((error) => this.emit('answerFailed', error));
		for (const watcher of this.#watchers) {
			if (!watcher.matches(message))
				continue;
			this.#watchers.delete(watcher);
			this.#seen = this.requests.length;
			watcher.resolve(message);
			break;
		}
		this.emit('request', message);
	}

	// ---- the end ----

	async close(code = 1000) {
		this.#socket.close(code);
		return this.#closed;
	}

	/** The network is gone: no close frame. */
	async vanish() {
		this.#socket.terminate();
		return this.#closed;
	}

	/** Stops reading, so that the gateway's queue fills up. */
	pause() { this.#socket.pause(); }
	resume() { this.#socket.resume(); }
}

/**
 * Resolves with an open client; rejects with error.status when HTTP refuses.
 * @from: the local address, where it matters.
 */
export function connect(url, { origin, protocol = SUBPROTOCOL, ca, headers, from,
	...options } = {}) {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(url, protocol, {
			origin, ca, headers, localAddress: from, rejectUnauthorized: ca !== undefined,
			perMessageDeflate: false, handshakeTimeout: 10_000,
		});
		const client = new RespectClient(socket, options);
		socket.once('open', () => resolve(client));
		socket.once('unexpected-response', (_, response) => {
			const error = new Error(`HTTP ${response.statusCode}`);
			error.status = response.statusCode;
			response.resume();
			socket.terminate();
			reject(error);
		});
		socket.once('error', reject);
	});
}

/** A description as a browser would make it: audio only, nobody behind it. */
export function browserSdp({ port = 9, direction = 'sendrecv', setup = 'actpass',
	ufrag = 'tEst', pwd = 'abcdefghijklmnopqrstuvwx', version = 1,
	codecs = ['111 opus/48000/2', '0 PCMU/8000', '8 PCMA/8000', '110 telephone-event/48000'],
} = {}) {
	const fingerprint = Array.from({ length: 32 }, (_, i) =>
		(i * 7 % 256).toString(16).padStart(2, '0').toUpperCase()).join(':');
	return [
		'v=0', `o=- 4611731400430051336 ${version} IN IP4 127.0.0.1`, 's=-', 't=0 0',
		'a=group:BUNDLE 0', 'a=msid-semantic: WMS',
		`m=audio ${port} UDP/TLS/RTP/SAVPF ${codecs.map((c) => c.split(' ')[0]).join(' ')}`,
		'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0',
		`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, 'a=ice-options:trickle',
		`a=fingerprint:sha-256 ${fingerprint}`, `a=setup:${setup}`, 'a=mid:0',
		`a=${direction}`, 'a=rtcp-mux',
		...codecs.map((c) => `a=rtpmap:${c}`), '',
	].join('\r\n');
}
