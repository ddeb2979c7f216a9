// sipp.test.mjs - Chromium and Firefox with SIPp, which plays a tone (RTP) or
// sends back what it hears: a call held from each side, as SIPp's scenario has
// it.  A digit (INFO) of the browser takes it to its next step.
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { mind, stopProcess, until } from './lib/process.mjs';
import { mulaw } from './lib/rtp.mjs';

const PORT = 30600;
const SIPP = PORT + 50;
const MEDIA = PORT + 60; // echoes
const STREAM = '[rtpstream_audio_port]'; // plays
const THEIRS = 800;

let gateway;

before(async () => {
	gateway = await startGateway({
		name: 'sipp', port: PORT, core: `sip:127.0.0.1:${SIPP};transport=udp`,
		extra: { media: { web_address: ['127.0.0.1', ownAddress()] } },
	});
	// a second of it, which may be repeated
	fs.writeFileSync(path.join(gateway.dir, 'tone.ulaw'), Buffer.from(Array.from({ length: 8000 },
		(_, i) => mulaw(Math.round(8000 * Math.sin(2 * Math.PI * THEIRS * i / 8000))))));
});
after(() => gateway?.stop());

// ---- what SIPp does ----

const sdp = (port, version, direction) => ['v=0', `o=sipp 1 ${version} IN IP4 127.0.0.1`, 's=-',
	'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000',
	'a=ptime:20', `a=${direction}`];

const sent = (lines, attributes = '') => `<send ${attributes}><![CDATA[\n\n${
	lines.join('\n')}\n\n]]></send>`;

const contact = 'Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>';

const respond = (status, body = []) => sent([`SIP/2.0 ${status}`, '[last_Via:]', '[last_From:]',
	status.startsWith('180') || body.tagged ? '[last_To:];tag=[pid]T[call_number]' : '[last_To:]',
	'[last_Call-ID:]', '[last_CSeq:]', contact,
	...body.length ? ['Content-Type: application/sdp'] : [], 'Content-Length: [len]', '', ...body],
body.length ? 'retrans="500"' : '');

const answer = (body) => respond('200 OK', body) + '<recv request="ACK"/>';
const play = (what) => `<nop><action><exec rtp_stream="${what}"/></action></nop>`;
const check = (direction) => `<recv request="INVITE"><action><ereg regexp="a=${direction}"
	search_in="msg" check_it="true" assign_to="d"/></action></recv>`;
const digit = () => '<recv request="INFO"/>' + respond('200 OK');

const reinvite = (cseq, body) => sent(['INVITE [$target] SIP/2.0',
	'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]',
	'From: [$local];tag=[pid]T[call_number]', 'To: [$remote]', 'Call-ID: [call_id]',
	`CSeq: ${cseq} INVITE`, contact, 'Max-Forwards: 70', 'Content-Type: application/sdp',
	'Content-Length: [len]', '', ...body], 'retrans="500"') +
	'<recv response="100" optional="true"/><recv response="200"/>' +
	sent(['ACK [$target] SIP/2.0',
		'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]',
		'From: [$local];tag=[pid]T[call_number]', 'To: [$remote]', 'Call-ID: [call_id]',
		`CSeq: ${cseq} ACK`, 'Max-Forwards: 70', 'Content-Length: 0', '']);

const called = () => `<recv request="INVITE"><action>
	<ereg regexp="[^ ].*" search_in="hdr" header="From:" check_it="true" assign_to="remote"/>
	<ereg regexp="[^ ].*" search_in="hdr" header="To:" check_it="true" assign_to="local"/>
	<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" check_it="true" assign_to="target"/>
	</action></recv>`.replace('[^>]', '[^&gt;]') + respond('180 Ringing');

const ended = () => '<recv request="BYE"/>' + respond('200 OK') +
	'<Reference variables="local,remote,target,d"/>';

const tagged = (body) => Object.assign(body, { tagged: true });

