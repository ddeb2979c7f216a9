// cases.mjs - what the browser does in each case, and what it must be told.
// What the IMS does and must see is in the scenario of the same name.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { PORT, pause, until } from './lib/bench.mjs';
import { startRelay } from './lib/relay.mjs';
import { answerOverTls, callOverTls, isTurnedAway, makeCertificates }
	from './lib/tls_peer.mjs';
import { answer, description } from './lib/web.mjs';

const BOB = 'sip:bob@far.example';

/** Calls out, and hangs up when connected. */
async function callAndHangUp(web) {
	const id = await web.call(BOB);

	await web.state(id, 'connected');
	await pause(150);
	await web.hangUp(id);
}

function failsWith(status) {
	return async (web) => {
		const id = await web.call(BOB);
		const end = await web.released(id);

		assert.equal(end.problemDetails?.status, status);
		return end;
	};
}

async function ringAndHangUp(web) {
	const id = await web.call(BOB);

	await web.state(id, 'alerting');
	await web.hangUp(id);
}

async function accept(web) {
	const setup = await web.incoming();

	assert.ok(setup.sdpOffer, 'the gateway offers');
	await pause(100);
	await web.update(setup.mediaSessionId, { sdpAnswer: answer(setup.sdpOffer) });
	return setup.mediaSessionId;
}

async function acceptAndWait(web) {
	await web.released(await accept(web));
}

async function offer(web, id, version, direction) {
	const response = await web.update(id, {
		sdpOffer: description({ version, direction }),
	});

	if (!response.sdpAnswer)
		await web.next('an answer', (m) => m.mediaSessionId === id && m.sdpAnswer);
}

async function holdAndResume(web, id) {
	await pause(300);
	await offer(web, id, 3, 'sendonly');
	await offer(web, id, 4, 'sendrecv');
	await pause(100);
	await web.hangUp(id);
}

/** The IMS changes the session; the browser answers what it is offered. */
async function followUntilEnd(web, id) {
	for (;;) {
		const m = await web.next('an offer or the end', (x) => x.mediaSessionId === id &&
			(x.method === 'mdisc' || x.sdpOffer));

		if (m.method === 'mdisc')
			return;
		const direction = /^a=(sendonly|recvonly|inactive)/m.exec(m.sdpOffer)?.[1];
		await web.update(id, { sdpAnswer: answer(m.sdpOffer,
			{ sendonly: 'recvonly', inactive: 'inactive' }[direction] ?? 'sendrecv') });
	}
}

/** What no parser should see, then a request that must still be answered. */
async function garbage(web, gateway) {
	const socket = dgram.createSocket('udp4');
	const send = (data) => new Promise((done) =>
		socket.send(data, PORT.sip, '127.0.0.1', done));
	let seed = 1;
	let alive = false;

	socket.on('message', (data) => {
		alive ||= /^SIP\/2.0 200[^]*CSeq: 77 OPTIONS/.test(data.toString());
	});
	await new Promise((done) => socket.bind(PORT.peer, '127.0.0.1', done));
	const good = `INVITE sip:alice@sipp.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${PORT.peer};` +
		'branch=z9hG4bKg\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:alice@sipp.example>\r\n' +
		'Call-ID: garbage\r\nCSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.1>\r\n' +
		'Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n';
	for (let i = 0; i < 400; i++) {
		const data = Buffer.from(good.replace('garbage', `garbage${i}`));

		for (let k = 0; k < 1 + i / 8; k++) {
			seed = (seed * 1103515245 + 12345) & 0x7fffffff;
			data[(seed >> 8) % data.length] = seed & 0xff;
		}
		await send(i % 50 ? data : data.subarray(0, seed % data.length));
	}
	await until(async () => {
		assert.ok(gateway.alive());
		await send(`OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${PORT.peer};branch=` +
			`z9hG4bK${Date.now()}\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: o\r\n` +
			'CSeq: 77 OPTIONS\r\nContent-Length: 0\r\n\r\n');
		await pause(50);
		return alive;
	}, 'OPTIONS is answered after garbage');
	await new Promise((done) => socket.close(done));
}

async function everythingWasRepeated(gateway, relay) {
	assert.ok(relay.lost() >= 5, 'datagrams were lost');
	await until(async () => await gateway.metric('isthmus_sip_retransmissions_total') >= 3,
		'retransmissions are counted');
}

const core = (port, rest) => `sip:127.0.0.1:${port}${rest}`;
const named = (cases) => cases.map((c) => ({ name: c.scenario, ...c }));

