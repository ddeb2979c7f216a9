// cases.mjs - what the browser does in each case, and what it must be told.
// What the IMS does and must see is in the scenario of the same name.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import { PORT, pause, until } from './lib/bench.mjs';
import { startRelay } from './lib/relay.mjs';
import { answerOverTls, callOverTls, isTurnedAway, listenOverTls, makeCertificate,
	makeCertificates, shownCertificate, useCertificate } from './lib/tls_peer.mjs';
import { answer, description } from './lib/web.mjs';
import * as emergency from './emergency_cases.mjs';
import { cases as info } from './info_cases.mjs';
import { lossyLate, lossyOrig, lossyTerm } from './lossy_cases.mjs';
import { conditions, latePictures, more, overLossy, unmet } from './more_cases.mjs';
import { groups as registering } from './reg_cases.mjs';
import { transfers } from './transfer_cases.mjs';

const BOB = 'sip:bob@far.example';

/** Calls out, and hangs up when connected. */
async function callAndHangUp(web) {
	const id = await web.call(BOB);

	await web.state(id, 'connected');
	await pause(150);
	await web.hangUp(id);
}

/**
 * Whatever the IMS does, the browser gets one description, is offered nothing,
 * and hears @state before it is connected.
 */
function callCalmly(state, ms = 150) {
	return async (web) => {
		const id = await web.call(BOB);
		const told = await web.until(id, (m) => m.mediaSessionState === 'connected');

		assert.ok(told.some((m) => m.mediaSessionState === state), `told: ${state}`);
		assert.equal(told.filter((m) => m.sdpAnswer).length, 1, 'one description');
		assert.ok(told.every((m) => !m.sdpOffer), 'no offer');
		await pause(ms);
		await web.hangUp(id);
	};
}

/** The IMS hangs up, and nothing has been offered to the browser before. */
async function callUntilEnd(web) {
	const id = await web.call(BOB);
	const told = await web.until(id, (m) => m.method === 'mdisc');

	assert.ok(told.every((m) => !m.sdpOffer), 'no offer');
}