const SCENARIOS = {
	stream: [called(), answer(tagged(sdp(STREAM, 1, 'sendrecv'))), play('tone.ulaw,-1,0'),
		check('sendonly'), play('pause'), answer(sdp(STREAM, 2, 'recvonly')),
		check('sendrecv'), answer(sdp(STREAM, 3, 'sendrecv')), play('resume'),
		digit(), play('pause'), reinvite(1, sdp(STREAM, 4, 'inactive')),
		digit(), reinvite(2, sdp(STREAM, 5, 'sendrecv')), play('resume'), ended()],
	echo: [called(), answer(tagged(sdp(MEDIA, 1, 'sendrecv'))),
		check('sendonly'), answer(sdp(MEDIA, 2, 'recvonly')),
		check('sendrecv'), answer(sdp(MEDIA, 3, 'sendrecv')),
		digit(), reinvite(1, sdp(MEDIA, 4, 'inactive')),
		digit(), reinvite(2, sdp(MEDIA, 5, 'sendrecv')), ended()],
};

/** SIPp, for one call; over() when it ended as it should. */
async function startSipp(name) {
	const { dir } = gateway;
	const file = path.join(dir, `${name}.xml`);
	fs.writeFileSync(file, `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="${name}">\n${
		SCENARIOS[name].join('\n')}\n</scenario>\n`);
	const errors = path.join(dir, `${name}-errors.log`);
	const child = mind(spawn('sipp', ['-sf', file, '-i', '127.0.0.1', '-p', String(SIPP), '-m', '1',
		'-nostdin', '-mp', String(MEDIA), ...name === 'echo' ? ['-rtp_echo'] : [],
		'-trace_err', '-error_file', errors, '-timeout', '60s',
		'-timeout_error', `127.0.0.1:${PORT + 2}`], { cwd: dir, stdio: 'ignore' }));
	const gone = once(child, 'exit');
	await until(() => {
		if (child.exitCode !== null)
			throw new Error(`sipp ended with ${child.exitCode}`);
		return fs.readFileSync('/proc/net/udp', 'latin1')
			.includes(`:${SIPP.toString(16).toUpperCase()} `);
	}, 'sipp listens', 5000);
	return {
		stop: () => stopProcess(child),
		async over() {
			const [status] = await gone;
			// That the machine is busy is SIPp's word on itself.
			const said = (fs.existsSync(errors) ? fs.readFileSync(errors, 'utf8') : '')
				.replace(/^The following events occurred:\n/, '')
				.replace(/^.*Overload warning: the (minor|major) watchdog timer.*\n?/gm, '');
			assert.deepEqual([status, said], [0, '']);
		},
	};
}

// ---- and what the browser does ----

const BROWSERS = {
	Chromium: { hz: 440, launch: () => launchBrowser(), close: (b) => b.close() },
	Firefox: {
		hz: 1000, use: asBrowser, close: (b) => b.stop(),
		launch: () => launchFirefox({ dir: gateway.dir, port: PORT + 90 }),
	},
};

for (const [name, { hz, launch, close, use = (b) => b }] of Object.entries(BROWSERS))
	describe(name, () => {
		let running;
		let client;
		let sipp;

		before(async () => {
			running = await launch();
		});
		after(() => running && close(running));
		afterEach(async () => {
			await client?.close();
			await sipp?.stop();
		});

		for (const [scenario, heard] of [['stream', THEIRS], ['echo', hz]])
			test(`SIPp's ${scenario} is heard, held from each side, and heard again`, async () => {
				sipp = await startSipp(scenario);
				client = await openClient(use(running), { ...gateway, user: 'alice', hz });
				await client.registered();
				await client.call('sip:sipp@far.example');
				const next = () => client.do(() => session.sendDTMF('1', { transport: 'info' }));

				await assertHears(client, heard);
				await client.do(() => session.hold());
				await assertSilence(client);
				await client.do(() => session.unhold());
				await assertHears(client, heard);
				await next();
				assert.equal((await client.event('hold', { nth: 1 })).originator, 'remote');
				await assertSilence(client);
				await next();
				assert.equal((await client.event('unhold', { nth: 1 })).originator, 'remote');
				await assertHears(client, heard);
				await client.hangUp();
				await sipp.over();
			});
	});
