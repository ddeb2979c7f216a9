// isthmus.js - the browser's side of an Isthmus gateway.
//
// One ES module without dependencies: RESPECT (JSON over WebSocket) on one
// side, RTCPeerConnection on the other.  UA keeps the registration alive
// across lost sockets, expiring tokens and page reloads; Session is one call.
// The protocol is described in docs/protocol.md, the API in docs/client.md.

export const PROTOCOL = '3gpp.RESPECT.v1';
export const VERSION = '1.0.0';

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
const KNOWN_STATES = new Set(Object.values(State));

// What a person is told, by SIP status.
const CAUSES = {
	301: 'Redirected', 302: 'Redirected',
	400: 'Bad Request', 401: 'Authentication Error', 403: 'Forbidden',
	404: 'Not Found', 405: 'Not Supported', 407: 'Authentication Error',
	408: 'No Answer', 410: 'Not Found', 415: 'Incompatible SDP',
	420: 'Not Supported', 423: 'Bad Request', 429: 'Too Many Requests',
	433: 'Rejected', 480: 'Unavailable', 481: 'No Such Session',
	484: 'Address Incomplete', 486: 'Busy', 487: 'Canceled',
	488: 'Incompatible SDP', 491: 'Request Pending', 500: 'Server Error',
	501: 'Not Supported', 503: 'Service Unavailable', 504: 'No Answer',
	600: 'Busy', 603: 'Rejected', 604: 'Not Found', 606: 'Incompatible SDP',
};

const REQUEST_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 32_000; // a SIP transaction's life, 64*T1
const SERVED_MAX = 128; // responses kept for retransmitted requests
const GLARE_RETRIES = 5;
const SLOW_AUTH = 'authentication timeout'; // getToken() took long: no crime
const TURN_MARGIN_S = 120; // of a credential's time, for the checks to begin

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** An error with a code a program can test and a sentence a person can read. */
export class IsthmusError extends Error {
	constructor(code, message, more = {}) {
		super(message);
		this.name = 'IsthmusError';
		this.code = code;
		this.status = more.status ?? 0;
		this.problemDetails = more.problemDetails ?? null;
		this.retryAfter = more.retryAfter ?? null;
		this.response = more.response ?? null;
	}
}

function failureOf(response) {
	const problem = response.problemDetails ?? {};
	const status = Number(problem.status) || 500;
	const text = problem.detail || problem.title || causeOf(status);
	return new IsthmusError('refused', text, {
		status,
		problemDetails: problem,
		retryAfter: response.retryAfter ?? null,
		response,
	});
}

export function causeOf(status) {
	if (CAUSES[status])
		return CAUSES[status];
	if (status >= 600)
		return 'Rejected';
	if (status >= 500)
		return 'Server Error';
	return status >= 300 ? 'Failed' : 'Terminated';
}

class Emitter {
	#listeners = new Map();

	on(name, listener) {
		const list = this.#listeners.get(name) ?? [];
		this.#listeners.set(name, [...list, listener]);
		return this;
	}

	once(name, listener) {
		const wrapped = (event) => {
			this.off(name, wrapped);
			listener.call(this, event);
		};
		wrapped.listener = listener;
		return this.on(name, wrapped);
	}

	off(name, listener) {
		const list = this.#listeners.get(name) ?? [];
		this.#listeners.set(name, list.filter(
			(l) => l !== listener && l.listener !== listener));
		return this;
	}

	listenerCount(name) {
		return (this.#listeners.get(name) ?? []).length;
	}

	// An exception in the application must not stop a call half-way.
	_emit(name, event = {}) {
		for (const listener of this.#listeners.get(name) ?? []) {
			try {
				listener.call(this, event);
			} catch (error) {
				if (typeof reportError === 'function')
					reportError(error);
				else
					console.error(error);
			}
		}
	}
}

// ---- one WebSocket: envelope, transaction ids, retransmissions ----

class Connection {
	#ws;
	#nextId = 0; // ours are even: we opened the WebSocket
	#pending = new Map(); // our requests, by id
	#served = new Map(); // responses to the peer's requests, by id
	#handlers;
	#done = false;
	lastHeard = Date.now();

	constructor(config, handlers) {
		this.#handlers = handlers;
		this.#ws = new config.WebSocket(config.endpoint, PROTOCOL);
		const timer = setTimeout(() => this.drop(1006, 'connect timeout'),
			config.connectTimeout);
		this.#ws.onopen = () => {
			clearTimeout(timer);
			this.lastHeard = Date.now();
			if (!this.#done)
				handlers.opened();
		};
		this.#ws.onmessage = (event) => this.#receive(event.data);
		this.#ws.onclose = (event) => {
			clearTimeout(timer);
			this.#finish(event.code, event.reason);
		};
		this.#ws.onerror = () => {}; // a close event always follows
	}

	get open() {
		return !this.#done && this.#ws.readyState === 1;
	}

	request(method, params, timeout = REQUEST_TIMEOUT_MS) {
		if (!this.open)
			return Promise.reject(new IsthmusError('disconnected',
				'not connected to the gateway'));
		const transactionId = this.#nextId;
		this.#nextId += 2;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#pending.delete(String(transactionId));
				reject(new IsthmusError('timeout',
					`the gateway did not answer ${method}`,
					{ status: 408 }));
			}, timeout);
			this.#pending.set(String(transactionId),
				{ method, resolve, reject, timer });
			this.#send({
				messageType: 'request', method, transactionId, ...params,
			});
		});
	}

	close(code = CloseCode.NORMAL, reason = '') {
		try {
			this.#ws.close(code, reason);
		} catch {
			this.#finish(1006, reason);
		}
	}

	// Gone for us now, whatever the network still thinks of the socket.
	drop(code, reason) {
		try {
			this.#ws.close();
		} catch { /* was never open */ }
		this.#finish(code, reason);
	}

	#finish(code, reason) {
		if (this.#done)
			return;
		this.#done = true;
		for (const { method, reject, timer } of this.#pending.values()) {
			clearTimeout(timer);
			reject(new IsthmusError('disconnected',
				`the connection was lost before ${method} was answered`));
		}
		this.#pending.clear();
		this.#handlers.closed(code, reason);
	}

	#send(message) {
		const text = JSON.stringify(message);
		if (this.open)
			this.#ws.send(text);
		this.#handlers.traffic('sent', message);
		return text;
	}

	#receive(text) {
		this.lastHeard = Date.now();
		let message;
		try {
			message = JSON.parse(text);
		} catch {
			message = null;
		}
		if (message === null || typeof message !== 'object' ||
		    Array.isArray(message)) {
			this.#handlers.protocolError('a message that is no JSON object');
			return;
		}
		this.#handlers.traffic('received', message);
		if (message.messageType === 'response')
			this.#response(message);
		else
			this.#request(message);
	}

	#response(message) {
		const key = String(message.transactionId);
		const entry = this.#pending.get(key);
		if (!entry) {
			this.#handlers.protocolError(`a response to unknown request ${key}`);
			return;
		}
		this.#pending.delete(key);
		clearTimeout(entry.timer);
		if (message.success !== true)
			entry.reject(failureOf(message));
		else if (this.#handlers.unknownExtensions(message).length)
			entry.reject(new IsthmusError('refused',
				'the gateway requires an unknown extension',
				{ status: 420, response: message }));
		else
			entry.resolve(message);
	}

	async #request(message) {
		const { transactionId, method } = message;
		const key = String(transactionId);
		if (!/^[0-9]{1,20}$/.test(key)) {
			this.#handlers.protocolError('a request without transactionId');
			return;
		}
		if (this.#served.has(key)) {
			// A retransmission: the same response again, once there is one.
			const response = this.#served.get(key);
			if (response)
				this.#send(response);
			return;
		}
		this.#served.set(key, null);
		if (this.#served.size > SERVED_MAX)
			this.#served.delete(this.#served.keys().next().value);

		const response = { messageType: 'response', method, transactionId };
		let after = null;
		try {
			if (Number(BigInt(key) % 2n) !== 1)
				throw problem(400, 'the gateway counts in odd transaction ids');
			if (message.messageType !== 'request' || typeof method !== 'string')
				throw problem(400, 'messageType or method is missing');
			const result = await this.#handlers.request(message) ?? {};
			after = result.after ?? null;
			Object.assign(response, { success: true }, result.members);
		} catch (error) {
			const status = error.status || 500;
			response.success = false;
			if (message.mediaSessionId !== undefined)
				response.mediaSessionId = message.mediaSessionId;
			if (error.retryAfter !== null && error.retryAfter !== undefined)
				response.retryAfter = error.retryAfter;
			if (error.members)
				Object.assign(response, error.members);
			response.problemDetails = {
				type: 'about:blank', title: causeOf(status), status,
				detail: String(error.message).slice(0, 200),
			};
		}
		if (this.#served.has(key))
			this.#served.set(key, response);
		this.#send(response);
		after?.();
	}
}