export const groups = [
	{
		name: 'udp',
		options: { core: core(PORT.peer, ';transport=udp') },
		cases: named([
			{ scenario: 'orig_answer', web: callAndHangUp },
			{ scenario: 'orig_peer_bye', async web(web) {
				const id = await web.call(BOB);

				await web.state(id, 'connected');
				await web.released(id);
			} },
			{ scenario: 'orig_busy', web: failsWith(486) },
			{ scenario: 'orig_notfound', web: failsWith(404) },
			{ scenario: 'orig_declined', web: failsWith(603) },
			{ scenario: 'orig_unavailable', web: failsWith(503) },
			{ scenario: 'orig_noanswer', web: failsWith(408) },
			{ scenario: 'orig_cancel', web: ringAndHangUp },
			{ scenario: 'orig_cancel_cross', web: ringAndHangUp },
			{ scenario: 'orig_two_early', web: callAndHangUp },
			{ scenario: 'orig_digest_401', web: callAndHangUp },
			{ scenario: 'orig_digest_407', web: callAndHangUp },
			{ scenario: 'orig_hold_web', async web(web) {
				const id = await web.call(BOB);

				// Its answer is the first one, not that to an offer below.
				await web.state(id, 'connected');
				await holdAndResume(web, id);
			} },
			{ scenario: 'orig_hold_peer', async web(web) {
				await followUntilEnd(web, await web.call(BOB));
			} },
			{ scenario: 'orig_glare', async web(web) {
				const id = await web.call(BOB);

				await web.state(id, 'connected');
				await offer(web, id, 3, 'sendonly');
				await web.hangUp(id);
			} },
			{ scenario: 'term_answer', web: acceptAndWait },
			{ scenario: 'term_web_bye', async web(web) {
				const id = await accept(web);

				await pause(300);
				await web.hangUp(id);
			} },
			{ scenario: 'term_busy', async web(web) {
				web.refuse = 486;
				await web.incoming();
			} },
			{ scenario: 'term_notfound' },
			{ scenario: 'term_require' },
			{ scenario: 'term_noanswer', async web(web) {
				await web.released((await web.incoming()).mediaSessionId);
			} },
			{ scenario: 'term_cancel', async web(web) {
				await web.released((await web.incoming()).mediaSessionId);
			} },
			{ scenario: 'term_cancel_cross', web: acceptAndWait },
			{ scenario: 'term_late_offer', web: acceptAndWait },
			{ scenario: 'term_hold_peer', async web(web) {
				await followUntilEnd(web, await accept(web));
			} },
			{ scenario: 'term_hold_web', async web(web) {
				await holdAndResume(web, await accept(web));
			} },
			{ scenario: 'term_reinvite_late', async web(web) {
				await followUntilEnd(web, await accept(web));
			} },
			{ scenario: 'term_update', web: acceptAndWait },
			{ scenario: 'orig_loss', port: PORT.behind, before: startRelay,
				after: everythingWasRepeated, timeout: 30, async web(web) {
					const id = await web.call(BOB);

					await web.state(id, 'connected');
					await pause(1500); // its ACK is on its way
					await web.hangUp(id);
				} },
			{ scenario: 'term_loss', port: PORT.behind, remote: PORT.peer,
				before: startRelay, after: everythingWasRepeated, timeout: 30,
				web: acceptAndWait },
			{ name: 'garbage', web: garbage },
		]),
	},
	{
		name: 'late',
		options: { core: core(PORT.peer, ';transport=udp'), noOffer: 'late_offer' },
		cases: named([
			{ scenario: 'orig_late_offer', async web(web) {
				const id = await web.call(BOB, null);
				const m = await web.next('an offer', (x) => x.mediaSessionId === id &&
					x.sdpOffer);

				await web.update(id, { sdpAnswer: answer(m.sdpOffer) });
				await web.state(id, 'connected');
				await pause(200);
				await web.hangUp(id);
			} },
		]),
	},
	{
		name: 'tcp',
		options: { core: core(PORT.peer, ';transport=tcp') },
		cases: [
			{ name: 'orig_answer_tcp', scenario: 'orig_answer', transport: 't1',
				web: callAndHangUp },
			{ name: 'orig_hold_peer_tcp', scenario: 'orig_hold_peer', transport: 't1',
				async web(web) {
					await followUntilEnd(web, await web.call(BOB));
				} },
			{ name: 'term_answer_tcp', scenario: 'term_answer', transport: 't1',
				web: acceptAndWait },
		],
	},
	{
		name: 'tls',
		prepare: makeCertificates,
		options: { core: core(PORT.peer, ';transport=tls'), tls: true },
		cases: [
			{ name: 'orig_answer_tls', async web(web, gateway) {
				const peer = await answerOverTls(gateway.dir);

				await callAndHangUp(web);
				await peer.done;
			} },
			{ name: 'term_answer_tls', async web(web, gateway) {
				await Promise.all([callOverTls(gateway.dir), acceptAndWait(web)]);
			} },
			{ name: 'tls_strangers', async web(web, gateway) {
				assert.ok(await isTurnedAway(gateway.dir, 'stranger'), 'unknown CA');
				assert.ok(await isTurnedAway(gateway.dir, null), 'no TLS at all');
				assert.ok(!await isTurnedAway(gateway.dir, 'peer'), 'the neighbour is served');
			} },
		],
	},
	{
		name: 'ipv6',
		options: { core: `sip:[::1]:${PORT.peer};transport=udp`, core6: true },
		cases: [
			{ name: 'orig_answer_ipv6', scenario: 'orig_answer', host: '::1',
				web: callAndHangUp },
			{ name: 'term_answer_ipv6', scenario: 'term_answer', host: '::1',
				web: acceptAndWait },
		],
	},
];
