// more_cases.mjs - one party in place of another, texts, pictures, and calls of
// which one message is lost.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { PORT, pause, sipp, until } from './lib/bench.mjs';
import { taken, trace } from './lib/ims.mjs';
import { startSievingRelay } from './lib/relay.mjs';
import { answer, answerVideo, description, showsVideo, withVideo } from './lib/web.mjs';

const BOB = 'sip:bob@far.example';
const THIRD = 'sip:third@far.example';
const BUSY = 'sip:busy@far.example';

async function connected(web, to = BOB, preOffer) {
	const id = await web.call(to, preOffer);

	await web.state(id, 'connected');
	return id;
}

async function accepted(web, how = answer) {
	const { mediaSessionId: id, sdpOffer } = await web.incoming();

	await web.update(id, { sdpAnswer: how(sdpOffer) });
	return id;
}

// ---- one party in place of another ----

/** Another is there; the browser answers what that one has, and hangs up. */
async function meets(web, id, who = THIRD) {
	const told = await web.until(id, (m) => m.sdpOffer || m.method === 'mdisc');
	const changed = told.filter((m) => m.resourceId);

	assert.ok(told.at(-1).sdpOffer, 'the call goes on');
	assert.deepEqual(changed.map((m) => [m.resourceId, m.problemDetails]), [[who, undefined]]);
	await web.update(id, { sdpAnswer: answer(told.at(-1).sdpOffer) });
	await pause(200);
	await web.hangUp(id);
}

/** Nothing has changed for the browser: it is offered nothing, and @told no more. */
async function staysAlone(web, id) {
	const told = await web.until(id, (m) => m.method === 'mdisc');

	assert.ok(told.every((m) => !m.sdpOffer && !m.resourceId), 'nothing has changed');
}

/** SIPp in the core, beside the one of the case, which is before it. */
async function others(gateway) {
	const party = sipp(gateway.dir, 'orig_party', { name: 'other', control: 22991 });

	await pause(250);
	return party;
}

const beside = { port: PORT.behind, before: others, after: (gateway, party) => party.done() };

async function counts(gateway, metric, n) {
	await until(async () => await gateway.metric(metric) === n, `${metric} is ${n}`);
}

/** By how much @metric grows in a case. */
const grows = (metric, by) => ({
	async before(gateway) {
		return { was: await gateway.metric(metric), stop() {} };
	},
	after: (gateway, { was }) => counts(gateway, metric, was + by),
});

const transfers = (result) => `isthmus_transfers_total{result="${result}"}`;

/** The old party is let go once the new one has answered. */
async function oneAfterTheOther(gateway, around, peer) {
	const all = trace(peer);
	const [first, second] = new Set(all.map((m) => m.headers['call-id'][0]));
	const at = (id, what) => all.findIndex((m) => m.headers['call-id'][0] === id && what(m));
	const answered = at(second, (m) => m.status === 200);

	assert.ok(answered >= 0 && at(first, (m) => m.method === 'BYE') > answered);
}

const tag = (value) => /;tag=([^;>\s]+)/.exec(value)[1];

/** SIPp takes the place of @peer, which has answered or was answered. */
async function isReplaced(web, id, gateway, peer) {
	await until(() => trace(peer).some((m) => m.method === 'ACK'), 'the call is up');
	const ok = trace(peer).find((m) => m.status === 200 && /INVITE/.test(m.headers.cseq[0]));
	const [ours, theirs] = ok.sent ? ['from', 'to'] : ['to', 'from'];
	const newcomer = sipp(gateway.dir, 'term_replaces', {
		name: `newcomer_${ok.sent ? 'orig' : 'term'}`, port: PORT.behind, control: 22991,
		keys: { callid: ok.headers['call-id'][0], totag: tag(ok.headers[ours][0]),
			fromtag: tag(ok.headers[theirs][0]) },
	});

	try {
		const { sdpOffer } = await web.next('an offer', (m) => m.mediaSessionId === id && m.sdpOffer);
		await web.update(id, { sdpAnswer: answer(sdpOffer) });
		await web.released(id);
		await newcomer.done();
	} finally {
		await newcomer.stop();
	}
}