function problem(status, message, retryAfter = null) {
	return new IsthmusError('refused', message, { status, retryAfter });
}

// ---- what survives a reload of the page ----

class Store {
	#area;
	#key;

	constructor(area, key) {
		this.#area = area;
		this.#key = key;
	}

	load() {
		try {
			return JSON.parse(this.#area?.getItem(this.#key) ?? 'null') ?? {};
		} catch {
			return {};
		}
	}

	save(value) {
		try {
			this.#area?.setItem(this.#key, JSON.stringify(value));
		} catch { /* full or forbidden: a reload then registers anew */ }
	}

	clear() {
		try {
			this.#area?.removeItem(this.#key);
		} catch { /* likewise */ }
	}
}

function defaultStorage() {
	try {
		return globalThis.sessionStorage ?? null;
	} catch {
		return null; // storage is forbidden here
	}
}

function base64(text) {
	let binary = '';
	for (const byte of new TextEncoder().encode(text))
		binary += String.fromCharCode(byte);
	return btoa(binary);
}

function checkConfig(config) {
	if (!config || typeof config.id !== 'string' ||
	    !/^(sip|sips|tel):[^\s]+$/i.test(config.id))
		throw new IsthmusError('config', 'id must be a sip: or tel: URI');
	if (typeof config.endpoint !== 'string' ||
	    !/^wss?:\/\/[^\s]+$/i.test(config.endpoint))
		throw new IsthmusError('config', 'endpoint must be a wss: URL');
}

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
	maxSessions: 8,
	mediaConstraints: { audio: true },
	peerConnectionConfig: {},
	restoreSessions: true,
	supportedExtension: [],
};

// ---- registration and everything that is not one call ----

export class UA extends Emitter {
	#config;
	#conn = null;
	#started = false;
	#registered = false;
	#everRegistered = false; // on this page
	#attempt = 0;
	#retryAfter = 0; // seconds, said with a refused log-in
	#timers = { reconnect: 0, refresh: 0, keepAlive: 0 };
	#store;
	#credential = null; // single use, for authType reauth
	#sessions = new Map(); // by mediaSessionId
	#unnamed = new Set(); // calls whose msetup is not answered yet
	#orphans = new Map(); // ended here, not yet told to the gateway
	#iceServers = [];
	#waiting = new Set(); // woken when registered again, or never again
	#onOnline = () => this.#networkBack();
	#onOffline = () => this.#networkBack();
	expiration = null; // seconds granted at the last registration
	#probing = false;

