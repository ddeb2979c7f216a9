// script-call.mjs - one call of a random script: what its seed says of both
// sides, done at its times, and what must be true when it is over.
import { Random } from '../../lib/random.mjs';
import { Leg } from './script-sip.mjs';
import { webOffer } from './script-sdp.mjs';
import { pause, until } from './process.mjs';

const OVER_MS = 12_000; // after one side hung up; the gateway waits 10 s for a browser
const REFUSALS = [400, 403, 404, 408, 410, 480, 484, 486, 488, 500, 503, 504, 580, 600, 603, 606];
const DOMAIN = 'phones.example';

const audio = () => ({ kind: 'audio', on: true });
const withVideo = (random) => [audio(), ...(random.chance(0.25) ? [{ kind: 'video', on: true }] : [])];

/** Gateways that differ, and of eight calls how many each gets. */
export const VARIANTS = [
	{ name: 'udp', kind: 'udp', share: 4, sip: {} },
	{ name: 'qos', kind: 'udp', share: 2, sip: { precondition: 'supported', precondition_confirm: true } },
	{ name: 'tcp', kind: 'tcp', share: 1, sip: { precondition: 'supported' } },
	{ name: 'tls', kind: 'tls', share: 1, sip: { reliable: 'supported', session_expires_s: 90 } },
];
export const SHARES = VARIANTS.flatMap((variant) => Array(variant.share).fill(variant));
export const variantOf = (seed) => SHARES[seed % SHARES.length];

/** One call in so many outlives its session timer; no multiple of the above,
 * so that each gateway gets some. */
export const SLOW = 401;

const called = (random, any) => {
	const rings = random.pick('at once', 'at once', 'at once', 'at once', 'at once', 'at once', 'never', 'refused');
	return { rings, answersAt: random.chance(0.85) ? random.int(0, 300) : null,
		declines: rings === 'refused' || random.chance(0.12) ? any(REFUSALS) : 0 };
};

/** A call of a minute in which one side refreshes, or nobody does. */
function slowly(script, random) {
	const refresher = random.pick('gateway', 'phone', 'nobody');
	const answers = { rings: 'at once', answersAt: 50, declines: 0 };
	const from = random.pick('web', 'sip');
	const roles = from === 'web' ? ['uac', 'uas'] : ['uas', 'uac'];
	return Object.assign(script, {
		slow: refresher, length: random.int(63_000, 66_000), loss: 0, twice: 0, qos: null,
		from, mated: false, hasty: null,
		preOffer: true, prack: 'now', pracked: 'now', ackLate: 0, offer: true,
		timer: { expires: 90, refresher: roles[refresher === 'gateway' ? 0 : 1] },
		headers: ['Supported: 100rel, timer',
			`Session-Expires: 90;refresher=${roles[refresher === 'gateway' ? 0 : 1]}`],
		web: answers, mate: answers, steps: [{ at: 100, answers: true, tag: 't0' }],
		events: [...Array.from({ length: 4 }, () => ({ at: random.int(1000, 60_000),
			what: random.pick('sip INFO', 'web DTMF', 'sip picture', 'web quality') })),
		...(refresher === 'phone' ? [{ at: 40_000, what: 'sip refresh' }] : [])],
	});
}