const parties = [
	{ scenario: 'orig_refer', calls: 2, ...grows(transfers('done'), 1), async web(web) {
		await meets(web, await connected(web));
	} },
	{ scenario: 'orig_refer_quiet', calls: 2, async web(web) {
		await meets(web, await connected(web));
	} },
	{ scenario: 'orig_refer_attended', calls: 2, async web(web) {
		await meets(web, await connected(web));
	} },
	{ scenario: 'orig_refer_gone', calls: 2,
		after: (gateway, around, peer) => assert.equal(taken(peer, 'NOTIFY').length, 1),
		async web(web) {
			await meets(web, await connected(web));
		} },
	{ scenario: 'orig_refer_refused', calls: 2, ...grows(transfers('failed'), 1), async web(web) {
		await staysAlone(web, await connected(web));
	} },
	{ scenario: 'term_refer', ...beside, async web(web) {
		await meets(web, await accepted(web));
	} },
	{ scenario: 'term_refer_refused', ...beside, async web(web) {
		await staysAlone(web, await accepted(web));
	} },
	{ name: 'orig_transfer_web', scenario: 'orig_party', calls: 2, after: oneAfterTheOther,
		async web(web) {
			const id = await connected(web);

			await pause(150);
			await web.update(id, { resourceId: THIRD });
			await meets(web, id);
		} },
	{ name: 'orig_transfer_busy', scenario: 'orig_party', calls: 2, async web(web) {
		const id = await connected(web);

		await pause(150);
		await web.update(id, { resourceId: BUSY });
		const m = await web.next('how it went', (x) => x.resourceId);
		assert.equal(m.problemDetails?.status, 486);
		assert.equal(m.mediaSessionState, 'connected');
		await web.hangUp(id);
	} },
	{ name: 'term_transfer_web', scenario: 'term_left', ...beside, async web(web) {
		const id = await accepted(web);

		await pause(250);
		await web.update(id, { resourceId: THIRD });
		await meets(web, id);
	} },
	{ name: 'orig_replaced', scenario: 'orig_party', async web(web, gateway, peer) {
		await isReplaced(web, await connected(web), gateway, peer);
	} },
	{ name: 'term_replaced', scenario: 'term_left', async web(web, gateway, peer) {
		await isReplaced(web, await accepted(web), gateway, peer);
	} },
];

// ---- texts ----

const say = (web, to, content = 'hello, world') =>
	web.request('message.isthmus', { resourceId: to, content });

const answered = (status) => ({
	name: `orig_message_${status}`, scenario: 'orig_message', keys: { status },
	async web(web) {
		const response = await say(web, BOB);

		assert.equal(response.problemDetails?.status ?? 200, status);
		assert.equal(response.success, status === 200);
	},
});

const challenged = (status, challenge, reply) => ({
	name: `orig_message_${status}`, scenario: 'orig_message_digest',
	keys: { status, challenge, answer: reply },
	web: async (web) => assert.ok((await say(web, BOB)).success),
});

const texts = [
	...[200, 404, 413, 415, 480].map(answered),
	challenged(401, 'WWW-Authenticate', 'Authorization'),
	challenged(407, 'Proxy-Authenticate', 'Proxy-Authorization'),
	{ scenario: 'term_message', keys: { long: 'x'.repeat(4200) }, async web(web) {
		web.judge = ({ content }) => content.startsWith('refuse me') ? 403 : 0;
		const m = await web.next('a text', (x) => x.method === 'message.isthmus');
		assert.equal(m.content, 'hello, alice\r\n');
		assert.equal(m.resourceId, 'sip:alice@sipp.example');
		assert.equal(m.assertedOriginatingId, BOB);
		// What could not be taken is not seen.
		assert.equal((await web.next('a text', (x) => x.method === 'message.isthmus')).content,
			'refuse me\r\n');
	} },
];

// ---- pictures ----

/** Answers what it is offered, until the end; which offers had a picture? */
async function watches(web, id) {
	const seen = [];

	for (;;) {
		const m = await web.next('an offer or the end', (x) => x.mediaSessionId === id &&
			(x.method === 'mdisc' || x.sdpOffer));

		if (m.method === 'mdisc')
			return seen;
		seen.push(showsVideo(m.sdpOffer));
		await web.update(id, { sdpAnswer: answerVideo(m.sdpOffer, { version: 3 + seen.length }) });
	}
}

/** The browser's own offer; is there a picture in what it is answered? */
async function offers(web, id, version, video, mids = ['0', '1']) {
	const response = await web.update(id, { sdpOffer:
		withVideo(description({ version, mid: mids[0] }), { live: video, mid: mids[1] }) });
	const { sdpAnswer } = response.sdpAnswer ? response :
		await web.next('an answer', (m) => m.mediaSessionId === id && m.sdpAnswer);

	return showsVideo(sdpAnswer);
}