/** The browser's page has no offer, and answers what the IMS offers. */
async function answerLateOffer(web) {
	const id = await web.call(BOB, null);
	const m = await web.next('an offer', (x) => x.mediaSessionId === id && x.sdpOffer);

	await web.update(id, { sdpAnswer: answer(m.sdpOffer) });
	await web.state(id, 'connected');
	await pause(200);
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
			{ scenario: 'orig_late_offer', web: answerLateOffer },
			{ scenario: 'orig_offer_183', web: answerLateOffer },
			...lossyLate,
		]),
	},
	{
		name: 'late_video',
		options: { core: core(PORT.peer, ';transport=udp'), calls: ', gateway_offer: video' },
		cases: named(latePictures),
	},
	...[['lossy_orig', lossyOrig], ['lossy_term', lossyTerm]].map(([name, cases]) => ({
		name, cases, apart: true,
		options: { core: core(PORT.peer, ';transport=udp') },
	})),
	{
		// As an IMS core and its phones do it, message by message.
		name: 'traces',
		options: { core: core(PORT.peer, ';transport=udp'),
			sip: '  precondition: supported\n  precondition_confirm: true\n' },
		cases: named([
			{ scenario: 'orig_volte', web: callCalmly('alerting') },
			{ scenario: 'orig_announcement', web: callCalmly('early') },
			{ scenario: 'orig_forked', web: callCalmly('early') },
			{ scenario: 'orig_forwarded', web: callCalmly('alerting') },
			{ scenario: 'orig_refresh', web: callUntilEnd },
			{ scenario: 'orig_conference', async web(web) {
				const id = await web.call(BOB);

				await web.state(id, 'connected');
				await pause(400);
				await web.hangUp(id);
			} },
			{ scenario: 'orig_srvcc', async web(web) {
				await followUntilEnd(web, await web.call(BOB));
			} },
			{ scenario: 'orig_early_update', web: callCalmly('early') },
			{ scenario: 'orig_580', web: failsWith(580) },
			{ scenario: 'orig_ivr', async web(web) {
				const id = await web.call(BOB);

				await web.state(id, 'early');
				await web.update(id, { userData: { dtmf: { signal: '5', duration: 160 } } });
				await web.state(id, 'connected');
				await pause(100);
				await web.hangUp(id);
			} },
			{ scenario: 'term_volte', web: acceptAndWait },
			{ scenario: 'term_late_prack', web: acceptAndWait },
			{ scenario: 'term_interval', web: acceptAndWait },
			...conditions,
			...overLossy,
		]),
	},
	{
		name: 'unmet',
		options: { core: core(PORT.peer, ';transport=udp'), noOffer: 'late_offer',
			sip: '  precondition: supported\n  precondition_timeout_s: 1\n' },
		cases: named(unmet),
	},
	{
		name: 'more',
		options: { core: core(PORT.peer, ';transport=udp'),
			more: 'routes: [ { match: echo, leg: echo } ]\n' },
		cases: named([...more, ...transfers]),
	},
	{
		name: 'emergency',
		options: { core: core(PORT.peer, ';transport=udp'), more: emergency.section },
		cases: emergency.routed,
	},
	{
		name: 'emergency_refused',
		options: { core: core(PORT.peer, ';transport=udp') },
		cases: emergency.refused,
	},
	{
		name: 'info',
		options: { core: core(PORT.peer, ';transport=udp'), calls: ', client_names: true',
			sip: '  precondition: supported\n  precondition_confirm: true\n' },
		cases: info,
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
			{ name: 'orig_answer_tls_uri', async web(web, gateway) {
				const peer = await answerOverTls(gateway.dir, 'by_uri');

				await callAndHangUp(web);
				await peer.done;
			} },
			{ name: 'tls_strangers', async web(web, gateway) {
				assert.ok(await isTurnedAway(gateway.dir, 'stranger'), 'unknown CA');
				assert.ok(await isTurnedAway(gateway.dir, 'expired'), 'its time is over');
				assert.ok(await isTurnedAway(gateway.dir, null), 'no TLS at all');
				assert.ok(!await isTurnedAway(gateway.dir, 'peer'), 'the neighbour is served');
				const refused = /TLS from 127\.0\.0\.1:\d+ refused: .*/g;
				const [stranger, expired] = gateway.text().match(refused);
				assert.match(stranger, /self-signed certificate/);
				assert.match(expired, /has expired \(certificate: IP Address:127\.0\.0\.1/);
			} },
			...[['stranger', 'chain', /self-signed/],
				['by_cn', 'name', /another name \(certificate: URI:sip:other\.example/],
				['misnamed', 'name', /another name \(certificate: DNS:other\.example/],
				['expired', 'date', /has expired/]].map(([name, reason, said]) => ({
				name: `tls_core_${name}`, async web(web, gateway) {
					const metric = `isthmus_sip_tls_refused_total{reason="${reason}"}`;
					const before = await gateway.metric(metric);
					const core = await listenOverTls(gateway.dir, name);
					const began = Date.now();

					await failsWith(503)(web);
					assert.ok(Date.now() - began < 1000, 'at once');
					assert.equal(await gateway.metric(metric), before + 1);
					assert.match(gateway.text(), new RegExp(
						`TLS to 127.0.0.1:${PORT.peer} refused: .*${said.source}`));
					await core.stop();
					// With a good certificate the next call goes through.
					const peer = await answerOverTls(gateway.dir);
					await callAndHangUp(web);
					await peer.done;
				} })),
			{ name: 'tls_reload', async web(web, gateway) {
				const { dir } = gateway;
				const names = 'IP:127.0.0.1';

				assert.equal(await shownCertificate(dir), 'isthmus test');
				// During a call, whose connection goes on.
				const peer = await answerOverTls(dir, 'peer', async () => {
					makeCertificate(dir, 'renewed', names, { cn: 'renewed once' });
					useCertificate(dir, 'renewed');
					await gateway.reload('TLS certificate: /CN=renewed once, valid until');
					assert.equal(await shownCertificate(dir), 'renewed once');

					// A bad one changes nothing.
					fs.writeFileSync(`${dir}/agent.pem`, 'garbage');
					await gateway.reload('the TLS certificate of before stays');
					assert.equal(await shownCertificate(dir), 'renewed once');

					makeCertificate(dir, 'again', names, { cn: 'renewed twice' });
					useCertificate(dir, 'again');
					await gateway.reload('TLS certificate: /CN=renewed twice');
					assert.equal(await shownCertificate(dir), 'renewed twice');

					// Of another key type: the old one must not stay beside it.
					makeCertificate(dir, 'rsa', names, { cn: 'renewed as rsa', rsa: true });
					useCertificate(dir, 'rsa');
					await gateway.reload('TLS certificate: /CN=renewed as rsa');
					assert.equal(await shownCertificate(dir), 'renewed as rsa');
				});
				const id = await web.call(BOB);

				await web.state(id, 'connected');
				await until(async () => gateway.text().includes('renewed as rsa'), 'reloaded');
				await until(async () => await gateway.metric('isthmus_sip_tls_connections') === 1,
					'only the call is connected');
				await web.hangUp(id);
				await peer.done;
			} },
			{ name: 'tls_core_silent', async web(web, gateway) {
				// It takes the connection, and says nothing.
				const sockets = [];
				const server = net.createServer((socket) => sockets.push(socket.on('error', () => {}).resume()));
				await new Promise((open) => server.listen(PORT.peer, '127.0.0.1', open));
				const began = Date.now();

				await failsWith(503)(web);
				assert.ok(Date.now() - began < 1900, 'before anything else gives up');
				assert.match(gateway.text(), new RegExp(
					`TLS to 127.0.0.1:${PORT.peer}: no handshake within 1000 ms`));
				// The next call does not queue behind it.
				await until(() => sockets.every((socket) => socket.closed), 'hung up');
				await new Promise((closed) => server.close(closed));
				const peer = await answerOverTls(gateway.dir);
				await callAndHangUp(web);
				await peer.done;
			} },
			{ name: 'tls_verify_reload', async web(web, gateway) {
				const file = `${gateway.dir}/isthmus.yaml`;
				const strict = fs.readFileSync(file, 'utf8');

				fs.writeFileSync(file, strict.replace('  tls_dir:', '  tls_verify: false\n  tls_dir:'));
				await gateway.reload('TLS certificate:');
				assert.ok(!await isTurnedAway(gateway.dir, 'stranger'), 'nobody is asked');
				fs.writeFileSync(file, strict);
				await gateway.reload('TLS certificate:');
				assert.ok(await isTurnedAway(gateway.dir, 'stranger'), 'asked again');
				fs.writeFileSync(file, strict.replace('  tls_dir:',
					'  tls_names: [ other.example ]\n  tls_dir:'));
				await gateway.reload('TLS certificate:');
				assert.ok(await isTurnedAway(gateway.dir, 'peer'), 'not one of the names');
				assert.ok(!await isTurnedAway(gateway.dir, 'misnamed'), 'one of them');
				fs.writeFileSync(file, strict);
				await gateway.reload('TLS certificate:');
				assert.ok(!await isTurnedAway(gateway.dir, 'peer'), 'as before');
			} },
			{ name: 'tls_memory', async web(web, gateway) {
				const rss = () => Number(/VmRSS:\s*(\d+)/.exec(
					fs.readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]);
				const many = async (n) => {
					for (let i = 0; i < n; i++)
						await shownCertificate(gateway.dir);
					for (let i = 0; i < n / 4; i++)
						await new Promise((done) => net.connect(PORT.tls, '127.0.0.1')
							.on('connect', function on() { this.end('junk\r\n\r\n'); })
							.on('error', () => {}).on('close', done).resume());
					await until(async () => await gateway.metric('isthmus_sip_tls_connections') === 0,
						'no connection is left');
				};

				await many(100);
				const before = rss();
				await many(200);
				// One kept SSL object is 40 kB and more.
				assert.ok(process.env.ASAN_OPTIONS || rss() - before < 200 * 10,
					`${rss() - before} kB more after 200 connections`);
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
	...registering,
];
