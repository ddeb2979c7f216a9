// ua.js - one registration at the gateway, kept alive across lost sockets,
// expiring tokens and reloads, and everything that is not one call.
import { CloseCode, Method, VERSION } from './protocol.js';
import { IsthmusError, causeOf, problem } from './errors.js';
import { Emitter } from './emitter.js';
import { Connection } from './connection.js';
import { Credentials } from './credentials.js';
import { Sessions } from './sessions.js';
import { completed, normalizeTarget } from './config.js';
import { sleep } from './time.js';

const SLOW_AUTH = 'authentication timeout'; // getToken() took long: no crime
const SUSPICION_MS = 2000; // for an answer, where the network may be another
const TURN_MARGIN_S = 120; // of a credential's time, for the checks to begin
const MESSAGE_TIMEOUT_MS = 36_000; // a SIP transaction's life, and ours

// The user name of TURN REST credentials begins with when they end.
function turnSecondsLeft(servers) {
	return Math.min(...servers.map((server) =>
		/^[0-9]+(?=:)/.exec(server?.username ?? '')?.[0] ?? Infinity)) - Date.now() / 1000;
}

export class UA extends Emitter {
	#config;
	#conn = null;
	#started = false;
	#registered = false;
	#everRegistered = false; // on this page
	#attempt = 0;
	#retryAfter = 0; // seconds, said with a refused log-in
	#timers = { reconnect: 0, refresh: 0, keepAlive: 0 };
	#credentials;
	#sessions = new Sessions(this);
	#iceServers = [];
	#methods = new Set(); // that the gateway says it has
	#waiting = new Set(); // woken when registered again, or never again
	#audio = null;
	#onNetwork = () => this.#networkChanged();
	expiration = null; // seconds granted at the last registration
	#probing = false;

	constructor(config) {
		super();
		this.#config = completed(config);
		this.#credentials = new Credentials(this.#config);
	}