/** Pictures of @peer, of which nobody could make one: so that it can be asked. */
async function shows(peer) {
	const socket = dgram.createSocket('udp4');
	const packet = Buffer.alloc(200);

	await new Promise((open) => socket.bind(22902, '127.0.0.1', open));
	try {
		let port;
		await until(() => {
			port = Number(/^m=video (\d+)/m.exec(trace(peer)
				.find((m) => m.status === 200)?.body ?? '')?.[1]);
			return port;
		}, 'a port for pictures');
		packet.writeUInt16BE(0x8060);
		packet.writeUInt32BE(0x1234, 8);
		for (let seq = 1; seq <= 8; seq++) {
			packet.writeUInt16BE(seq, 2);
			socket.send(packet, port, '127.0.0.1');
			await pause(30);
		}
	} finally {
		await new Promise((closed) => socket.close(closed));
	}
}

const INFO = 'isthmus_video_fast_updates_total';

const QOS = 'isthmus_calls_preconditions_total';
const SUSPENDED = (result) => `isthmus_sip_suspended_total{result="${result}"}`;

/** Pictures in calls with phones that know preconditions. */
export const conditions = [
	{ scenario: 'orig_qos_video', ...grows(`${QOS}{result="update_met"}`, 1), async web(web) {
		assert.deepEqual(await watches(web, await connected(web)), [true]);
	} },
	{ scenario: 'orig_qos_video_183', ...grows(SUSPENDED('resumed'), 1), async web(web) {
		assert.deepEqual(await watches(web, await connected(web)), [true]);
	} },
	{ scenario: 'orig_qos_video_web', async web(web) {
		const id = await connected(web);

		await pause(150);
		assert.equal(await offers(web, id, 3, true), true);
		await pause(150);
		await web.hangUp(id);
	} },
];

/** Resources that are awaited before the call is up. */
export const unmet = [
	{ scenario: 'orig_qos_never', ...grows(`${QOS}{result="failed"}`, 1), async web(web) {
		const { problemDetails } = await web.released(await web.call(BOB));

		assert.equal(problemDetails.status, 580);
	} },
	{ scenario: 'term_qos_never', ...grows(`${QOS}{result="failed"}`, 1) },
	{ scenario: 'orig_qos_video_580', ...grows(SUSPENDED('failed'), 1), async web(web) {
		assert.deepEqual(await watches(web, await connected(web)), []);
	} },
	{ scenario: 'orig_qos_offer', ...grows(`${QOS}{result="met"}`, 1), async web(web) {
		const id = await web.call(BOB, null);
		const { sdpOffer } = await web.next('an offer', (m) => m.mediaSessionId === id && m.sdpOffer);

		assert.doesNotMatch(sdpOffer, /qos/);
		await web.update(id, { sdpAnswer: answer(sdpOffer) });
		await web.state(id, 'connected');
		await pause(150);
		await web.hangUp(id);
	} },
];

const pictures = [
	{ scenario: 'orig_video', ...grows(`${INFO}{direction="in"}`, 1), async web(web) {
		const id = await web.call(BOB, withVideo(description()));
		const told = await web.until(id, (m) => m.mediaSessionState === 'connected');

		assert.ok(told.some((m) => m.sdpAnswer && showsVideo(m.sdpAnswer)), 'answered');
		assert.deepEqual(await watches(web, id), [false, true]);
	} },
	{ scenario: 'orig_video_refused', async web(web) {
		const id = await web.call(BOB, withVideo(description()));
		const told = await web.until(id, (m) => m.mediaSessionState === 'connected');

		assert.match(told.find((m) => m.sdpAnswer).sdpAnswer, /^m=video 0 /m);
		await pause(150);
		await web.hangUp(id);
	} },
	{ scenario: 'orig_video_web', async web(web) {
		const id = await connected(web);

		await pause(150);
		assert.equal(await offers(web, id, 3, true), true);
		await pause(150);
		assert.equal(await offers(web, id, 4, false), false);
		await pause(150);
		await web.hangUp(id);
	} },
	{ scenario: 'term_video', async web(web) {
		let mids;
		const id = await accepted(web, (offer) => {
			assert.ok(showsVideo(offer));
			mids = [...offer.matchAll(/^a=mid:(\S+)/mg)].map((found) => found[1]);
			return answerVideo(offer);
		});

		await pause(250);
		assert.equal(await offers(web, id, 3, false, mids), false);
		await pause(150);
		assert.equal(await offers(web, id, 4, true, mids), true);
		await pause(150);
		await web.hangUp(id);
	} },
	{ scenario: 'term_video_refused', async web(web) {
		const id = await accepted(web, (offer) => answerVideo(offer, { take: false }));

		assert.deepEqual(await watches(web, id), [true]);
	} },
	{ scenario: 'term_video_echo', ...grows(`${INFO}{direction="out"}`, 1),
		web: (web, gateway, peer) => shows(peer) },
];