/** All that a seed decides. */
export function plan(seed) {
	const random = new Random(seed);
	const length = random.int(150, 1000);
	const any = (list) => list[random.int(0, list.length - 1)];
	const script = {
		seed, length, from: random.pick('web', 'sip'),
		loss: random.chance(0.3) ? random.pick(0.05, 0.1, 0.2) : 0,
		twice: random.chance(0.2) ? 0.2 : 0,
		media: withVideo(random),
		preOffer: random.chance(0.04) ? 'bad' : random.chance(0.75),
		prack: random.pick('now', 'now', 'now', 'late', 'never'),
		pracked: random.pick('now', 'now', 'now', 'late', 'never'),
		ackLate: random.chance(0.15) ? random.int(50, 400) : 0,
		offer: random.chance(0.8) ? (random.chance(0.04) ? 'bad' : true) : false,
		headers: [],
		web: called(random, any),
		mate: called(random, any),
		mated: random.chance(0.15), // to another browser, when it calls
		qos: variantOf(seed).sip.precondition && random.chance(0.6) ?
			random.pick('ready', 'ready', 'later', 'later', 'later', 'never', 'odd') : null,
		timer: random.chance(0.4) ? { expires: random.pick(90, 1800),
			refresher: random.pick('uac', 'uas') } : null,
		hasty: random.chance(0.06) ?
			random.pick('CANCEL', 'BYE', 'UPDATE', 'PRACK', 'ACK', 'INFO', 'REFER') : null,
		end: random.pick('web', 'sip'),
		endStatus: any(REFUSALS),
		steps: [], events: [],
	};
	if (random.chance(0.6))
		script.headers.push(random.chance(0.7) ? 'Supported: 100rel, timer' :
			'Require: 100rel');
	if (random.chance(0.15))
		script.headers.push(random.pick('Session-Expires: 90', 'Session-Expires: 60',
			'Session-Expires: 120;refresher=uac', 'Session-Expires: 120;refresher=uas'));
	if (script.qos && random.chance(0.8))
		script.headers.push(random.pick('Supported: precondition', 'Supported: precondition',
			'Require: precondition'));
	for (let i = random.int(0, 4); i > 0; i--)
		script.steps.push({ at: random.int(0, 300), tag: `t${random.int(0, 2)}`,
			status: random.pick(180, 180, 183, 183, 181, 182, 199), reliable: random.chance(0.5),
			body: random.chance(0.6), headers: random.chance(0.5) ? [`P-Early-Media: ${
				random.pick('sendrecv', 'sendonly', 'inactive', 'recvonly')}`] : [] });
	const last = random.int(0, 350);
	const final = random.number();
	if (final < 0.65)
		script.steps.push({ at: last, answers: true, tag: `t${random.int(0, 2)}` });
	if (final < 0.1)
		script.steps.push({ at: last + random.int(0, 60), answers: true, tag: 't3' });
	if (final > 0.8)
		script.steps.push({ at: last, refuses: any(REFUSALS) });
	for (let i = random.int(0, 7); i > 0; i--)
		script.events.push({ at: random.int(0, length), what: any(Object.keys(EVENTS)) });
	if (seed % SLOW === SLOW - 1)
		slowly(script, random);
	if (variantOf(seed).kind !== 'udp')
		script.loss = script.twice = 0;
	script.steps.sort((a, b) => a.at - b.at);
	script.events.sort((a, b) => a.at - b.at);
	return script;
}

const confirmed = (call) => call.legs.flatMap((leg) => leg.live.map((dialog) => [leg, dialog]));
const anyDialog = (call) => call.legs.flatMap((leg) => [...leg.dialogs.values()]
	.filter(({ state }) => state !== 'ended').map((dialog) => [leg, dialog]));

/** Of one dialog of @list. */
function inOne(call, list, act) {
	const chosen = list[call.random.int(0, Math.max(0, list.length - 1))];
	if (chosen)
		act(...chosen);
}

/** An offer of the phone: @change says what of it. */
function sipOffers(call, method, direction, change = (media) => media) {
	inOne(call, confirmed(call), (leg, dialog) => {
		if (dialog.offering)
			return;
		dialog.offering = true;
		const before = dialog.media;
		dialog.media = change(before.map((line) => ({ ...line })));
		leg.ask(method, dialog, {
			body: leg.describe(null, dialog).replaceAll('a=sendrecv', `a=${direction}`),
			answered: ({ status }) => {
				dialog.offering = false;
				if (status >= 300)
					dialog.media = before;
			},
		});
	});
}

function webOffers(call, direction, change = (media) => media, web = call.oneWeb()) {
	for (const session of web.sessions.values()) {
		const media = change(session.media.map((line) => ({ ...line })));
		web.ask('mupdate', { mediaSessionId: session.id,
			sdpOffer: webOffer(session.own, media, { direction }) })
			.then((response) => {
				if (response?.success)
					session.media = media;
			});
	}
}

const plusVideo = (media) => (media[1] ? media.map((line) => ({ ...line, on: true })) :
	[...media, { kind: 'video', on: true }]);
const minusVideo = (media) => media.map((line) => ({ ...line, on: line.kind === 'audio' }));
const tell = (call, members, options) => {
	const web = call.oneWeb();
	for (const { id } of web.sessions.values())
		web.ask('mupdate', { mediaSessionId: id, ...members }, options);
};

/** What looks like all that may come to a media port, and is none of it. */
const JUNK = [[0x00, 0x01, 0x00, 0x08], [0x16, 0xfe, 0xff, 0x00, 0x00], [0x17, 0xfe, 0xfd],
	[0x80, 0x00, 0x00, 0x01], [0x80, 0xc8, 0xff, 0xff], [0x40, 0x00], [0xff], []];