	constructor(config) {
		super();
		checkConfig(config);
		this.#config = {
			...DEFAULTS,
			WebSocket: globalThis.WebSocket,
			RTCPeerConnection: globalThis.RTCPeerConnection,
			storage: defaultStorage(),
			...config,
		};
		const c = this.#config;
		this.#store = new Store(c.storage, `isthmus:${c.endpoint}:${c.id}`);
		this.#credential = this.#store.load().credential ?? null;
	}

	get id() { return this.#config.id; }
	get config() { return this.#config; }
	get sessions() { return [...this.#sessions.values(), ...this.#unnamed]; }
	get iceServers() { return this.#config.iceServers ?? this.#iceServers; }
	isConnected() { return this.#conn?.open ?? false; }
	isRegistered() { return this.#registered && this.isConnected(); }
	isStarted() { return this.#started; }
	/** Is there a registration of an earlier load of this page to resume? */
	canResume() { return this.#credential !== null; }

	start() {
		if (this.#started)
			return;
		this.#started = true;
		this.#attempt = 0;
		globalThis.addEventListener?.('online', this.#onOnline);
		globalThis.addEventListener?.('offline', this.#onOffline);
		this.#connect();
	}

	/** Hang up, deregister, close.  Resolves when the socket is closed. */
	async stop() {
		if (!this.#started)
			return;
		this.#started = false;
		globalThis.removeEventListener?.('online', this.#onOnline);
		globalThis.removeEventListener?.('offline', this.#onOffline);
		this.#clearTimers();
		for (const session of this.sessions)
			session.terminate();
		this.#store.clear();
		const conn = this.#conn;
		if (!conn)
			return;
		const gone = new Promise((done) => this.once('disconnected', done));
		if (this.#registered) {
			const bye = this.#credential ? {
				authType: 'reauth', authorization: this.#credential,
			} : await this.#freshAuth().catch(() => ({}));
			this.#credential = null;
			conn.request('auth', {
				webrtcId: this.id, ...bye, expiration: 0,
			}, 2000).catch(() => {}).then(() => conn.close());
		} else {
			conn.close();
		}
		await Promise.race([gone, sleep(3000)]);
		if (this.#conn === conn)
			conn.drop(1006, 'no close from the gateway');
	}

	call(target, options = {}) {
		const session = new Session(SECRET, this, {
			direction: 'outgoing',
			target: this.normalizeTarget(target),
		});
		this.#unnamed.add(session);
		this._emit('newSession', { originator: 'local', session, restored: false });
		// After this turn, so that the caller's listeners hear everything.
		queueMicrotask(() => session._start(options));
		return session;
	}

	/** "bob" -> sip:bob@<own domain>, "+1 555" -> tel:+1555, URIs as they are. */
	normalizeTarget(target) {
		const text = String(target ?? '').trim();
		if (/^(sip|sips|tel|urn):\S+$/i.test(text))
			return text;
		const number = text.replace(/[\s().-]/g, '');
		if (/^\+[0-9]{3,15}$/.test(number))
			return `tel:${number}`;
		if (/^[^\s@:]+@[^\s@]+$/.test(text))
			return `sip:${text}`;
		const domain = /@([^;?>]+)/.exec(this.id)?.[1];
		if (/^[^\s@:/]+$/.test(text) && domain)
			return `sip:${text}@${domain}`;
		throw new IsthmusError('target', `"${text}" is not an address to call`);
	}

	/** getInfo(['capabilities']) -> { capabilities: ... } */
	async getInfo(names) {
		const response = await this._request('getinfo', { resources: [...names] });
		return response.resources ?? {};
	}

	/** An application's own method, "name.authority". */
	async request(method, params = {}) {
		if (!/^[^.\s]+\.\S+$/.test(method))
			throw new IsthmusError('config',
				'application methods are called name.authority');
		return this._request(method, params);
	}

	// -- used by Session --

	_request(method, params, timeout) {
		if (!this.#conn || !this.#registered)
			return Promise.reject(new IsthmusError('disconnected',
				'not registered with the gateway'));
		return this.#conn.request(method, params, timeout);
	}

	// Like _request, but a lost connection is waited out.  For messages that
	// do no harm when they arrive twice.
	async _requestSurely(method, params, stillWanted) {
		for (let tries = 0; ; tries++) {
			try {
				return await this._request(method, params);
			} catch (error) {
				if (error.code !== 'disconnected')
					throw error;
				if (!await this._untilRegistered() || !stillWanted() || tries > 5)
					throw error;
			}
		}
	}

	// True when registered (again), false when that will not be.
	_untilRegistered() {
		if (this.isRegistered())
			return Promise.resolve(true);
		if (!this.#started)
			return Promise.resolve(false);
		return new Promise((done) => this.#waiting.add(done));
	}

	// TURN credentials last a while only; a call that is made later than that
	// needs new ones.  Without an answer the old ones have to do.
	async _freshIceServers() {
		if (this.#config.iceServers || !this.isRegistered() ||
		    turnSecondsLeft(this.#iceServers) > TURN_MARGIN_S)
			return;
		const info = await this.#conn.request('getinfo',
			{ resources: ['iceServers'] }, 3000).catch(() => null);
		if (Array.isArray(info?.resources?.iceServers))
			this.#iceServers = info.resources.iceServers;
	}

	_named(session) {
		this.#unnamed.delete(session);
		this.#sessions.set(session.id, session);
	}

	_forget(session) {
		this.#unnamed.delete(session);
		if (this.#sessions.get(session.id) === session)
			this.#sessions.delete(session.id);
	}

	_hangUp(id, params) {
		this.#orphans.set(id, params);
		if (this.#registered)
			this.#tellOrphan(id, params);
	}

	#tellOrphan(id, params) {
		this._request('mdisc', { mediaSessionId: id, ...params }).then(
			() => this.#orphans.delete(id),
			(error) => {
				if (error.code !== 'disconnected')
					this.#orphans.delete(id);
			});
	}

	// -- connection --

	#connect() {
		clearTimeout(this.#timers.reconnect);
		if (!this.#started || this.#conn)
			return;
		this._emit('connecting', { attempt: this.#attempt });
		let conn;
		try {
			conn = new Connection(this.#config, {
				opened: () => this.#opened(conn),
				closed: (code, reason) => this.#closed(conn, code, reason),
				request: (message) => this.#serve(message),
				unknownExtensions: (message) => this.#unknownExtensions(message),
				traffic: (direction, message) =>
					this._emit('traffic', { direction, message }),
				protocolError: (detail) => this._emit('protocolError', { detail }),
			});
		} catch (error) { // a forbidden port, mixed content
			this._emit('disconnected', {
				code: 1006, reason: String(error.message), reconnecting: false,
			});
			return;
		}
		this.#conn = conn;
	}

	#opened(conn) {
		this._emit('connected', {});
		this.#authenticate(conn).catch((error) => {
			if (error.code !== 'disconnected')
				conn.close(CloseCode.NORMAL, 'registration failed');
		});
	}

	#closed(conn, code, reason) {
		if (this.#conn !== conn)
			return;
		this.#conn = null;
		const wasRegistered = this.#registered;
		this.#registered = false;
		clearTimeout(this.#timers.refresh);
		clearInterval(this.#timers.keepAlive);

		const final = code === CloseCode.SUPERSEDED ||
			code === CloseCode.DEREGISTERED;
		const lost = final || code === CloseCode.EXPIRED || !this.#started;
		if (lost) {
			// The gateway has released, or given away, what we had there.
			this.#credential = null;
			if (code !== CloseCode.SUPERSEDED)
				this.#store.clear();
			this.#dropSessions(code === CloseCode.SUPERSEDED ?
				'Taken Over Elsewhere' : 'Connection Error');
		}
		if (final)
			this.#giveUp();
		const delay = this.#started ? this.#backOff(code, reason) : null;
		this._emit('disconnected', {
			code, reason, reconnecting: delay !== null, delay,
		});
		if (wasRegistered && lost)
			this._emit('unregistered', { cause: {
				[CloseCode.EXPIRED]: 'Expired',
				[CloseCode.SUPERSEDED]: 'Superseded',
				[CloseCode.DEREGISTERED]: 'Deregistered',
			}[code] ?? 'Stopped' });
		if (delay !== null && this.#started)
			this.#timers.reconnect = setTimeout(() => this.#connect(), delay);
	}

	// Exponential with jitter, so that a restarted gateway is not stormed.
	#backOff(code, reason) {
		const { reconnectMin, reconnectMax } = this.#config;
		let floor = 1000 * this.#retryAfter;
		this.#retryAfter = 0;
		// What closes every client at once must not bring them back at once.
		if (code === CloseCode.OVERLOAD)
			floor += 10_000 * (1 + Math.random());
		else if (code === CloseCode.POLICY && reason !== SLOW_AUTH)
			floor += 60_000; // it pauses our address for that long
		else if (code === CloseCode.RESTART)
			floor += 500 + 2500 * Math.random();
		const step = Math.min(reconnectMax,
			reconnectMin * 2 ** Math.min(this.#attempt, 16));
		this.#attempt++;
		return Math.round(floor + step * (0.5 + Math.random() / 2));
	}

	#giveUp() {
		this.#started = false;
		globalThis.removeEventListener?.('online', this.#onOnline);
		globalThis.removeEventListener?.('offline', this.#onOffline);
		this.#clearTimers();
		this.#wake(false);
	}

	#clearTimers() {
		clearTimeout(this.#timers.reconnect);
		clearTimeout(this.#timers.refresh);
		clearInterval(this.#timers.keepAlive);
		if (!this.#started)
			this.#wake(false);
	}

	#wake(registered) {
		const waiting = [...this.#waiting];
		this.#waiting.clear();
		for (const done of waiting)
			done(registered);
	}

	#dropSessions(cause) {
		for (const session of this.sessions)
			session._lost(cause);
	}

	#networkBack() {
		if (!this.#started)
			return;
		if (!this.#conn) {
			if (globalThis.navigator?.onLine !== false)
				this.#connect();
		} else {
			this.#probe();
		}
	}

	// JavaScript sees neither Ping nor Pong; a dead socket shows only when
	// something is asked of it.
	async #probe() {
		const conn = this.#conn;
		if (!conn || !this.#registered || this.#probing)
			return;
		this.#probing = true;
		try {
			await conn.request('getinfo', { resources: ['registration'] }, 5000);
		} catch (error) {
			if (error.code === 'timeout' && Date.now() - conn.lastHeard >= 5000)
				conn.drop(1006, 'no answer from the gateway');
		} finally {
			this.#probing = false;
		}
	}

	// -- registration --

	async #freshAuth() {
		const { token, getToken, password } = this.#config;
		if (getToken || token !== undefined) {
			const bearer = getToken ? await getToken() : token;
			return { authType: 'bearer', authorization: `Bearer ${bearer}` };
		}
		if (password === undefined)
			throw new IsthmusError('credentials',
				'no password, token or getToken is configured', { status: 401 });
		// RFC 7617 2: a user-id holds no colon, so the URI goes without scheme.
		const user = this.id.replace(/^(sip|sips|tel):/i, '');
		return {
			authType: 'basic',
			authorization: `Basic ${base64(`${user}:${password}`)}`,
		};
	}

	#authParams(credentials) {
		const { disconnectionTtl, expiration, supportedExtension } = this.#config;
		return {
			webrtcId: this.id, ...credentials, disconnectionTtl,
			...expiration === undefined ? {} : { expiration },
			...supportedExtension.length ? { supportedExtension } : {},
		};
	}

	async #authenticate(conn) {
		let response = null;
		let resumed = false;
		if (this.#credential) {
			const authorization = this.#credential;
			this.#credential = null; // single use, whatever comes of it
			this.#store.clear();
			try {
				response = await conn.request('auth', this.#authParams(
					{ authType: 'reauth', authorization }));
				resumed = true;
			} catch (error) {
				if (error.code !== 'refused' || error.status >= 500)
					throw error;
			}
		}
		if (!response) {
			// What the old registration held is gone with it.
			if (this.#everRegistered)
				this.#dropSessions('Connection Error');
			this.#orphans.clear();
			response = await this.#authenticateAfresh(conn);
		}
		if (conn !== this.#conn || !conn.open)
			return;
		this.#accepted(response);
		await this.#ready(conn, resumed);
	}

	async #authenticateAfresh(conn) {
		try {
			const credentials = await this.#freshAuth();
			return await conn.request('auth', this.#authParams(credentials));
		} catch (error) {
			if (error.code === 'disconnected')
				throw error;
			this.#retryAfter = Math.min(Number(error.retryAfter) || 0, 600);
			// Wrong credentials do not get better by repetition.
			const hopeless = [401, 403, 404].includes(error.status);
			if (hopeless)
				this.#giveUp();
			this._emit('registrationFailed', {
				status: error.status ?? 0,
				cause: error.status ? causeOf(error.status) : 'Token Error',
				message: error.message,
				problemDetails: error.problemDetails ?? null,
				willRetry: !hopeless,
			});
			throw error;
		}
	}

	#accepted(response) {
		this.#credential = response.reauthCredential ?? null;
		if (this.#credential)
			this.#store.save({ credential: this.#credential });
		clearTimeout(this.#timers.refresh);
		const seconds = Number(response.expiration);
		if (seconds > 0) {
			const early = Math.max(seconds * 0.8, seconds - 300);
			// setTimeout counts in 31 bits
			this.#timers.refresh = setTimeout(() => this.#refresh(),
				Math.min(early * 1000, 2 ** 31 - 1));
		}
		this.expiration = seconds || null;
	}

	// Before the registration or the token runs out, on the same connection.
	async #refresh() {
		const conn = this.#conn;
		if (!conn || !this.#registered)
			return;
		try {
			const credentials = await this.#freshAuth();
			this.#accepted(await conn.request('auth',
				this.#authParams(credentials)));
			this._emit('registered', {
				expiration: this.expiration, resumed: false, refreshed: true,
			});
		} catch (error) {
			if (conn !== this.#conn)
				return;
			this._emit('registrationFailed', {
				status: error.status ?? 0, cause: causeOf(error.status || 401),
				message: error.message, problemDetails: error.problemDetails ?? null,
				willRetry: error.code !== 'credentials',
			});
			// Without credentials (a page that was reloaded) it just ends.
			if (error.code !== 'credentials')
				this.#timers.refresh = setTimeout(() => this.#refresh(), 15_000);
		}
	}

	async #ready(conn, resumed) {
		const info = await conn.request('getinfo', {
			resources: resumed ? ['iceServers', 'mediaSessions'] : ['iceServers'],
		}).catch((error) => {
			if (error.code === 'disconnected')
				throw error;
			return {};
		});
		if (conn !== this.#conn || !conn.open)
			return;
		const resources = info.resources ?? {};
		if (Array.isArray(resources.iceServers))
			this.#iceServers = resources.iceServers;
		this.#registered = true;
		this.#everRegistered = true;
		this.#attempt = 0;
		clearInterval(this.#timers.keepAlive);
		const { keepAlive } = this.#config;
		if (keepAlive > 0)
			this.#timers.keepAlive = setInterval(() => {
				if (Date.now() - conn.lastHeard >= keepAlive)
					this.#probe();
			}, keepAlive);
		this._emit('registered', {
			expiration: this.expiration, resumed, refreshed: false,
		});
		if (resumed && Array.isArray(resources.mediaSessions))
			this.#reconcile(resources.mediaSessions);
		this.#wake(true);
	}

	// The gateway's list is the truth: what is not in it is over, what we do
	// not know of is a call of the page before its reload.
	#reconcile(list) {
		const listed = new Map(list.filter((s) => s?.mediaSessionId)
			.map((s) => [s.mediaSessionId, s]));
		for (const [id, params] of [...this.#orphans]) {
			if (listed.delete(id))
				this.#tellOrphan(id, params);
			else
				this.#orphans.delete(id);
		}
		for (const session of [...this.#sessions.values()]) {
			if (listed.has(session.id))
				session._reconnected(listed.get(session.id));
			else
				session._lost('Terminated');
			listed.delete(session.id);
		}
		for (const session of [...this.#unnamed]) {
			const mine = [...listed.values()].find((s) =>
				isOutgoing(s) && s.peer === session.target);
			if (session._adopt(mine))
				listed.delete(mine.mediaSessionId);
		}
		for (const info of listed.values())
			this.#restore(info);
	}

	#restore(info) {
		const id = info.mediaSessionId;
		const state = info.mediaSessionState;
		const live = ['connected', 'held', 'updating'].includes(state);
		if (!live) {
			// Incoming and ringing: the gateway sends its msetup again.
			// Outgoing and not answered: the keys of its offer are gone.
			if (isOutgoing(info))
				this._hangUp(id, {});
			return;
		}
		if (!this.#config.restoreSessions) {
			this._hangUp(id, {});
			return;
		}
		const session = new Session(SECRET, this, {
			direction: isOutgoing(info) ? 'outgoing' : 'incoming',
			target: info.peer, id, state, restored: true, since: info.since,
		});
		this.#sessions.set(id, session);
		this._emit('newSession', {
			originator: isOutgoing(info) ? 'local' : 'remote', session,
			restored: true,
		});
		queueMicrotask(() => session._resumeUnlessDone());
	}

	// -- requests of the gateway --

	async #serve(message) {
		const { method } = message;
		const unknown = this.#unknownExtensions(message);
		if (unknown.length) {
			const error = problem(420, 'extension not supported');
			error.members = { unsupportedExtension: unknown };
			throw error;
		}
		switch (method) {
		case 'msetup':
			return this.#incoming(message);
		case 'mupdate':
			return this.#sessionOf(message)._onUpdate(message);
		case 'mdisc':
			return this.#sessionOf(message)._onDisconnect(message);
		case 'getinfo':
			return { members: { resources: this.#answerInfo(message) } };
		case 'auth':
			throw problem(405, 'the gateway does not authenticate here');
		default:
			return this.#applicationRequest(message);
		}
	}

	#unknownExtensions({ requiredExtension: required }) {
		return Array.isArray(required) ? required.filter(
			(e) => !this.#config.supportedExtension.includes(e)) : [];
	}

	#sessionOf(message) {
		if (typeof message.mediaSessionId !== 'string')
			throw problem(400, 'mediaSessionId is missing');
		const session = this.#sessions.get(message.mediaSessionId);
		if (!session)
			throw problem(481, 'no such media session');
		return session;
	}

	#answerInfo(message) {
		if (!Array.isArray(message.resources))
			throw problem(400, 'resources is missing');
		const known = {
			capabilities: {
				client: `isthmus.js ${VERSION}`,
				methods: ['msetup', 'mupdate', 'mdisc', 'getinfo'],
				extensions: this.#config.supportedExtension,
			},
			mediaSessions: [...this.#sessions.values()].map((s) => ({
				mediaSessionId: s.id, mediaSessionState: s.state,
			})),
		};
		return Object.fromEntries(message.resources.slice(0, 32).map(
			(name) => [String(name), known[name] ?? null]));
	}

	async #applicationRequest(message) {
		if (!message.method.includes('.'))
			throw problem(405, 'unknown method');
		if (!this.listenerCount('request'))
			throw problem(501, 'no such application method');
		let reply = null;
		this._emit('request', {
			method: message.method,
			message,
			respond(members = {}) { reply ??= Promise.resolve({ members }); },
			respondLater(promise) {
				reply ??= Promise.resolve(promise).then((members) => ({ members }));
			},
			reject(status = 501, detail = '') {
				reply ??= Promise.reject(problem(status, detail));
			},
		});
		if (!reply)
			throw problem(501, 'no such application method');
		return reply;
	}

	#incoming(message) {
		const id = message.mediaSessionId;
		if (typeof id !== 'string' || !id)
			throw problem(400, 'mediaSessionId is missing');
		if (typeof message.sdpOffer !== 'string')
			throw problem(400, 'sdpOffer is missing');
		const known = this.#sessions.get(id);
		if (known) // sent again on a new connection
			return { members: { mediaSessionId: id, mediaSessionState: known.state } };
		if (this.#orphans.has(id))
			throw problem(603, 'declined');
		if (this.sessions.length >= this.#config.maxSessions)
			throw problem(486, 'too many calls here');
		const session = new Session(SECRET, this, {
			direction: 'incoming', target: message.resourceId, id,
			state: State.ALERTING, sdpOffer: message.sdpOffer,
			userData: message.userData,
			remote: {
				uri: message.assertedOriginatingId ?? null,
				displayName: message.assertedOriginatingName ?? '',
			},
		});
		this.#sessions.set(id, session);
		return {
			members: { mediaSessionId: id, mediaSessionState: State.ALERTING },
			// The response first: the application may answer at once.
			after: () => this._emit('newSession', {
				originator: 'remote', session, restored: false,
			}),
		};
	}
}

// The user name of TURN REST credentials begins with when they end.
function turnSecondsLeft(servers) {
	return Math.min(...servers.map((server) =>
		/^[0-9]+(?=:)/.exec(server?.username ?? '')?.[0] ?? Infinity)) - Date.now() / 1000;
}

// Both spellings of who began it.
function isOutgoing(info) {
	return /^(out|orig)/i.test(info.direction ?? '');
}

// ---- one call ----

const SECRET = Symbol('made by UA');

const DIRECTION = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m;

// Does the writer of @sdp want to hear us?  (RFC 3264 8.4)
function listens(sdp) {
	const sections = sdp.split(/^(?=m=)/m);
	const audio = sections.find((s) => /^m=audio [1-9]/.test(s));
	if (!audio)
		return true;
	const direction = (DIRECTION.exec(audio) ?? DIRECTION.exec(sections[0]))?.[1];
	return direction !== 'sendonly' && direction !== 'inactive';
}

export class Session extends Emitter {
	#ua;
	#state;
	#connection = null;
	#chain = Promise.resolve(); // JSEP operations, one after the other
	#preOffer = null; // made, not yet set: the gateway may want its own
	#earlyAnswer = null; // set as pranswer; the final one may not be repeated
	#remoteOffer; // of an incoming call, until answered
	#exchange = null; // our offer that waits for its answer
	#owned = []; // tracks to stop at the end
	#setupSent = false;
	#answering = false;
	#accepted = false;
	#confirmed = false;
	#hold = { local: false, remote: false };
	#muted = false;
	#resumed = null;
	#recovering = false;
	#statsTimer = 0;
	#iceTimer = 0;

	constructor(secret, ua, init) {
		super();
		if (secret !== SECRET)
			throw new TypeError('sessions are made by UA.call()');
		this.#ua = ua;
		this.id = init.id ?? null;
		this.direction = init.direction;
		this.target = init.target;
		this.restored = init.restored ?? false;
		this.userData = init.userData ?? null;
		this.remoteIdentity = init.remote ??
			{ uri: init.target ?? null, displayName: '' };
		this.startTime = init.since ? new Date(toDate(init.since)) : null;
		this.endTime = null;
		this.localStream = null;
		this.remoteStream = new MediaStream();
		this.data = {}; // the application's
		this.#state = init.state ?? State.INITIAL;
		this.#remoteOffer = init.sdpOffer ?? null;
		if (this.restored) {
			this.#accepted = true;
			this.#answering = true;
		}
	}

	get ua() { return this.#ua; }
	get state() { return this.#state; }
	/** The RTCPeerConnection; null until there is one. */
	get connection() { return this.#connection; }
	isEnded() { return this.#state === State.DISCONNECTED; }
	isEstablished() { return this.#accepted && !this.isEnded(); }
	isMuted() { return this.#muted; }
	isOnHold() { return { ...this.#hold }; }

	// -- what the application does --

	async answer(options = {}) {
		if (this.direction !== 'incoming' || this.#answering || this.isEnded())
			throw new IsthmusError('state', 'nothing to answer here');
		this.#answering = true;
		try {
			await this.#acquireMedia(options);
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#makeConnection();
			const sdpAnswer = await this.#serial(async () => {
				await this.#connection.setRemoteDescription(
					{ type: 'offer', sdp: this.#remoteOffer });
				return this.#makeAnswer();
			});
			await this.#ua._requestSurely('mupdate',
				{ mediaSessionId: this.id, sdpAnswer }, () => !this.isEnded());
			if (!this.isEnded())
				this.#accept('local');
		} catch (error) {
			if (this.isEnded())
				return;
			this.#reportMediaError(error);
			if (error.status !== 481)
				this.#ua._hangUp(this.id, problemMember(488, error.message));
			this.#end('local', {
				cause: mediaCause(error), status: error.status || 488,
				message: error.message,
			});
			throw error;
		}
	}

	/** Refuse a call that rings here, @status 4xx-6xx. */
	reject({ status = 603, reason } = {}) {
		this.terminate({ status, reason });
	}

	/** End it, whatever its state. */
	terminate({ status, reason } = {}) {
		if (this.isEnded())
			return;
		const params = {};
		let cause = 'Terminated';
		if (this.direction === 'incoming' && !this.#accepted) {
			Object.assign(params, problemMember(status ?? 603, reason));
			cause = 'Rejected';
		} else if (status >= 300) {
			Object.assign(params, problemMember(status, reason));
		}
		if (!this.#accepted && this.direction === 'outgoing')
			cause = 'Canceled';
		if (this.id)
			this.#ua._hangUp(this.id, params);
		// Without an id the msetup is under way: its response is hung up.
		this.#end('local', { cause, status: status ?? 0 });
	}

	mute() { this.#setMuted(true); }
	unmute() { this.#setMuted(false); }

	/** The other party hears nothing and is not heard. */
	hold() { return this.#setHold(true); }
	unhold() { return this.#setHold(false); }

	/** RFC 4733 where negotiated, else as user data (SIP INFO beyond). */
	async sendDTMF(tones, { duration = 160, interToneGap = 70, transport } = {}) {
		const text = String(tones).toUpperCase();
		if (!/^[0-9A-D#*,]+$/.test(text))
			throw new IsthmusError('config', 'tones are 0-9, A-D, #, * and ","');
		if (!this.isEstablished())
			throw new IsthmusError('state', 'the call is not established');
		const sender = this.#audioSender()?.dtmf;
		if (transport !== 'info' && sender?.canInsertDTMF) {
			sender.insertDTMF(sender.toneBuffer + text, duration, interToneGap);
			this._emit('newDTMF', { originator: 'local', tones: text });
			return;
		}
		for (const signal of text) {
			if (signal === ',') {
				await sleep(2000);
				continue;
			}
			await this.#ua._request('mupdate', {
				mediaSessionId: this.id,
				userData: { dtmf: { signal, duration } },
			});
			this._emit('newDTMF', { originator: 'local', tones: signal });
			await sleep(interToneGap);
		}
	}

	/** Opaque to the gateway. */
	async sendUserData(userData) {
		await this.#ua._request('mupdate', { mediaSessionId: this.id, userData });
	}

	/** New ICE credentials and candidates, after a change of network. */
	async restartIce() {
		await this.#ua._freshIceServers();
		if (this.#connection && !this.isEnded())
			this.#connection.setConfiguration({
				...this.#connection.getConfiguration(),
				iceServers: this.#ua.config.peerConnectionConfig.iceServers ??
					this.#ua.iceServers,
			});
		return this.#negotiate({ iceRestart: true });
	}

	/** Offer again: tracks or directions of .connection were changed. */
	renegotiate() {
		return this.#negotiate({});
	}

	/** Media for a call that the gateway kept while the page was reloaded. */
	resume(options = {}) {
		if (!this.restored || this.isEnded())
			return Promise.reject(new IsthmusError('state', 'nothing to resume'));
		this.#resumed ??= this.#resume(options);
		return this.#resumed;
	}

	/** One flat summary of RTCPeerConnection.getStats(). */
	async getStats() {
		const summary = {
			packetsSent: 0, packetsReceived: 0, packetsLost: 0, bytesSent: 0,
			bytesReceived: 0, jitterMs: null, rttMs: null, codec: null,
			audioLevel: null, localAudioLevel: null,
		};
		const report = await this.#connection?.getStats() ?? new Map();
		const codecs = new Map();
		for (const s of report.values())
			if (s.type === 'codec')
				codecs.set(s.id, s.mimeType);
		for (const s of report.values()) {
			if (s.type === 'inbound-rtp' && s.kind === 'audio') {
				summary.packetsReceived += s.packetsReceived;
				summary.packetsLost += s.packetsLost;
				summary.bytesReceived += s.bytesReceived;
				summary.jitterMs = s.jitter * 1000;
				summary.audioLevel = s.audioLevel ?? null;
				summary.codec = codecs.get(s.codecId) ?? summary.codec;
			} else if (s.type === 'outbound-rtp' && s.kind === 'audio') {
				summary.packetsSent += s.packetsSent;
				summary.bytesSent += s.bytesSent;
				summary.codec ??= codecs.get(s.codecId) ?? null;
			} else if (s.type === 'media-source' && s.kind === 'audio') {
				summary.localAudioLevel = s.audioLevel ?? null;
			} else if (s.type === 'candidate-pair' && s.nominated &&
				   s.currentRoundTripTime !== undefined) {
				summary.rttMs = s.currentRoundTripTime * 1000;
			}
		}
		return summary;
	}

	// -- what UA does --

	async _start({ mediaStream, mediaConstraints, preOffer = true, userData,
		       preferredOriginatingId } = {}) {
		try {
			await this.#acquireMedia({ mediaStream, mediaConstraints });
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#makeConnection();
			const params = { resourceId: this.target };
			if (preferredOriginatingId)
				params.preferredOriginatingId = preferredOriginatingId;
			if (userData)
				params.userData = userData;
			if (preOffer) {
				this.#preOffer = await this.#serial(
					() => this.#connection.createOffer());
				params.preOffer = this.#preOffer.sdp;
			}
			if (this.isEnded())
				return;
			const request = this.#ua._request('msetup', params);
			this.#setupSent = this.#ua.isRegistered();
			const response = await request;
			if (typeof response.mediaSessionId !== 'string')
				throw problem(500, 'the gateway named no session');
			this.#name(response.mediaSessionId, response.mediaSessionState);
		} catch (error) {
			// A connection lost meanwhile: UA looks whether the call lives.
			if (this.isEnded() || this.id || error.code === 'disconnected' &&
			    this.#ua.canResume() && this.#setupSent)
				return;
			this.#reportMediaError(error);
			const made = error.response?.success && error.response.mediaSessionId;
			if (made)
				this.#ua._hangUp(made, problemMember(error.status, error.message));
			this.#end(error.code === 'refused' ? 'remote' : 'local', {
				cause: mediaCause(error), status: error.status || 0,
				message: error.message,
				problemDetails: error.problemDetails ?? null,
				retryAfter: error.retryAfter ?? null,
			});
		}
	}

	#name(id, state) {
		if (this.isEnded()) { // hung up before it had a name
			this.#ua._hangUp(id, {});
			return;
		}
		this.id = id;
		this.#ua._named(this);
		this.#setState(KNOWN_STATES.has(state) ? state : State.PROCEEDING);
	}

	// Its msetup went out and the response was lost with the connection: @info
	// is the session the gateway made of it, if it arrived there.
	_adopt(info) {
		if (!this.#setupSent)
			return false;
		if (!info) {
			this._lost('Connection Error');
			return false;
		}
		this.#name(info.mediaSessionId, info.mediaSessionState);
		return true;
	}

	_reconnected(info) {
		this._emit('reconnected', { state: info.mediaSessionState });
		const ice = this.#connection?.iceConnectionState;
		if (this.#accepted && (ice === 'failed' || ice === 'disconnected'))
			this.#recover();
	}

	_resumeUnlessDone() {
		if (!this.#resumed && !this.isEnded())
			this.resume().catch(() => {});
	}

	_lost(cause) {
		this.#end('system', { cause, status: 0 });
	}

	async _onUpdate(message) {
		const { sdpOffer, sdpAnswer, mediaSessionState } = message;
		for (const text of [sdpOffer, sdpAnswer])
			if (text !== undefined && typeof text !== 'string')
				throw problem(400, 'a description is a string');
		this.#takeIdentity(message);
		if (message.userData && typeof message.userData === 'object')
			this.#takeUserData(message.userData);
		const members = { mediaSessionId: this.id };

		if (sdpOffer !== undefined) {
			const answer = await this.#serial(() => this.#takeOffer(sdpOffer));
			this.#takeState(mediaSessionState, true);
			return { members, after: () => this.#sendAnswer(answer) };
		}
		if (sdpAnswer !== undefined)
			this.#serial(() => this.#takeAnswer(sdpAnswer, mediaSessionState))
				.then(() => this.#takeState(mediaSessionState, true),
					(error) => this.#unusable(error));
		else if (message.problemDetails && this.#exchange)
			this.#exchange.reject(failureOf(message));
		else if (this.#earlyAnswer && mediaSessionState === State.CONNECTED)
			this.#serial(() => this.#finishEarly())
				.then(() => this.#takeState(mediaSessionState, false),
					(error) => this.#unusable(error));
		else
			this.#takeState(mediaSessionState, false);
		return { members };
	}

	_onDisconnect(message) {
		const details = message.problemDetails ?? null;
		const status = Number(details?.status) || 0;
		const members = {
			mediaSessionId: this.id, mediaSessionState: State.DISCONNECTED,
		};
		let cause = status >= 300 ? causeOf(status) : 'Terminated';
		if (!this.#accepted && this.direction === 'incoming' && status < 300)
			cause = status === 200 ? 'Answered Elsewhere' : 'Canceled';
		return { members, after: () => this.#end('remote', {
			cause, status, message: details?.detail ?? details?.title ?? cause,
			problemDetails: details,
		}) };
	}

	// -- state --

	#setState(state) {
		if (this.#state === state || this.isEnded())
			return;
		const previous = this.#state;
		this.#state = state;
		this._emit('state', { state, previous });
		if (state === State.PROCEEDING || state === State.ALERTING ||
		    state === State.EARLY)
			this._emit('progress', { originator: 'remote', state });
	}

	// @withSdp: the description has already told who listens.
	#takeState(state, withSdp) {
		if (!KNOWN_STATES.has(state) || this.isEnded())
			return; // unknown states are ignored (docs/protocol.md)
		switch (state) {
		case State.CONNECTED:
		case State.HELD:
			if (!this.#accepted)
				this.#accept('remote');
			if (!withSdp && !this.#hold.local)
				this.#setRemoteHold(state === State.HELD);
			this.#showHold();
			break;
		case State.DISCONNECTED:
		case State.DISCONNECTING:
		case State.UPDATING:
			break; // mdisc ends a session, descriptions update it
		default:
			if (!this.#accepted)
				this.#setState(state);
		}
	}

	#accept(originator) {
		if (this.#accepted)
			return;
		this.#accepted = true;
		this.startTime = new Date();
		this.#setState(State.CONNECTED);
		this._emit('accepted', { originator });
		this.#showHold();
		this.#confirmIfUp();
		this.#watchStats();
	}

	// Both sides said yes and packets have a way: people can talk.
	#confirmIfUp() {
		if (!this.#accepted || this.#confirmed || this.isEnded() ||
		    this.#connection?.connectionState !== 'connected')
			return;
		this.#confirmed = true;
		this._emit('confirmed', { restored: this.restored });
	}

	#end(originator, detail) {
		if (this.isEnded())
			return;
		const established = this.#accepted;
		clearInterval(this.#statsTimer);
		clearTimeout(this.#iceTimer);
		this.#exchange?.reject(new IsthmusError('ended', 'the call ended'));
		for (const track of this.#owned)
			track.stop();
		this.#owned = [];
		if (this.#connection) {
			this.#connection.onconnectionstatechange = null;
			this.#connection.oniceconnectionstatechange = null;
			this.#connection.close();
		}
		this.endTime = new Date();
		const previous = this.#state;
		this.#state = State.DISCONNECTED;
		this.#ua._forget(this);
		this._emit('state', { state: this.#state, previous });
		this._emit(established ? 'ended' : 'failed', {
			originator, message: detail.cause, problemDetails: null, ...detail,
		});
	}

	#takeIdentity(message) {
		const uri = message.assertedTerminatingId ?? message.assertedOriginatingId;
		if (typeof uri !== 'string')
			return;
		const displayName = message.assertedTerminatingName ??
			message.assertedOriginatingName ?? '';
		this.remoteIdentity = { uri, displayName };
		this._emit('identity', this.remoteIdentity);
	}

	#takeUserData(userData) {
		if (userData.dtmf !== undefined) {
			const tones = typeof userData.dtmf === 'object' ?
				userData.dtmf?.signal : userData.dtmf;
			this._emit('newDTMF', { originator: 'remote', tones: String(tones) });
		}
		this._emit('userData', { userData });
	}

	// -- media --

	async #acquireMedia({ mediaStream, mediaConstraints }) {
		let stream = mediaStream ?? null;
		if (!stream)
			stream = await navigator.mediaDevices.getUserMedia(
				mediaConstraints ?? this.#ua.config.mediaConstraints);
		// Own copies: muting one call must not mute another, and ending it
		// must not stop what belongs to the application.
		const tracks = stream.getTracks().map(
			(track) => mediaStream ? track.clone() : track);
		this.#owned.push(...tracks);
		this.localStream = new MediaStream(tracks);
		if (this.isEnded()) {
			for (const track of tracks)
				track.stop();
			return;
		}
		this.#applyMute();
	}

	#reportMediaError(error) {
		if (error instanceof Error && isMediaError(error))
			this._emit('getusermediafailed', { error });
	}

	#makeConnection() {
		const { RTCPeerConnection, peerConnectionConfig } = this.#ua.config;
		const pc = new RTCPeerConnection({
			bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require',
			iceServers: this.#ua.iceServers, ...peerConnectionConfig,
		});
		this.#connection = pc;
		pc.ontrack = ({ track, streams }) => {
			this.remoteStream.addTrack(track);
			this._emit('track', { track, streams, stream: this.remoteStream });
		};
		pc.oniceconnectionstatechange = () => {
			this._emit('icestate', { state: pc.iceConnectionState });
			this.#watchIce();
		};
		pc.onconnectionstatechange = () => this.#confirmIfUp();
		for (const track of this.localStream.getTracks())
			pc.addTrack(track, this.localStream);
		if (!this.localStream.getAudioTracks().length)
			pc.addTransceiver('audio', { direction: 'recvonly' });
		this._emit('peerconnection', { connection: pc });
	}

	#audioSender() {
		return this.#connection?.getSenders().find(
			(sender) => sender.track?.kind === 'audio');
	}

	#setMuted(muted) {
		if (this.#muted === muted || this.isEnded())
			return;
		this.#muted = muted;
		this.#applyMute();
		this._emit(muted ? 'muted' : 'unmuted', {});
	}

	// While we hold, silence is sent: the path stays alive, nobody listens in.
	#applyMute() {
		for (const track of this.localStream?.getTracks() ?? [])
			track.enabled = !this.#muted && !this.#hold.local;
	}

	// A path that broke (another network, a sleeping lid) is made anew.
	#watchIce() {
		clearTimeout(this.#iceTimer);
		if (!this.#accepted || this.isEnded())
			return;
		const state = this.#connection.iceConnectionState;
		if (state === 'failed')
			this.#recover();
		else if (state === 'disconnected')
			this.#iceTimer = setTimeout(() => this.#recover(), 4000);
	}

	async #recover() {
		if (this.#recovering || this.isEnded() || !this.#ua.isRegistered())
			return; // _reconnected() comes back to it
		this.#recovering = true;
		try {
			await this.restartIce();
		} catch {
			if (!this.isEnded())
				this.#iceTimer = setTimeout(() => this.#watchIce(), 5000);
		} finally {
			this.#recovering = false;
		}
	}

	#watchStats() {
		const every = this.#ua.config.statsInterval;
		if (!(every > 0) || this.#statsTimer)
			return;
		this.#statsTimer = setInterval(async () => {
			const stats = await this.getStats().catch(() => null);
			if (stats && !this.isEnded())
				this._emit('stats', stats);
		}, every);
	}

	// -- offer and answer --

	// JSEP operations overlap badly (a 200 right behind a 183): one at a time.
	#serial(operation) {
		const result = this.#chain.then(() => {
			if (this.isEnded())
				throw new IsthmusError('ended', 'the call ended', { status: 481 });
			return operation();
		});
		this.#chain = result.catch(() => {});
		return result;
	}

	// Answers only: the gateway learns our address from the checks anyway.
	async #gathered() {
		const pc = this.#connection;
		const { gatherTimeout } = this.#ua.config;
		if (pc.iceGatheringState !== 'complete' && gatherTimeout > 0)
			await new Promise((done) => {
				const name = 'icegatheringstatechange';
				const finish = () => {
					clearTimeout(timer);
					pc.removeEventListener(name, changed);
					done();
				};
				const changed = () => {
					if (pc.iceGatheringState === 'complete')
						finish();
				};
				const timer = setTimeout(finish, gatherTimeout);
				pc.addEventListener(name, changed);
			});
		return pc.localDescription.sdp;
	}

	async #makeAnswer() {
		const pc = this.#connection;
		await pc.setLocalDescription(await pc.createAnswer());
		this.#setRemoteHold(!listens(pc.remoteDescription.sdp));
		return this.#gathered();
	}

	// A new offer of the gateway; returns our answer.
	async #takeOffer(sdp) {
		const pc = this.#connection;
		if (!pc || this.direction === 'incoming' && !this.#answering)
			throw problem(409, 'the call is not answered yet');
		if (this.#exchange)
			throw problem(491, 'our own offer is under way',
				Math.floor(Math.random() * 3));
		if (this.#earlyAnswer)
			await this.#finishEarly();
		// A pre-offer was never set, so there is nothing to roll back: the
		// gateway's offer simply takes its place.
		this.#preOffer = null;
		try {
			await pc.setRemoteDescription({ type: 'offer', sdp });
			return await this.#makeAnswer();
		} catch (error) {
			if (pc.signalingState === 'have-remote-offer')
				await pc.setRemoteDescription({ type: 'rollback' }).catch(() => {});
			throw problem(488, error.message);
		}
	}

	async #sendAnswer(sdpAnswer) {
		try {
			await this.#ua._requestSurely('mupdate',
				{ mediaSessionId: this.id, sdpAnswer }, () => !this.isEnded());
			this.#showHold();
		} catch (error) {
			if (!this.isEnded() && error.code === 'refused' && error.status !== 409)
				this.#unusable(error);
		}
	}

	async #takeAnswer(sdp, state) {
		const pc = this.#connection;
		if (this.#exchange) {
			const exchange = this.#exchange;
			try {
				await pc.setLocalDescription(exchange.offer);
				await pc.setRemoteDescription({ type: 'answer', sdp });
				exchange.resolve();
			} catch (error) {
				if (pc.signalingState === 'have-local-offer')
					await pc.setLocalDescription({ type: 'rollback' })
						.catch(() => {});
				exchange.reject(error);
				return;
			}
		} else if (this.#preOffer) {
			const early = state === State.EARLY;
			const offer = this.#preOffer;
			this.#preOffer = null;
			await pc.setLocalDescription(offer);
			await pc.setRemoteDescription({ type: early ? 'pranswer' : 'answer', sdp });
			if (early)
				this.#earlyAnswer = sdp;
		} else if (this.#earlyAnswer) {
			// Another branch answered, or the final answer.
			this.#earlyAnswer = sdp;
			if (state === State.EARLY)
				await pc.setRemoteDescription({ type: 'pranswer', sdp });
			else
				await this.#finishEarly();
		} else {
			return; // said already
		}
		this.#setRemoteHold(!listens(sdp));
	}

	async #finishEarly() {
		const sdp = this.#earlyAnswer;
		this.#earlyAnswer = null;
		await this.#connection.setRemoteDescription({ type: 'answer', sdp });
	}

	// The gateway's description cannot be used here: no call without media.
	#unusable(error) {
		if (this.isEnded())
			return;
		this.#ua._hangUp(this.id, problemMember(488, error.message));
		this.#end('local', {
			cause: 'Incompatible SDP', status: 488, message: error.message,
		});
	}

	// One offer of ours, from createOffer to the answer in place.  Glare and a
	// lost connection are waited out.
	async #negotiate(options) {
		if (!this.isEstablished())
			throw new IsthmusError('state', 'the call is not established');
		for (let tries = 1; ; tries++) {
			try {
				await this.#offerOnce(options);
				this.#showHold();
				return;
			} catch (error) {
				if (this.isEnded())
					throw error;
				if (error.status === 481) {
					this.#end('remote', { cause: 'No Such Session', status: 481 });
					throw error;
				}
				if (tries >= GLARE_RETRIES)
					throw error;
				if (error.code === 'disconnected') {
					if (!await this.#ua._untilRegistered())
						throw error;
				} else if (error.status === 491) {
					// RFC 3261 14.1: who does not own the call waits 0-2 s
					const seconds = error.retryAfter ?? 0;
					await sleep(seconds * 1000 + 100 + Math.random() * 900);
				} else {
					throw error;
				}
			}
		}
	}

	async #offerOnce(options) {
		while (this.#exchange) // hold() while an ICE restart is under way
			await this.#exchange.settled;
		const pc = this.#connection;
		const exchange = await this.#serial(async () => {
			if (this.#exchange)
				throw problem(491, 'another offer is under way', 0);
			// Set only with its answer: a refused offer then needs no rollback,
			// after which Chromium's receivers may stay deaf for good.
			const offer = await pc.createOffer(options);
			const started = this.#exchange = newExchange(offer);
			try {
				const response = await this.#ua._request('mupdate',
					{ mediaSessionId: this.id, sdpOffer: offer.sdp });
				// An answer in the response is as good as one that follows.
				if (typeof response.sdpAnswer === 'string')
					await this.#takeAnswer(response.sdpAnswer);
			} catch (error) {
				this.#settle(started);
				throw error;
			}
			return started;
		});
		try {
			await exchange.done;
		} finally {
			this.#settle(exchange);
		}
	}

	#settle(exchange) {
		if (this.#exchange === exchange)
			this.#exchange = null;
		exchange.resolve(); // stops its timer
		exchange.settle();
	}

	async #resume({ mediaStream, mediaConstraints } = {}) {
		try {
			await this.#acquireMedia({ mediaStream, mediaConstraints });
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#makeConnection();
			await this.#negotiate({});
			this.#watchStats();
			this._emit('resumed', {});
		} catch (error) {
			if (!this.isEnded()) {
				this.#reportMediaError(error);
				this.#ua._hangUp(this.id, {});
				this.#end('local', {
					cause: mediaCause(error), status: error.status || 0,
					message: error.message,
				});
			}
			throw error;
		}
	}

	// -- hold --

	async #setHold(on) {
		if (!this.isEstablished() || !this.#connection)
			throw new IsthmusError('state', 'the call is not established');
		if (this.#hold.local === on)
			return;
		const apply = (value) => {
			this.#hold.local = value;
			this.#applyMute();
			for (const t of this.#connection.getTransceivers())
				if (!t.stopped && t.direction !== 'stopped' && t.sender.track)
					t.direction = value ? 'sendonly' : 'sendrecv';
		};
		apply(on);
		try {
			await this.#negotiate({});
		} catch (error) {
			if (!this.isEnded())
				apply(!on);
			throw error;
		}
		this.#showHold();
		this._emit(on ? 'hold' : 'unhold', { originator: 'local' });
	}

	#setRemoteHold(on) {
		if (this.#hold.remote === on)
			return;
		// Our own hold makes the other side stop talking, not listening, so
		// what its description says of listening is its own doing.
		this.#hold.remote = on;
		this.#showHold();
		this._emit(on ? 'hold' : 'unhold', { originator: 'remote' });
	}

	#showHold() {
		if (this.#accepted)
			this.#setState(this.#hold.local || this.#hold.remote ?
				State.HELD : State.CONNECTED);
	}
}

function newExchange(offer) {
	const exchange = { offer };
	exchange.done = new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new IsthmusError('timeout',
			'the offer was not answered', { status: 408 })), ANSWER_TIMEOUT_MS);
		exchange.resolve = () => { clearTimeout(timer); resolve(); };
		exchange.reject = (error) => { clearTimeout(timer); reject(error); };
	});
	exchange.done.catch(() => {}); // read by whoever waits
	exchange.settled = new Promise((done) => { exchange.settle = done; });
	return exchange;
}

function problemMember(status, detail) {
	return { problemDetails: {
		type: 'about:blank', title: causeOf(status), status,
		...detail ? { detail: String(detail).slice(0, 200) } : {},
	} };
}

// "since" is seconds since 1970, or a date in text.
function toDate(since) {
	if (typeof since === 'number')
		return since < 1e11 ? since * 1000 : since;
	return since;
}

const MEDIA_ERRORS = new Set(['NotAllowedError', 'NotFoundError',
	'NotReadableError', 'OverconstrainedError', 'SecurityError', 'AbortError']);

function isMediaError(error) {
	return MEDIA_ERRORS.has(error.name);
}

function mediaCause(error) {
	if (isMediaError(error))
		return error.name === 'NotAllowedError' ?
			'User Denied Media Access' : 'Media Error';
	if (error.status)
		return causeOf(error.status);
	return error.code === 'disconnected' ? 'Connection Error' : 'WebRTC Error';
}

export default { UA, Session, IsthmusError, State, CloseCode, causeOf, PROTOCOL, VERSION };