/** Where nobody has offered, the gateway offers sound and picture.  The browser
 * took more codecs than the phone, and so is offered what that one has. */
export const latePictures = [
	{ scenario: 'term_late_video', keys: { port: 22902 }, async web(web) {
		assert.deepEqual(await watches(web, await accepted(web, (offer) => {
			assert.ok(showsVideo(offer));
			return answerVideo(offer);
		})), [true]);
	} },
	{ name: 'term_late_video_dropped', scenario: 'term_late_video', keys: { port: 0 },
		async web(web) {
			assert.deepEqual(await watches(web, await accepted(web, answerVideo)), [false]);
		} },
	{ scenario: 'term_late_video_refused', async web(web) {
		assert.deepEqual(await watches(web, await accepted(web, (offer) => {
			assert.ok(showsVideo(offer));
			return answerVideo(offer, { take: false });
		})), [false]);
	} },
	// Here the phone has said first what it takes.
	{ scenario: 'term_late_video_prack', async web(web) {
		const { mediaSessionId: id, sdpOffer } = await web.incoming();

		assert.ok(showsVideo(sdpOffer));
		await pause(100); // for the PRACK of the 180
		await web.update(id, { sdpAnswer: answerVideo(sdpOffer, { take: false }) });
		assert.deepEqual(await watches(web, id), []);
	} },
	{ name: 'orig_asked_video_refused', scenario: 'orig_video_refused', async web(web) {
		const id = await web.call(BOB, null);
		const { sdpOffer } = await web.next('an offer', (m) => m.sdpOffer);

		assert.ok(showsVideo(sdpOffer));
		await web.update(id, { sdpAnswer: answerVideo(sdpOffer) });
		await web.state(id, 'connected');
		const again = await web.next('another', (m) => m.sdpOffer);
		assert.ok(!showsVideo(again.sdpOffer), 'the picture is taken back');
		await web.update(id, { sdpAnswer: answerVideo(again.sdpOffer, { version: 3 }) });
		await pause(150);
		await web.hangUp(id);
	} },
];

export const more = [...parties, ...texts, ...pictures];

// ---- each message of a call lost in turn ----

const MESSAGES = ['INVITE', '100 INVITE', '183 INVITE', 'PRACK', '200 PRACK', 'UPDATE',
	'200 UPDATE', '180 INVITE', '200 INVITE', 'ACK', 'BYE', '200 BYE'];

const lossy = {
	port: PORT.behind, calls: MESSAGES.length,
	before: () => startSievingRelay(MESSAGES),
	after(gateway, relay) {
		assert.deepEqual(relay.missed(), [], 'each was lost once');
	},
};

/** As many calls at once; each comes up and ends as if nothing were lost. */
async function callsAllAtOnce(web) {
	const ids = [];
	const heard = (id, state) => web.client.requests.some((m) => m.mediaSessionId === id &&
		m.mediaSessionState === state);

	for (const message of MESSAGES)
		ids.push(await web.call(`sip:${message.replace(' ', '-')}@far.example`));
	await until(() => ids.every((id) => heard(id, 'connected')), 'all are connected', 4000);
	assert.ok(ids.every((id) => heard(id, 'alerting')), 'all have rung');
	await pause(600); // what is repeated of a 200 and its ACK
	await Promise.all(ids.map((id) => web.hangUp(id)));
}

/** Rings, and then answers, once all that comes before was repeated. */
async function answersAll(web) {
	const { client } = web;
	const { answers } = client;
	const ended = [];
	let wrong;
	const serve = async (message) => {
		const { mediaSessionId: id, sdpOffer } = message;

		await pause(300);
		client.respond(message);
		await pause(400);
		await web.update(id, { sdpAnswer: answer(sdpOffer) });
	};
	const take = (message) => {
		if (message.method === 'mdisc')
			ended.push(message.problemDetails?.status ?? 200);
		if (message.method === 'msetup')
			serve(message).catch((error) => { wrong = error; });
	};

	client.answers = ({ method }) => method === 'msetup' ? null : {};
	client.on('request', take);
	try {
		await until(() => {
			if (wrong)
				throw wrong;
			return ended.length === MESSAGES.length;
		}, 'all have ended');
	} finally {
		client.off('request', take);
		client.answers = answers;
	}
	assert.ok(ended.every((status) => status === 200), `ended: ${ended}`);
}

export const overLossy = [
	{ scenario: 'orig_lost', ...lossy, web: callsAllAtOnce },
	{ scenario: 'term_lost', ...lossy, remote: PORT.peer, web: answersAll },
];
