// web.mjs - a browser as far as signalling goes: RESPECT over a WebSocket, and
// descriptions such as Chromium makes.  No media: what is tested here is what
// the SIP side sees.
import { connect } from '../../tests/lib/respect.mjs';

const CODECS = `a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000`;

/** A description; @version counts up, @direction as in SDP. */
export function description({ version = 2, direction = 'sendrecv', setup = 'actpass',
	mid = '0', candidates = '' } = {}) {
	return `v=0
o=- 4611731400430051336 ${version} IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE ${mid}
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:Yq4h
a=ice-pwd:g6tHcp4gVEpcyTqmRJwLAhXB
a=ice-options:trickle
a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}
a=setup:${setup}
a=mid:${mid}
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
${candidates}a=${direction}
a=msid:stream track
a=rtcp-mux
${CODECS}
a=ssrc:1001 cname:browser
`.replace(/\n/g, '\r\n');
}

/** What a browser answers to @offer: only what was offered. */
export function answer(offer, direction = 'sendrecv') {
	const mid = /^a=mid:(\S+)/m.exec(offer)?.[1] ?? '0';
	const types = /^m=audio \d+ \S+ (.*)$/m.exec(offer)[1].trim().split(' ');
	const lines = offer.split(/\r?\n/).filter((line) =>
		/^a=(rtpmap|fmtp):/.test(line));
	return description({ setup: 'active', mid, direction })
		.replace(/^(m=audio 9 \S+) .*$/m, `$1 ${types.join(' ')}`)
		.replace(CODECS.replace(/\n/g, '\r\n'), lines.join('\r\n'));
}

const VIDEO = `a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 goog-remb`;

/** @sdp, which has sound alone, with an m-line of video; not @live: at port 0. */
export function withVideo(sdp, { live = true, mid = '1', types = '96', codecs = VIDEO } = {}) {
	const transport = sdp.split('\r\n').filter((line) =>
		/^a=(ice-|fingerprint:|setup:)/.test(line));
	const lines = live ? ['m=video 9 UDP/TLS/RTP/SAVPF ' + types, 'c=IN IP4 0.0.0.0',
		'a=rtcp:9 IN IP4 0.0.0.0', ...transport, `a=mid:${mid}`, 'a=sendrecv',
		'a=msid:stream picture', 'a=rtcp-mux', ...codecs.split(/\r?\n/),
		'a=ssrc:1002 cname:browser'] :
		['m=video 0 UDP/TLS/RTP/SAVPF ' + types, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=inactive'];

	return `${live ? sdp.replace(/^a=group:BUNDLE .*$/m, `$& ${mid}`) : sdp}${lines.join('\r\n')}\r\n`;
}

/** Is there a picture in this description? */
export const showsVideo = (sdp) => /^m=video [1-9]/m.test(sdp);

/** As answer(), to an offer that may have video: taken, or refused. */
export function answerVideo(offer, { take = true, version = 2 } = {}) {
	const [head, audio, video] = offer.split(/^(?=m=)/m);
	const sdp = answer(head + audio).replace(/^(o=- \d+) \d+/m, `$1 ${version}`);

	if (!video)
		return sdp;
	return withVideo(sdp, {
		live: take && showsVideo(video),
		mid: /^a=mid:(\S+)/m.exec(video)[1],
		types: /^m=video \d+ \S+ (.*)$/m.exec(video)[1].trim(),
		codecs: video.split(/\r?\n/).filter((line) => /^a=(rtpmap|fmtp):/.test(line)).join('\n'),
	});
}

export class Web {
	#inbox = [];
	#wake = [];
	#sessions = new Set();

	/** Connected, and nobody yet; @from: the address that it comes from. */
	static async connect({ url, from, timeout = 8000 }) {
		const web = new Web();

		web.timeout = timeout;
		web.client = await connect(url, {
			origin: 'http://browser.example', from,
			answers: (message) => web.#respond(message),
		});
		web.client.on('request', (message) => web.#receive(message));
		return web;
	}

	static async login({ user, password, ...options }) {
		const web = await Web.connect(options);

		await web.client.authBasic(user, password);
		return web;
	}

	#respond(message) {
		const status = message.method === 'msetup' ? this.refuse : this.judge?.(message);

		if (!status)
			return {};
		return { success: false, problemDetails:
			{ type: 'about:blank', title: 'Refused', status } };
	}

	#receive(message) {
		if (message.method === 'msetup')
			this.#sessions.add(message.mediaSessionId);
		if (message.method === 'mdisc')
			this.#sessions.delete(message.mediaSessionId);
		this.#inbox.push(message);
		this.#wake.splice(0).forEach((wake) => wake());
	}

	/** The response, whatever it says. */
	request(method, members) {
		return this.client.transact(method, members);
	}

	/** The first request of the gateway, from here on, that @matches. */
	async next(what, matches) {
		const end = Date.now() + this.timeout;

		for (;;) {
			const at = this.#inbox.findIndex(matches);

			if (at >= 0)
				return this.#inbox.splice(0, at + 1).at(-1);
			const left = end - Date.now();
			if (left <= 0)
				throw new Error(`the browser was not told: ${what}; it was told ` +
					JSON.stringify(this.#inbox.map((m) => [m.method,
						m.mediaSessionState, m.problemDetails?.status])));
			await new Promise((resolve) => {
				this.#wake.push(resolve);
				setTimeout(resolve, left);
			});
		}
	}

	/** All that is said of session @id, up to what @matches. */
	async until(id, matches) {
		const told = [];

		do
			told.push(await this.next('something', (m) => m.mediaSessionId === id));
		while (!matches(told.at(-1)));
		return told;
	}

	/** Before the next case: no session of the last one, and no message. */
	async forget() {
		for (const id of this.#sessions)
			await this.hangUp(id).catch(() => {});
		this.#inbox.length = 0;
		this.refuse = this.judge = undefined;
	}

	state(id, state) {
		return this.next(state, (m) => m.mediaSessionId === id &&
			m.mediaSessionState === state);
	}

	released(id) {
		return this.next('mdisc', (m) => m.mediaSessionId === id && m.method === 'mdisc');
	}

	/** Calls out; the id of its media session. */
	async call(to, preOffer = description()) {
		const response = await this.request('msetup', {
			resourceId: to, ...(preOffer ? { preOffer } : {}),
		});

		if (!response.success)
			throw new Error(`msetup: ${JSON.stringify(response.problemDetails)}`);
		this.#sessions.add(response.mediaSessionId);
		return response.mediaSessionId;
	}

	async incoming() {
		return this.next('msetup', (m) => m.method === 'msetup');
	}

	async update(id, parameters) {
		const response = await this.request('mupdate', { mediaSessionId: id, ...parameters });

		if (!response.success)
			throw new Error(`mupdate: ${JSON.stringify(response.problemDetails)}`);
		return response;
	}

	hangUp(id) {
		this.#sessions.delete(id);
		return this.request('mdisc', { mediaSessionId: id });
	}

	close() {
		return this.client.close();
	}
}