const EVENTS = {
	'sip hold': (call) => sipOffers(call, 'INVITE', 'sendonly'),
	'sip resume': (call) => sipOffers(call, 'INVITE', 'sendrecv'),
	'sip update': (call) => sipOffers(call, 'UPDATE', 'sendrecv'),
	'sip hold by update': (call) => sipOffers(call, 'UPDATE', 'inactive'),
	'sip adds video': (call) => sipOffers(call, 'INVITE', 'sendrecv', plusVideo),
	'sip removes video': (call) => sipOffers(call, 'INVITE', 'sendrecv', minusVideo),
	'sip re-INVITE without offer': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('INVITE', dialog)),
	'sip early update': (call) => inOne(call, anyDialog(call), (leg, dialog) =>
		leg.ask('UPDATE', dialog, { body: leg.describe(null, dialog) })),
	'sip refresh': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('UPDATE', dialog, { headers: ['Supported: timer',
			...(call.plan.timer ? ['Session-Expires: 90;refresher=uac'] : [])] })),
	'sip INFO': (call) => inOne(call, anyDialog(call), (leg, dialog) =>
		leg.ask('INFO', dialog, { type: 'application/dtmf-relay', body: 'Signal=5\r\nDuration=160\r\n' })),
	'sip picture': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('INFO', dialog, { type: 'application/media_control+xml', body: '<?xml version="1.0"?>' +
			'<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>' +
			'</vc_primitive></media_control>' })),
	'sip MESSAGE': (call) => inOne(call, anyDialog(call), (leg, dialog) =>
		leg.ask('MESSAGE', dialog, { type: 'text/plain', body: 'hello' })),
	'sip hold, web hold': (call) => {
		sipOffers(call, 'INVITE', 'sendonly');
		webOffers(call, 'sendonly', undefined, call.web);
	},
	'sip REFER': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('REFER', dialog, { headers: [`Refer-To: <${
			call.random.chance(0.7) ? call.uri('x') : call.mate.id}>`] })),
	'sip REFER with Replaces': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('REFER', dialog, { headers: [`Refer-To: <${call.uri('x')}?Replaces=${
			encodeURIComponent(leg.replaces(dialog))}>`] })),
	'sip Replaces': (call) => inOne(call, anyDialog(call), (leg, dialog) => call.callWeb({
		headers: [`Replaces: ${leg.replaces(dialog)}${call.random.chance(0.2) ? ';early-only' : ''}`] })),
	'sip Join': (call) => inOne(call, confirmed(call), (leg, dialog) => call.callWeb({
		headers: [`Join: ${leg.replaces(dialog)}`] })),
	'sip nonsense': (call) => inOne(call, anyDialog(call), (leg, dialog) =>
		leg.ask(call.random.pick('INVITE', 'UPDATE', 'INFO'), dialog, { body: 'v=0\r\nm=nonsense\r\n' })),
	'sip old CSeq': (call) => inOne(call, confirmed(call), (leg, dialog) =>
		leg.ask('UPDATE', dialog, { cseq: 0 })),
	'sip unknown method': (call) => inOne(call, anyDialog(call), (leg, dialog) =>
		leg.ask('PUBLISH', dialog)),
	'sip junk': (call) => call.party.junk(call.random.pick('\0\x01junk', 'INVITE sip: SIP/2.0\r\n\r\n',
		'SIP/2.0 200 OK\r\nVia: x\r\n\r\n', `BYE ${call.web.id} SIP/2.0\r\nCall-ID: 1\r\n\r\n`)),
	'sip CANCEL': (call) => call.legs.filter(({ uas }) => !uas).forEach((leg) => leg.cancel()),
	'sip BYE': (call) => inOne(call, confirmed(call), (leg, dialog) => leg.bye(dialog)),
	'web hold': (call) => webOffers(call, 'sendonly'),
	'web resume': (call) => webOffers(call, 'sendrecv'),
	'web adds video': (call) => webOffers(call, 'sendrecv', plusVideo),
	'web removes video': (call) => webOffers(call, 'sendrecv', minusVideo),
	'web glare': (call) => {
		webOffers(call, 'sendrecv', undefined, call.web);
		sipOffers(call, 'INVITE', 'sendrecv');
	},
	'web hold, mate hold': (call) => {
		webOffers(call, 'sendonly', undefined, call.web);
		webOffers(call, 'sendonly', undefined, call.mate);
	},
	'web DTMF': (call) => tell(call, { userData: { dtmf: { signal: '5', duration: 160 } } }),
	'web user data': (call) => tell(call, { userData: { app: 'x'.repeat(call.random.int(1, 3000)) } }),
	'web transfer': (call) => tell(call, { resourceId: call.uri('y') }),
	'web answer unasked': (call) => tell(call, { sdpAnswer: 'v=0\r\n' }),
	'web bad offer': (call) => tell(call, { sdpOffer: 'v=0\r\nm=nonsense\r\n' }),
	'web mistyped': (call) => tell(call, { sdpOffer: 7 }, { wrong: true }),
	'web unknown session': (call) => call.web.ask('mupdate', { mediaSessionId: 'nobody' }),
	'web unknown method': (call) => call.web.ask('dance', {}, { wrong: true }),
	'web message to a web client': (call) => call.web.ask('message.isthmus',
		{ resourceId: call.mate.id, content: 'hello' }),
	'web transfer to a web client': (call) => tell(call, { resourceId: call.mate.id }),
	'web stranger': (call) => call.web.stranger().catch((error) => call.fault(`stranger: ${error.message}`)),
	'media junk': (call) => call.legs.forEach(({ mediaPort }) => JUNK.forEach((bytes) =>
		mediaPort && call.socket.send(Buffer.from([...bytes, ...Array(call.random.int(0, 60)).fill(0)]),
			mediaPort + call.random.int(0, 1), '127.0.0.1'))),
	'web message': (call) => call.web.ask('message.isthmus', { resourceId: call.uri('m'), content: 'hello' }),
	'web quality': (call) => {
		for (const { id } of call.web.sessions.values())
			call.web.ask('quality.isthmus', { mediaSessionId: id, report: { packetsSent: 1 } });
	},
	'web mdisc': (call) => {
		const web = call.oneWeb();
		for (const id of [...web.sessions.keys()])
			web.hangUp(id);
	},
	'web socket lost': (call) => call.oneWeb().reconnect(call.random.int(0, 300), call.random.chance(0.5)),
	'web socket lost again': (call) => call.web.reconnect(call.random.int(0, 30), true),
};

