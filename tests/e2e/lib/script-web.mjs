// script-web.mjs - the web side of calls of random scripts: one subscriber and
// whatever sessions the gateway has for him, over a WebSocket that is lost and
// found again.
import { identity } from '../../lib/web-phone.mjs';
import { connect } from '../../lib/respect.mjs';
import { webAnswer, webOffer } from './script-sdp.mjs';
import { pause } from './process.mjs';

const TTL = 10;

export class ScriptWeb {
	sessions = new Map(); // id -> { own, media, ... }
	call = null; // whose script runs

	/** @side: of a call that it ends, web; sip for one who is as a phone is. */
	static async login(endpoint, id, password, side = 'web') {
		const web = Object.assign(new ScriptWeb(), { endpoint, id, password, side });
		await web.#open();
		await web.#authenticate();
		web.ready = Promise.resolve();
		return web;
	}

	#authenticate() {
		return this.client.authBasic(this.id, this.password, { disconnectionTtl: TTL });
	}

	async #open() {
		const origin = this.endpoint.replace(/^ws/, 'http').replace(/(\/\/[^/]+)\/.*/, '$1');
		const client = await connect(this.endpoint, { origin, answers: () => null });
		client.gone = new Set(); // what ended here; a list made before has them
		client.on('request', (message) => this.#requested(client, message));
		this.client = client;
	}

	/** Loses the WebSocket, and is back after @ms. */
	reconnect(ms, abruptly) {
		this.ready = this.ready.then(() => this.#reconnect(ms, abruptly));
		this.ready.catch(() => {}); // who awaits it sees it
	}

	async #reconnect(ms, abruptly) {
		const { credential } = this.client;
		const lost = Date.now();
		await (abruptly ? this.client.vanish() : this.client.close(1000));
		this.call?.note('web', 'WebSocket lost');
		await pause(ms);
		await this.#open();
		await this.client.reauth(this.id, credential, { disconnectionTtl: TTL }).catch((error) => {
			if (Date.now() - lost < TTL * 1000)
				throw error;
			this.call?.note('web', 'logs in: its time was over'); // on a busy machine
			return this.#authenticate();
		});
		this.call?.note('web', 'WebSocket back');
		await this.reconcile();
	}

	/** What ended while nobody listened is over; what is new is ours. */
	async reconcile() {
		// What begins meanwhile is younger than the list, and may be heard of
		// before we are back from waiting for it.
		const known = [...this.sessions.keys()];
		const { resources } = await this.client.request('getinfo', { resources: ['mediaSessions'] });
		const live = new Set(resources.mediaSessions
			.filter(({ mediaSessionState }) => !/^disconnect/.test(mediaSessionState))
			.map(({ mediaSessionId }) => mediaSessionId));
		for (const id of known)
			if (!live.has(id))
				this.end(id, 'not listed');
		for (const id of live)
			if (!this.sessions.has(id) && !this.client.gone.has(id))
				this.#adopt(id);
		return live;
	}

	#adopt(id, own = identity()) {
		const session = { id, own, media: [{ kind: 'audio', on: true }] };
		this.sessions.set(id, session);
		return session;
	}

	end(id, why) {
		this.client.gone.add(id);
		if (this.sessions.delete(id))
			this.call?.note('web', `session ${id} ends: ${why}`);
	}

	/** A request whose response, whatever it says, must come while the
	 * connection lives; null where it did not. */
	async ask(method, members, options) {
		const { client, call } = this;
		call?.note('web>', `${method} ${Object.keys(members).join(' ')}`);
		try {
			const response = await client.transact(method, members, options);
			call?.note('web<', `response ${method} ${response.success ? 'success' :
				response.problemDetails?.status}`);
			return response;
		} catch (error) {
			if (client.closeCode === null)
				call?.fault(`web: ${method}: ${error.message}`);
			return null;
		}
	}

	/** Calls @resourceId. */
	async setup(resourceId, { preOffer, media }) {
		const own = identity();
		const response = await this.ask('msetup', { resourceId,
			...(preOffer ? { preOffer: preOffer === 'bad' ? 'v=0\r\nnonsense\r\n' : webOffer(own, media) } : {}) });
		if (!response?.success)
			return;
		const id = response.mediaSessionId;
		// The gateway may have ended it before we looked at the response.
		if (this.early?.delete(id))
			return;
		if (!this.sessions.has(id))
			this.#adopt(id, own).media = media;
		if (this.call?.ending === this.side)
			this.hangUp(id);
	}

	async hangUp(id, status) {
		const problem = status ? { problemDetails: { type: 'about:blank', status } } : {};
		if (this.client.closeCode !== null)
			return; // not now
		this.end(id, 'mdisc sent');
		await this.ask('mdisc', { mediaSessionId: id, ...problem });
	}

	#requested(client, message) {
		const { method, mediaSessionId: id } = message;
		const { call } = this;
		call?.note('web<', `${method} ${message.mediaSessionState ?? ''}` +
			`${message.sdpOffer ? ' offer' : ''}${message.sdpAnswer ? ' answer' : ''} ` +
			`${message.problemDetails?.status ?? ''}`);
		if (method === 'msetup') {
			const known = this.sessions.has(id);
			if (!known)
				this.#adopt(id);
			this.sessions.get(id).offer = message.sdpOffer;
			this.#alerted(client, message, known);
			return;
		}
		if (method === 'mdisc') {
			client.respond(message);
			if (this.sessions.has(id))
				this.end(id, `mdisc ${message.problemDetails?.status ?? ''}`);
			else
				(this.early ??= new Set()).add(id);
			return;
		}
		if (method === 'mupdate' && message.sdpOffer)
			this.#offered(client, message);
		else
			client.respond(message);
	}

	/** It is called: rings, and does what the script says. */
	#alerted(client, message, known) {
		const { call } = this;
		const id = message.mediaSessionId;
		if (!call || call.ending === this.side) {
			client.refuse(message, 486);
			this.end(id, 'declined');
			return;
		}
		const { rings, answersAt, declines } = call.plan[this.side === 'web' ? 'web' : 'mate'];
		if (rings === 'never')
			return;
		if (rings === 'refused') {
			client.refuse(message, declines);
			this.end(id, 'refused');
			return;
		}
		client.respond(message);
		if (known || answersAt === null)
			return;
		setTimeout(() => {
			if (!this.sessions.has(id) || this.client.closeCode !== null)
				return;
			if (declines)
				this.hangUp(id, declines);
			else
				this.#answer(id, message.sdpOffer);
		}, answersAt).unref();
	}

	#answer(id, offer) {
		const session = this.sessions.get(id);
		if (session)
			this.ask('mupdate', { mediaSessionId: id, sdpAnswer: webAnswer(session.own, offer,
				{ takes: this.call?.webTakes }) });
	}

	/** An offer within a session. */
	#offered(client, message) {
		const { call } = this;
		const { mediaSessionId: id, sdpOffer } = message;
		const how = !call || call.plan.slow ? 1 : call.random.number();
		if (how < 0.08)
			return; // silence
		if (how < 0.18) {
			client.refuse(message, 488);
			return;
		}
		client.respond(message);
		const answer = () => this.client.closeCode === null && this.#answer(id, sdpOffer);
		if (how < 0.4)
			setTimeout(answer, call.random.int(10, 250)).unref();
		else if (how < 0.48)
			this.ask('mupdate', { mediaSessionId: id,
				problemDetails: { type: 'about:blank', status: 488 } });
		else
			answer();
	}

	/** Somebody who does not log in, and says what is only for users. */
	async stranger() {
		const origin = this.endpoint.replace(/^ws/, 'http').replace(/(\/\/[^/]+)\/.*/, '$1');
		const client = await connect(this.endpoint, { origin, answers: () => null });
		for (const method of ['msetup', 'mupdate', 'mdisc', 'getinfo'])
			client.transact(method, { mediaSessionId: 'x', resourceId: this.id }, { wrong: true })
				.catch(() => {});
		await client.vanish();
	}

	close() { return this.client.close(); }
}
