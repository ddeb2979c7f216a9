// lossy_cases.mjs - each behaviour of a call, in both directions, with each of
// its messages lost in turn.  What a behaviour consists of is learnt from one
// call that loses nothing; then as many calls as it has messages are made at
// once, and each of them loses another one.
import assert from 'node:assert/strict';
import { PORT, pause, sipp, until } from './lib/bench.mjs';
import { startLearningRelay } from './lib/relay.mjs';
import { audio, Scenario } from './lib/scenario.mjs';
import { answer, description } from './lib/web.mjs';

const BOB = 'sip:bob@far.example';
const THIRD = 'sip:third@far.example';
/** By then what was lost has been repeated (T1 is 100 ms). */
const SETTLED = 600;

// ---- the browser's side: many sessions at once ----

/** One session of a browser. */
class Line {
	said = [];
	#at = 0;

	constructor(web, id) {
		this.web = web;
		this.id = id;
	}

	/** The next that it is told which @matches. */
	async next(what, matches) {
		let found;

		await until(() => {
			while (!found && this.#at < this.said.length) {
				const message = this.said[this.#at++];

				if (matches(message))
					found = message;
			}
			return found;
		}, `session ${this.id} is told: ${what}; it was told ` +
			`${JSON.stringify(this.said.map((m) => [m.method, m.mediaSessionState]))}`, 8000);
		return found;
	}

	state(state) { return this.next(state, (m) => m.mediaSessionState === state); }
	released() { return this.next('mdisc', (m) => m.method === 'mdisc'); }
	update(members) { return this.web.update(this.id, members); }
	hangUp() { return this.web.hangUp(this.id); }

	/** What became of an offer of its own. */
	async offers(direction) {
		const response = await this.update({ sdpOffer: description({ version: 3, direction }) });

		return response.sdpAnswer ? response :
			this.next('an answer', (m) => m.sdpAnswer || m.problemDetails);
	}

	/** Answers what it is offered. */
	async follows() {
		const { sdpOffer } = await this.next('an offer', (m) => m.sdpOffer);
		const direction = /^a=sendonly/m.test(sdpOffer) ? 'recvonly' : 'sendrecv';

		await this.update({ sdpAnswer: answer(sdpOffer, direction) });
	}
}

/** @count sessions that the browser begins, or is called for. */
async function lines(web, count, calling, preOffer) {
	const all = new Map();
	const order = [];
	const of = (id) => {
		if (!all.has(id)) {
			all.set(id, new Line(web, id));
			order.push(all.get(id));
		}
		return all.get(id);
	};
	const take = (message) => message.mediaSessionId && of(message.mediaSessionId).said.push(message);

	web.client.on('request', take);
	if (!calling) {
		for (let i = 0; i < count; i++)
			of(await web.call(BOB, preOffer));
	} else {
		await until(() => order.length === count, `${count} sessions come in`);
	}
	return { order, leave: () => web.client.off('request', take) };
}

// ---- what phone and browser do once they are connected ----

const reinvite = (s, version, direction) => s.ask('INVITE', { body: audio(version, direction) })
	.recv(100, { optional: true });

const INFO = 'Signal=5\nDuration=160\n';

/**
 * phone(scenario): what the phone does; web(line): the browser.  ends: who hangs
 * up.  least: so many messages it has, apart from those of the call itself.
 */
const within = [
	{ name: 'ends_peer', ends: 'peer', least: 0 },
	{ name: 'ends_web', ends: 'web', least: 0 },
	{
		name: 'hold_peer', ends: 'peer', least: 3,
		phone: (s) => reinvite(s, 2, 'sendonly').recv(200, { has: ['a=recvonly'] }).ack(),
		web: (line) => line.follows(),
	}, {
		name: 'hold_update', ends: 'web', least: 2,
		phone: (s) => s.ask('UPDATE', { body: audio(2, 'sendonly') })
			.recv(200, { has: ['a=recvonly'] }),
		web: (line) => line.follows(),
	}, {
		name: 'hold_refused', ends: 'peer', least: 3,
		phone: (s) => reinvite(s, 2, 'sendonly').recv(488).ackRefusal(),
		web: async (line) => { await line.next('an offer', (m) => m.sdpOffer); },
		judge: ({ sdpOffer }) => sdpOffer && /^a=sendonly/m.test(sdpOffer) ? 488 : 0,
	}, {
		name: 'hold_late', ends: 'peer', least: 3,
		phone: (s) => s.ask('INVITE').recv(100, { optional: true })
			.recv(200, { has: ['m=audio', 'a=sendrecv'] }).ack({ body: audio(2) }),
	}, {
		name: 'hold_web', ends: 'web', least: 3,
		phone: (s) => s.recv('INVITE', { has: ['a=sendonly'] })
			.reply(200, { body: audio(2, 'recvonly'), retrans: true }).recv('ACK'),
		web: async (line) => assert.ok((await line.offers('sendonly')).sdpAnswer),
	}, {
		name: 'hold_web_refused', ends: 'peer', least: 3,
		phone: (s) => s.recv('INVITE', { has: ['a=sendonly'] })
			.reply(488, { retrans: true }).recv('ACK'),
		web: async (line) =>
			assert.equal((await line.offers('sendonly')).problemDetails?.status, 488),
	}, {
		// Who was called offers again within 2 s (RFC 3261 14.1), which may cross a
		// 491 that is repeated for want of its ACK: hold_web_refused has such ones.
		name: 'hold_web_glare', ends: 'peer', least: 6,
		phone: (s) => s.recv('INVITE', { has: ['a=sendonly'] }).reply(491)
			.recv('ACK', { optional: true }).recv('INVITE', { has: ['a=sendonly'] })
			.reply(200, { body: audio(2, 'recvonly'), retrans: true }).recv('ACK'),
		web: async (line) => assert.ok((await line.offers('sendonly')).sdpAnswer),
	}, {
		name: 'refresh_peer', ends: 'web', least: 2,
		phone: (s) => s.ask('UPDATE', { headers: ['Supported: timer',
			'Session-Expires: 1800;refresher=uac'] })
			.recv(200, { has: ['Session-Expires: *1800;refresher=uac'] }),
		quiet: true,
	}, {
		name: 'refresh_peer_invite', ends: 'peer', least: 3,
		phone: (s) => reinvite(s, 1, 'sendrecv').recv(200, { has: ['a=sendrecv'] }).ack(),
		quiet: true,
	}, {
		name: 'info_peer', ends: 'web', least: 2,
		phone: (s) => s.ask('INFO', { type: 'application/dtmf-relay', body: INFO }).recv(200),
		async web(line) {
			await line.next('a digit', (m) => m.userData?.dtmf?.signal === '5');
			await pause(SETTLED);
			assert.equal(line.said.filter((m) => m.userData).length, 1, 'one digit');
		},
	}, {
		name: 'info_web', ends: 'web', least: 2,
		phone: (s) => s.recv('INFO', { has: ['Signal= *5'] }).reply(200),
		web: (line) => line.update({ userData: { dtmf: { signal: '5', duration: 160 } } }),
	}, {
		// What comes of it may overtake the 202.
		name: 'refer_peer', ends: 'neither', least: 6,
		phone: (s) => s.ask('REFER', { headers: [`Refer-To: <${THIRD}>`] })
			.recv(202, { optional: true }).recv('BYE').reply(200),
		async web(line) {
			await line.next('the third one', (m) => m.resourceId === THIRD);
			await line.follows();
			await pause(SETTLED);
			await line.hangUp();
		},
		check(relay, calls) {
			assert.equal(relay.thirds(), calls, 'each is transferred once');
			for (const told of relay.told())
				assert.deepEqual(told.sort(), ['100', '200'], 'how it went is told');
		},
	}, {
		name: 'moved_web', ends: 'neither', least: 0,
		phone: (s) => s.recv('BYE').reply(200),
		async web(line) {
			await line.update({ resourceId: THIRD });
			await line.next('the third one', (m) => m.resourceId === THIRD);
			await line.follows();
			await pause(SETTLED);
			await line.hangUp();
		},
		check: (relay, calls) => assert.equal(relay.thirds(), calls, 'each is moved once'),
	}, {
		// The phone is offered what the third one has.
		name: 'left_web', ends: 'peer', least: 3,
		phone: (s) => s.recv('INVITE', { has: ['m=audio'] })
			.reply(200, { body: audio(2), retrans: true }).recv('ACK'),
		async web(line) {
			assert.ok((await line.web.request('transfer.isthmus',
				{ mediaSessionId: line.id, resourceId: THIRD })).success);
			const m = await line.next('how it went', (x) => x.resourceId === THIRD);
			assert.equal(m.problemDetails, undefined);
		},
		check: (relay, calls) => assert.equal(relay.thirds(), calls, 'each is left once'),
	},
];

function dialog({ name, phone, ends }, calling) {
	const s = new Scenario(name, calling);

	if (calling)
		s.invite({ body: audio() }).recv(100, { optional: true })
			.recv(180, { optional: true }).recv(200).ack();
	else
		s.invited().answer(180).pause(300).answer(200, { body: audio() }).recv('ACK');
	s.pause(SETTLED);
	if (phone)
		phone(s);
	if (ends === 'peer')
		s.pause(SETTLED).ask('BYE').recv(200);
	else if (ends === 'web')
		s.recv('BYE').reply(200);
	return s.end().text();
}

async function talk({ web: does, ends, quiet }, line, calling) {
	if (calling) {
		const { sdpOffer } = await line.next('a call', (m) => m.method === 'msetup');

		await pause(200);
		await line.update({ sdpAnswer: answer(sdpOffer) });
	} else {
		await line.state('connected');
	}
	const told = line.said.length;

	// Until the ACK is there, and whatever had to be repeated for it.
	await pause(SETTLED + 200);
	await does?.(line);
	if (ends === 'web') {
		await pause(SETTLED);
		await line.hangUp();
	} else if (ends === 'peer') {
		await line.released();
	}
	if (quiet)
		assert.ok(line.said.slice(told).every((m) => !m.sdpOffer), 'nobody is asked');
}

// ---- calls that do not come about ----

const apart = [
	{
		name: 'cancel', direction: 'orig', least: 5,
		scenario: () => new Scenario('cancel', false).invited().answer(180).recv('CANCEL')
			.reply(200, { tag: true }).answer(487).recv('ACK')
			// It may be repeated, if its 200 was lost, after all is over.
			.recv('CANCEL', { within: [SETTLED, 1] }).reply(200, { tag: true })
			.label(1).end().text(),
		async web(line) {
			await pause(SETTLED);
			await line.hangUp();
		},
	}, {
		name: 'cancel', direction: 'term', least: 5,
		scenario: () => new Scenario('cancel', true).invite({ body: audio() })
			.recv(100, { optional: true }).recv(180, { within: [SETTLED, 1] })
			.pause(SETTLED).label(1).cancel()
			.recv(200, { optional: true }).recv(487).ackRefusal({ first: true }).end().text(),
		web: (line) => line.released(),
	}, {
		name: 'refused', direction: 'orig', least: 3,
		scenario: () => new Scenario('refused', false).invited().answer(486).recv('ACK')
			.end().text(),
		web: async (line) => assert.equal((await line.released()).problemDetails.status, 486),
	}, {
		name: 'refused', direction: 'term', least: 3, refuse: 486,
		scenario: () => new Scenario('refused', true).invite({ body: audio() })
			.recv(100, { optional: true }).recv(180, { optional: true }).recv(486)
			.ackRefusal({ first: true }).end().text(),
	}, {
		name: 'late_offer', direction: 'term', least: 5,
		scenario: () => new Scenario('late_offer', true).invite()
			.recv(100, { optional: true }).recv(180, { optional: true })
			.recv(200, { has: ['m=audio'] }).ack({ body: audio() }).pause(SETTLED)
			.ask('BYE').recv(200).end().text(),
		web: (line, calling) => talk({ ends: 'peer' }, line, calling),
	},
];

/** An INVITE that has no offer either; the browser answers the phone's. */
const late = {
	name: 'late_offer', direction: 'orig', least: 5, preOffer: null,
	scenario: () => new Scenario('late_offer', false).invited().answer(180).pause(300)
		.answer(200, { body: audio() }).recv('ACK', { has: ['m=audio'] })
		.recv('BYE').reply(200).end().text(),
	async web(line) {
		await line.follows();
		await line.state('connected');
		await pause(SETTLED);
		await line.hangUp();
	},
};

// ---- one behaviour ----

/** @count calls at once, with SIPp behind the relay. */
async function run(web, gateway, relay, behaviour, count) {
	const calling = behaviour.direction === 'term';
	const name = `${behaviour.direction}_lost_${behaviour.name}${count > 1 ? '_each' : ''}`;
	let peer;
	let all;

	web.refuse = behaviour.refuse;
	web.judge = behaviour.judge;
	try {
		const options = { name, xml: behaviour.scenario(), port: PORT.behind, calls: count,
			remote: calling ? PORT.peer : undefined };
		const heard = await behaviour.hear?.(web, count);

		if (behaviour.say || heard) {
			peer = sipp(gateway.dir, name, options);
			await pause(250);
			await Promise.all([peer.done(),
				...Array.from({ length: count }, () => behaviour.say?.(web))]);
			await heard?.();
		} else if (!calling) {
			peer = sipp(gateway.dir, name, options);
			await pause(250);
			all = await lines(web, count, false, behaviour.preOffer);
		} else {
			const coming = lines(web, count, true);

			peer = sipp(gateway.dir, name, options);
			all = await coming;
		}
		if (all)
			await Promise.all([peer.done(),
				...all.order.map((line) => behaviour.web?.(line, calling))]);
		if (peer.wrong())
			throw new Error(`SIPp: ${peer.wrong().slice(0, 900)}`);
	} finally {
		all?.leave();
		await peer?.stop();
	}
}

async function losesEach(web, gateway, behaviour) {
	const relay = await startLearningRelay();

	try {
		relay.learn();
		await run(web, gateway, relay, behaviour, 1);
		const [messages, ...others] = relay.learnt();
		assert.equal(others.length, 0, 'one call');
		assert.ok(messages.length >= behaviour.least, messages.join(', '));
		relay.lose(messages);
		await run(web, gateway, relay, behaviour, messages.length);
		assert.deepEqual(relay.missed(), [], 'each was lost once');
		behaviour.check?.(relay, messages.length + 1);
		console.log(`     ${messages.length} messages: ${messages.join(', ')}`);
	} finally {
		await relay.stop();
	}
}

// ---- texts, which have no session ----

const TEXT = 'hello, world';

const texts = [
	{
		name: 'message', direction: 'orig', least: 2,
		scenario: () => new Scenario('message', false).recv('MESSAGE', { has: [TEXT] })
			.reply(200, { tag: true }).end().text(),
		say: async (web) => assert.ok((await web.request('message.isthmus',
			{ resourceId: BOB, content: TEXT })).success),
	}, {
		name: 'message', direction: 'term', least: 2,
		scenario: () => new Scenario('message', true).ask('MESSAGE',
			{ first: true, type: 'text/plain', body: TEXT }).recv(200).end().text(),
		async hear(web, count) {
			const heard = () => web.client.requests.filter((m) => m.method === 'message.isthmus');
			const before = heard().length;

			return async () => {
				await until(() => heard().length >= before + count, `${count} texts`);
				assert.equal(heard().length, before + count, 'each text once');
			};
		},
	},
];

const both = within.flatMap((behaviour) => ['orig', 'term'].map((direction) => ({
	...behaviour, direction, least: behaviour.least + 5,
	scenario: () => dialog(behaviour, direction === 'term'),
	web: (line, calling) => talk(behaviour, line, calling),
})));

const cases = (behaviours) => behaviours.map((behaviour) => ({
	name: `${behaviour.direction}_lost_${behaviour.name}`,
	web: (web, gateway) => losesEach(web, gateway, behaviour),
}));

const all = [...apart, ...both, ...texts];

export const lossyOrig = cases(all.filter(({ direction }) => direction === 'orig'));
export const lossyTerm = cases(all.filter(({ direction }) => direction === 'term'));
export const lossyLate = cases([late]);