export class ScriptCall {
	legs = [];
	faults = [];
	trace = [];
	ending = null;
	since = undefined; // when a phone's dialog was confirmed first
	#lost = new Map(); // how often in a row a datagram's like was
	#began = Date.now();

	/** @web calls or is called; @mate is somebody else's browser, for calls
	 * among web clients; @socket sends what is no SIP. */
	constructor({ seed, web, mate, party, socket, failed }) {
		Object.assign(this, { web, mate, party, socket, failed, plan: plan(seed) });
		this.random = new Random(seed ^ 0x5eed);
		this.sipTakes = this.random.chance(0.8) ? ['audio', 'video'] : ['audio'];
		this.webTakes = this.random.chance(0.8) ? ['audio', 'video'] : ['audio'];
	}

	get webs() { return [this.web, this.mate]; }

	/** One of the browsers that are in the call. */
	oneWeb() {
		const within = this.webs.filter(({ sessions }) => sessions.size);
		return within[this.random.int(0, Math.max(0, within.length - 1))] ?? this.web;
	}

	uri(part = 'c') { return `sip:${part}${this.plan.seed}@${DOMAIN}`; }

	note(side, what) { this.trace.push(`${String(Date.now() - this.#began).padStart(6)} ${side.padEnd(4)} ${what}`); }

	fault(what) {
		this.note('!!', what);
		this.faults.push(what);
		this.failed.add(this);
	}

	/** How many of a datagram arrive.  Of two that are alike one does: what is
	 * lost for good would excuse anything. */
	copies(text) {
		const key = `${text.slice(0, 12)} ${/^CSeq: .*$/mi.exec(text)?.[0]}`;
		const lost = this.#lost.get(key) ?? 0;
		if (lost < 2 && this.random.chance(this.plan.loss)) {
			this.#lost.set(key, lost + 1);
			return 0;
		}
		this.#lost.set(key, 0);
		return this.random.chance(this.plan.twice) ? 2 : 1;
	}

