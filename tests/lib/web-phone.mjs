// web-phone.mjs - a RESPECT user in the test's own process: logs in, calls and
// is called with the descriptions of a browser, and carries no media.  Every
// session has an ICE identity of its own.  The wire is respect.mjs's.
//
//	const alice = await WebPhone.login(endpoint, 'sip:alice@demo.example', 'demo');
//	const call = await alice.call('sip:phone@127.0.0.1');  // or alice.onCall = (call) => ...
//	await call.connected;            // rejects with .status when it fails
//	call.hangup();
//	await call.ended;                // the status of the mdisc, 200: normal
import { randomBytes } from 'node:crypto';
import { connect } from './respect.mjs';
import { deferred, within } from './within.mjs';

const hex = (n) => randomBytes(n).toString('hex');

/** ICE and DTLS identity of one RTCPeerConnection. */
export function identity() {
	return {
		ufrag: hex(2), pwd: hex(12),
		fingerprint: [...randomBytes(32)].map((b) =>
			b.toString(16).padStart(2, '0').toUpperCase()).join(':'),
		session: BigInt(`0x${hex(7)}`).toString(), version: 1,
		ssrc: randomBytes(4).readUInt32BE(),
	};
}

const CODECS = ['a=rtpmap:111 opus/48000/2', 'a=rtcp-fb:111 transport-cc',
	'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtpmap:9 G722/8000',
	'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000',
	'a=rtpmap:110 telephone-event/48000', 'a=rtpmap:126 telephone-event/8000'];

function describe(own, { setup, mid, codecs, formats, direction = 'sendrecv' }) {
	return ['v=0', `o=- ${own.session} ${++own.version} IN IP4 127.0.0.1`, 's=-', 't=0 0',
		`a=group:BUNDLE ${mid}`, 'a=msid-semantic: WMS s',
		`m=audio 9 UDP/TLS/RTP/SAVPF ${formats}`, 'c=IN IP4 0.0.0.0',
		'a=rtcp:9 IN IP4 0.0.0.0', `a=ice-ufrag:${own.ufrag}`, `a=ice-pwd:${own.pwd}`,
		'a=ice-options:trickle', `a=fingerprint:sha-256 ${own.fingerprint}`,
		`a=setup:${setup}`, `a=mid:${mid}`, `a=${direction}`, 'a=msid:s t', 'a=rtcp-mux',
		...codecs, `a=ssrc:${own.ssrc} cname:${own.ufrag}`, ''].join('\r\n');
}

/** What Chromium's createOffer() gives for audio, before it has candidates. */
export const offerOf = (own) => describe(own, { setup: 'actpass', mid: '0', codecs: CODECS,
	formats: '111 9 0 8 110 126' });

/** Its answer to @offer: the first codec offered, and telephone-event. */
export function answerTo(own, offer) {
	const lines = offer.split(/\r?\n/);
	const formats = /^m=audio \d+ \S+ (.*)$/m.exec(offer)[1].trim().split(' ');
	const mid = /^a=mid:(.*)$/m.exec(offer)?.[1]?.trim() ?? '0';
	const chosen = formats.filter((pt, i) => i === 0 ||
		lines.some((line) => line.startsWith(`a=rtpmap:${pt} telephone-event`)));
	return describe(own, { setup: 'active', mid, formats: chosen.join(' '),
		codecs: lines.filter((line) => chosen.some((pt) =>
			line.startsWith(`a=rtpmap:${pt} `) || line.startsWith(`a=fmtp:${pt} `))) });
}

/** One media session, either way. */
export class WebCall {
	#connected = deferred();
	#ended = deferred();

	constructor(phone, fields) {
		Object.assign(this, { phone, own: identity(), states: [], live: true }, fields);
		this.secrets = [this.own.pwd]; // ICE passwords, ours and the gateway's
	}