	get id() { return this.#credentials.id; }
	get config() { return this.#config; }
	get sessions() { return this.#sessions.all; }
	get iceServers() { return this.#config.iceServers ?? this.#iceServers; }
	isConnected() { return this.#conn?.open ?? false; }
	isRegistered() { return this.#registered && this.isConnected(); }
	isStarted() { return this.#started; }
	/** Is there a registration of an earlier load of this page to resume? */
	canResume() { return this.#credentials.canResume; }
	/** Has the gateway said that it knows @method? */
	supports(method) { return this.#methods.has(method); }

	start() {
		if (this.#started)
			return;
		this.#started = true;
		this.#attempt = 0;
		this.#watchNetwork('addEventListener');
		this.#connect();
	}

	/** Hang up, deregister, close.  Resolves when the socket is closed. */
	async stop() {
		if (!this.#started)
			return;
		this.#started = false;
		this.#watchNetwork('removeEventListener');
		this.#clearTimers();
		for (const session of this.sessions)
			session.terminate();
		const single = this.#credentials.takeSingle();
		this.#credentials.forget();
		const conn = this.#conn;
		if (!conn)
			return;
		const gone = new Promise((done) => this.once('disconnected', done));
		if (this.#registered) {
			this.#sayGoodbye(conn, single).catch(() => {})
				.then(() => conn.close());
		} else {
			conn.close();
		}
		await Promise.race([gone, sleep(3000)]);
		if (this.#conn === conn)
			conn.drop(1006, 'no close from the gateway');
	}

	async #sayGoodbye(conn, single) {
		// The core may want it authenticated.
		if (this.#config.answerChallenge)
			return this.#prove(conn, { expiration: 0 });
		const bye = single ?? await this.#credentials.fresh().catch(() => ({}));
		return conn.request('auth', { webrtcId: this.id, ...bye, expiration: 0 }, 2000);
	}

	call(target, options = {}) {
		const session = this.#sessions.call(this.normalizeTarget(target));
		this._emit('newSession', {
			originator: 'local', session, restored: false, waiting: false,
		});
		// After this turn, so that the caller's listeners hear everything.
		queueMicrotask(() => session._start(options));
		return session;
	}

	normalizeTarget(target) { return normalizeTarget(target, this.id); }

	/** Talk to @session: answered or taken back once the others are held. */
	async switchTo(session, options = {}) {
		await Promise.all(this.sessions.filter((other) => other !== session &&
			other.isEstablished() && !other.isOnHold().local)
			.map((other) => other.hold()));
		if (!session.isEstablished() && session.direction === 'incoming')
			await session.answer(options);
		else if (session.isOnHold().local)
			await session.unhold();
	}

	/** A message of text (SIP MESSAGE beyond the gateway); resolves when it
	 * was taken at the other end. */
	async sendMessage(target, text, { contentType = 'text/plain',
		preferredOriginatingId } = {}) {
		await this._request(Method.MESSAGE, {
			resourceId: this.normalizeTarget(target), contentType,
			content: String(text),
			...preferredOriginatingId ? { preferredOriginatingId } : {},
		}, MESSAGE_TIMEOUT_MS);
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

	// -- used by sessions --

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

	// One for all calls: browsers allow few.
	_audioContext() {
		this.#audio ??= new AudioContext();
		if (this.#audio.state === 'suspended')
			this.#audio.resume().catch(() => {});
		return this.#audio;
	}

	_named(session) { this.#sessions.name(session); }
	_forget(session) { this.#sessions.forget(session); }
	_hangUp(id, params) { this.#sessions.hangUp(id, params); }

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
			this.#credentials.forget(code !== CloseCode.SUPERSEDED);
			this.#sessions.drop(code === CloseCode.SUPERSEDED ?
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
		this.#watchNetwork('removeEventListener');
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

	// @how: addEventListener or removeEventListener.  Firefox has no
	// navigator.connection.
	#watchNetwork(how) {
		globalThis[how]?.('online', this.#onNetwork);
		globalThis[how]?.('offline', this.#onNetwork);
		globalThis.navigator?.connection?.[how]?.('change', this.#onNetwork);
	}

	#networkChanged() {
		if (!this.#started)
			return;
		const online = globalThis.navigator?.onLine !== false;
		if (online) // what failed before was the other network's fault
			this.#attempt = 0;
		if (this.#conn) {
			this._suspect();
			for (const session of this.sessions)
				session._doubtPath();
		} else if (online) {
			this.#connect();
		}
	}

	// The network may have changed: the answer is there soon, or never.
	_suspect() { this.#probe(SUSPICION_MS); }

	// JavaScript sees neither Ping nor Pong; a dead socket shows only when
	// something is asked of it.
	async #probe(patience = 5000) {
		const conn = this.#conn;
		if (!conn || !this.#registered || this.#probing)
			return;
		this.#probing = true;
		try {
			await conn.request('getinfo', { resources: ['registration'] }, patience);
		} catch (error) {
			if (error.code === 'timeout' && Date.now() - conn.lastHeard >= patience)
				conn.drop(1006, 'no answer from the gateway');
		} finally {
			this.#probing = false;
		}
	}

	// -- registration --

	async #authenticate(conn) {
		let response = null;
		let resumed = false;
		const single = this.#credentials.takeSingle();
		if (single) {
			try {
				response = await conn.request('auth',
					this.#credentials.params(single));
				resumed = true;
			} catch (error) {
				if (error.code !== 'refused' || error.status >= 500)
					throw error;
			}
		}
		if (!response) {
			// What the old registration held is gone with it.
			if (this.#everRegistered)
				this.#sessions.drop('Connection Error');
			this.#sessions.forgetOrphans();
			response = await this.#authenticateAfresh(conn);
		}
		if (conn !== this.#conn || !conn.open)
			return;
		this.#accepted(response);
		await this.#ready(conn, resumed);
	}

	async #authenticateAfresh(conn) {
		try {
			return await this.#prove(conn);
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

	// An auth; the core's challenges (digest) are the application's to answer:
	// the second is for a nonce that was too old.
	async #prove(conn, more = {}) {
		let proof = await this.#credentials.fresh();
		for (let asked = 0; ; asked++) {
			try {
				return await conn.request('auth',
					{ ...this.#credentials.params(proof), ...more });
			} catch (error) {
				const challenge = error.response?.wwwAuthenticate;
				if (proof.authType !== 'digest' || error.status !== 401 ||
				    !challenge || asked === 3)
					throw error;
				const authorization = await this.#config.answerChallenge(challenge);
				proof = { ...proof, authorization };
			}
		}
	}

	#accepted(response) {
		this.#credentials.keep(response.reauthCredential, response.webrtcId);
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
			this.#accepted(await this.#prove(conn));
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
		const wanted = ['iceServers', 'capabilities'];
		const info = await conn.request('getinfo', {
			resources: resumed ? [...wanted, 'mediaSessions'] : wanted,
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
		if (Array.isArray(resources.capabilities?.methods))
			this.#methods = new Set(resources.capabilities.methods);
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
			this.#sessions.reconcile(resources.mediaSessions);
		this.#wake(true);
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
			return this.#sessions.incoming(message);
		case 'mupdate':
			return this.#sessions.of(message)._onUpdate(message);
		case 'mdisc':
			return this.#sessions.of(message)._onDisconnect(message);
		case 'getinfo':
			return { members: { resources: this.#answerInfo(message) } };
		case 'auth': // the core challenges a refresh
			if (!this.#config.answerChallenge || message.authType !== 'digest')
				throw problem(405, 'no challenge is answered here');
			return { members: {}, after: () => this.#refresh() };
		case Method.MESSAGE:
			return this.#takeMessage(message);
		default:
			return this.#applicationRequest(message);
		}
	}

	#unknownExtensions({ requiredExtension: required }) {
		return Array.isArray(required) ? required.filter(
			(e) => !this.#config.supportedExtension.includes(e)) : [];
	}

	#answerInfo(message) {
		if (!Array.isArray(message.resources))
			throw problem(400, 'resources is missing');
		const known = {
			capabilities: {
				client: `isthmus.js ${VERSION}`,
				methods: ['msetup', 'mupdate', 'mdisc', 'getinfo', Method.MESSAGE],
				extensions: this.#config.supportedExtension,
			},
			mediaSessions: this.#sessions.named.map((s) => ({
				mediaSessionId: s.id, mediaSessionState: s.state,
			})),
		};
		return Object.fromEntries(message.resources.slice(0, 32).map(
			(name) => [String(name), known[name] ?? null]));
	}

	// The response tells the sender that it was taken (RFC 3428 7), so a
	// message that nobody here listens for is refused.
	#takeMessage(message) {
		const { content, contentType = 'text/plain' } = message;
		if (typeof content !== 'string' || typeof contentType !== 'string')
			throw problem(400, 'content is missing');
		if (!/^text\/plain\s*(;|$)/i.test(contentType))
			throw problem(415, 'only text/plain is read here');
		if (!this.listenerCount('message'))
			throw problem(480, 'nobody here reads messages');
		let refusal = null;
		this._emit('message', {
			from: message.assertedOriginatingId ?? null,
			displayName: message.assertedOriginatingName ?? '',
			to: message.resourceId ?? this.id,
			text: content,
			contentType,
			reject(status = 603, detail = '') { refusal = problem(status, detail); },
		});
		if (refusal)
			throw refusal;
		return { members: {} };
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
}