	/** An INVITE of the gateway for this call. */
	invited(request) {
		const leg = Leg.incoming(this.party, this, request);
		this.#add(leg);
		this.note('sip<', `INVITE${request.body ? ' sdp' : ''} ${request.uri} leg ${leg.number}`);
		if (this.ending === 'sip') {
			leg.refuse(480);
			return;
		}
		for (const step of this.plan.steps)
			setTimeout(() => this.#step(leg, step), step.at).unref();
	}

	#step(leg, step) {
		if (step.refuses)
			leg.refuse(step.refuses);
		else if (step.answers)
			leg.answer(step.tag);
		else
			leg.progress(step.status, step.tag, step);
	}

	#add(leg) {
		leg.number = this.legs.push(leg);
		this.party.add(leg);
	}

	async run() {
		const { plan: script } = this;
		for (const web of this.webs)
			web.call = this;
		if (script.from === 'web')
			this.calling = this.web.setup(script.mated ? this.mate.id : this.uri(),
				{ preOffer: script.preOffer, media: script.media });
		else
			this.callWeb(script);
		for (const { at, what } of script.events) {
			await this.#at(at);
			this.note('', what);
			EVENTS[what](this);
		}
		if (script.slow)
			await this.#outlive();
		else
			await this.#at(script.length);
		for (const web of this.webs)
			await web.ready;
		await this.calling;
		await this.#finish();
		this.party.forget(this.legs);
		for (const web of this.webs)
			web.call = null;
	}

	/** The phone calls: another time, with @headers, in place of a call. */
	callWeb({ offer = true, headers, hasty }) {
		const leg = Leg.outgoing(this.party, this, this.web.id, { from: this.uri(),
			offer: Boolean(offer), headers });
		this.#add(leg);
		if (offer === 'bad')
			leg.body = 'v=0\r\nnonsense\r\n';
		leg.invite();
		if (hasty)
			leg.hasty(hasty);
	}

	/** A session that is refreshed lives, another has been ended (RFC 4028 10):
	 * its time counts from the 2xx, however late that was. */
	async #outlive() {
		const { slow, length } = this.plan;
		await this.#at(length, this.since);
		const lives = this.web.sessions.size > 0 && this.legs.some(({ live }) => live.length);
		if (lives !== (slow !== 'nobody'))
			this.fault(`refreshed by ${slow}, and ${lives ? 'alive' : 'over'}`);
		if (slow === 'gateway' && !this.legs.some(({ refreshed }) => refreshed))
			this.fault('the gateway has not refreshed the session');
	}

	async #at(ms, since = this.#began) {
		const left = since + ms - Date.now();
		if (left > 0)
			await pause(left);
	}

	/** One side hangs up; the other must hear of it. */
	async #finish() {
		this.ending = this.plan.end;
		if (this.ending === 'web' && !this.web.sessions.size && this.mate.sessions.size)
			this.ending = 'sip'; // it has been transferred away
		this.note(this.ending, 'ends it');
		const web = this.ending === 'web' ? this.web : this.mate;
		for (const id of [...web.sessions.keys()])
			web.hangUp(id);
		await until(() => {
			if (this.ending === 'sip')
				this.#endSip();
			if (this.ending === 'web')
				this.#endMoved();
			return this.#isOver();
		}, 'it is over', OVER_MS, 20).catch(() => this.fault(
			`not over: sessions [${this.webs.flatMap(({ sessions }) => [...sessions.keys()])}], legs [${
				this.legs.filter((leg) => !this.#legOver(leg)).map(({ number }) => number)}]`));
		for (const each of this.webs) {
			const live = await each.reconcile();
			if (live.size)
				this.fault(`the gateway has sessions [${[...live]}]`);
		}
	}

	/** Who has been put in the place of the one that hung up talks on. */
	#endMoved() {
		const { mate, legs, plan } = this;
		if (this.web.sessions.size || !plan.events.some(({ what }) => what.startsWith('web transfer')))
			return;
		// To another call of its own, or to a phone.
		if (mate.sessions.size > 1 || legs.some(({ live }) => live.length)) {
			for (const id of [...mate.sessions.keys()])
				mate.hangUp(id);
		}
	}

	#endSip() {
		for (const leg of this.legs) {
			if (leg.uas)
				leg.refuse(this.plan.endStatus);
			else
				leg.cancel();
			for (const dialog of leg.live)
				leg.bye(dialog);
		}
	}

	/** A leg that was never answered at all hears no CANCEL (RFC 3261 9.1). */
	#legOver(leg) {
		return leg.over || (leg.uas && !leg.said && this.ending === 'web');
	}

	#isOver() {
		return this.webs.every(({ sessions }) => !sessions.size) && this.legs.every((leg) => this.#legOver(leg));
	}
}