	get connected() { return within(this.#connected.promise, `call ${this.id} is connected`); }
	get ended() { return within(this.#ended.promise, `the end of call ${this.id}`); }

	/** It is over, for either side's reason; 0: the WebSocket closed. */
	fail(status, message) {
		this.live = false;
		this.phone.calls.delete(this.id);
		this.#connected.reject(Object.assign(new Error(`call ${this.id}: ${status} ` +
			`${message?.problemDetails?.detail ?? ''}`), { status, message }));
		this.#ended.resolve(status);
	}

	keepSecret(sdp) {
		const pwd = /^a=ice-pwd:(\S+)/m.exec(sdp ?? '')?.[1];
		if (pwd)
			this.secrets.push(pwd);
	}

	/** Ends it, or declines it with @status. */
	hangup(status) {
		if (!this.live)
			return this.ended;
		const problem = status ? { problemDetails: { type: 'about:blank', status } } : {};
		const sent = this.phone.request('mdisc', { mediaSessionId: this.id, ...problem })
			.catch(() => {});
		this.fail(status ?? 200);
		return sent.then(() => this.ended);
	}

	/** Called: take it.  The response tells the state, as an update would. */
	async answer() {
		this.heard(await this.phone.request('mupdate', { mediaSessionId: this.id,
			sdpAnswer: answerTo(this.own, this.offer) }));
		return this;
	}

	/** The gateway said something about it. */
	heard(message) {
		const state = message.mediaSessionState;
		if (state)
			this.states.push(state);
		this.keepSecret(message.sdpAnswer ?? message.sdpOffer);
		if (message.sdpAnswer)
			this.sdpAnswer = message.sdpAnswer;
		if (message.sdpOffer)
			this.phone.request('mupdate', { mediaSessionId: this.id,
				sdpAnswer: answerTo(this.own, message.sdpOffer) }).catch(() => {});
		if (state === 'connected')
			this.#connected.resolve(this);
	}
}

export class WebPhone {
	#early = new Map(); // what was said of sessions that call() does not know yet

	constructor(client) {
		this.client = client;
		this.calls = new Map();
		this.onCall = (call) => call.answer().catch(() => {});
		client.on('request', (message) => this.#requested(message));
		client.on('closed', () => {
			for (const call of [...this.calls.values()])
				call.fail(0);
		});
	}

	/** {code, reason} once the WebSocket is closed. */
	get closed() { return within(this.client.closed, `${this.id}'s WebSocket closes`); }

	static async connect(endpoint) {
		const origin = endpoint.replace(/^ws/, 'http').replace(/(\/\/[^/]+)\/.*/, '$1');
		return new WebPhone(await connect(endpoint, { origin }));
	}

	/** Rejects with .status where the gateway refuses. */
	static async login(endpoint, id, password, { ttl = 5 } = {}) {
		const basic = Buffer.from(`${id.replace(/^\w+:/, '')}:${password}`).toString('base64');
		return WebPhone.#enter(endpoint, id, [basic, password],
			(client) => client.authBasic(id, password, { disconnectionTtl: ttl }));
	}

	static async loginWithToken(endpoint, id, token) {
		return WebPhone.#enter(endpoint, id, [token], (client) => client.authBearer(id, token));
	}

	static async #enter(endpoint, id, secrets, authenticate) {
		const phone = await WebPhone.connect(endpoint);
		phone.id = id;
		try {
			await authenticate(phone.client);
		} catch (error) {
			phone.close();
			throw error;
		}
		phone.secrets = [...secrets, phone.client.credential];
		return phone;
	}

	request(method, members) {
		return this.client.request(method, members);
	}

	#requested(message) {
		const { method, mediaSessionId: id } = message;
		if (method === 'msetup') {
			const made = new WebCall(this, { id, offer: message.sdpOffer, setup: message });
			made.keepSecret(message.sdpOffer);
			this.calls.set(id, made);
			this.onCall(made);
			return;
		}
		const call = this.calls.get(id);
		if (!call)
			this.#early.set(id, [...this.#early.get(id) ?? [], message]);
		else if (method === 'mdisc')
			call.fail(message.problemDetails?.status ?? 200, message);
		else if (method === 'mupdate')
			call.heard(message);
	}

	/** Calls @resource; the WebCall once the gateway has named the session. */
	async call(resource) {
		const call = new WebCall(this, {});
		const response = await this.request('msetup', { resourceId: resource,
			preOffer: offerOf(call.own) });
		call.id = response.mediaSessionId;
		this.calls.set(call.id, call);
		const early = this.#early.get(call.id) ?? [];
		this.#early.clear();
		for (const message of early)
			this.#requested(message);
		return call;
	}

	close(code = 1000) {
		return this.client.close(code);
	}
}
