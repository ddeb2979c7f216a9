// operations.test.mjs - the daemon as its operator meets it: command line,
// admin pages, draining, reload, records, logs, crash and restart.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { parse, stringify } from 'yaml';
import { PASSWORD, ROOT, get, startGateway, workDir } from './lib/gateway.mjs';
import { stopProcess, until } from './lib/process.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';
import { WebPhone } from '../lib/web-phone.mjs';
import { within } from '../lib/within.mjs';

const BINARY = path.resolve(ROOT, process.env.ISTHMUS ?? 'build/isthmus');
const PHONE_PORT = 26900;
const CORE = `sip:127.0.0.1:${PHONE_PORT};transport=udp`;
const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';
const PHONE = 'sip:phone@phones.example';

const run = (...args) => spawnSync(BINARY, args, { encoding: 'utf8', timeout: 20_000, cwd: ROOT });
const exited = (child) => until(() => child.exitCode !== null || child.signalCode !== null,
	'the process ends', 15_000).then(() => child.exitCode);
const wasSaid = (call, state) => until(() => call.states.includes(state), `the client hears ${state}`);

/** Its configuration, as an object; write it back and SIGHUP with reload(). */
const configOf = (gateway) => parse(fs.readFileSync(path.join(gateway.dir, 'isthmus.yaml'), 'utf8'));

async function reload(gateway, config, line = 'configuration reloaded') {
	const times = () => gateway.log().split(line).length;
	const before = times();
	fs.writeFileSync(path.join(gateway.dir, 'isthmus.yaml'),
		typeof config === 'string' ? config : stringify(config));
	gateway.process.kill('SIGHUP');
	await until(() => times() > before, `the log says: ${line}`);
}

function makeCertificate(dir, name) {
	const files = { certificate: path.join(dir, `${name}.pem`), key: path.join(dir, `${name}.key`) };
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
		'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', `/CN=${name}`,
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files.key, '-out',
		files.certificate], { stdio: 'ignore' });
	return files;
}

/** What a new TLS connection is shown. */
function servedCertificate(port) {
	return new Promise((resolve, reject) => {
		const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
			resolve(socket.getPeerCertificate());
			socket.destroy();
		});
		socket.on('error', reject);
	});
}

let phone;
before(async () => { phone = await SipAnswerer.listen({ port: PHONE_PORT }); });
after(() => phone.close());

/** alice talks to the phone. */
async function liveCall(alice) {
	const rang = new Promise((done) => {
		phone.onInvite = (sip) => {
			sip.ring();
			sip.answer();
			done(sip);
		};
	});
	const web = await alice.call(PHONE);
	await web.connected;
	const sip = await within(rang, 'the INVITE of a call');
	await sip.answered;
	return { web, sip };
}

/** A digit of the phone arrives at the browser: both dialogues are whole. */
async function assertWhole({ web, sip }, digit) {
	const heard = web.phone.client.next((message) => message.userData?.dtmf);
	assert.equal((await dial(sip, digit)).status, 200);
	assert.equal((await heard).userData.dtmf.signal, digit);
	assert.ok(web.live);
}

const dial = (sip, digit) => sip.request('INFO', { type: 'application/dtmf-relay',
	body: `Signal=${digit}\r\nDuration=160\r\n` });

describe('the command line', () => {
	const dir = workDir('operations-cli');
	const write = (name, text) => {
		fs.writeFileSync(path.join(dir, name), text);
		return path.join(dir, name);
	};

	test('--version prints name and version', () => {
		const { status, stdout } = run('--version');
		assert.equal(status, 0);
		assert.match(stdout, /^isthmus \d+\.\d+\.\d+\n$/);
	});

	test('--help prints the usage and every signal', () => {
		const { status, stdout } = run('--help');
		assert.equal(status, 0);
		for (const word of ['--config', '--check-config', '--version', 'SIGTERM', 'SIGHUP'])
			assert.ok(stdout.includes(word), word);
	});

	test('an unknown option or a stray word exits 2 with the usage', () => {
		for (const bad of ['--frobnicate', 'frobnicate']) {
			const { status, stdout, stderr } = run(bad);
			assert.equal(status, 2);
			assert.equal(stdout, '');
			assert.match(stderr, /frobnicate[^]*usage: isthmus/);
		}
	});

	test('--check-config takes the sample and the demonstration', () => {
		for (const file of ['conf/isthmus.yaml', 'conf/demo.yaml']) {
			const { status, stdout, stderr } = run('--check-config', '-c', file);
			assert.equal(status, 0, stderr);
			assert.equal(stdout, `${file}: the configuration is right\n`);
		}
	});

	for (const [what, text, expected] of [
		['an unknown key', 'web:\n  listne: []\n', /:2: web\.listne: unknown key/],
		['a wrong type', 'calls:\n  max: many\n', /:2: calls\.max: /],
		['an address that is none', 'web:\n  listen:\n    - wss://nowhere:1\n', /:3: web\.listen: /],
		['broken YAML', 'web: {listen: [\n', /:\d+: /],
		['an unset variable', 'sip:\n  password: ${ISTHMUS_NOT_SET}\n',
			/:2: sip\.password: .*ISTHMUS_NOT_SET/],
	]) {
		test(`${what} is told with file, line and key, and is not started`, () => {
			const file = write(`${what.replaceAll(' ', '-')}.yaml`, text);
			const check = run('--check-config', '-c', file);
			assert.equal(check.status, 1);
			assert.ok(check.stderr.startsWith(file), check.stderr);
			assert.match(check.stderr.slice(file.length), expected);
			const start = run('-c', file);
			assert.equal(start.status, 1);
			assert.equal(start.stderr, `isthmus: ${check.stderr}`);
		});
	}

	test('a missing file exits 1 and is named', () => {
		const file = path.join(dir, 'not-there.yaml');
		const { status, stderr } = run('-c', file);
		assert.equal(status, 1);
		assert.ok(stderr.includes(file) && stderr.includes('No such file'), stderr);
	});

	const minimal = (extra) => stringify({
		state_dir: dir, web: { listen: ['wss://127.0.0.1:26010'], root: 'web' },
		sip: { listen: ['sip:127.0.0.1:26012;transport=udp'] },
		media: { workers: 1, web_address: ['127.0.0.1'], port_min: 26020, port_max: 26029 },
		admin: { listen: '127.0.0.1:26011' }, ...extra,
	});

	test('a taken port exits 1 and the log names the listener', async () => {
		for (const [port, name] of [[26010, 'wss://127.0.0.1:26010'], [26011, '127.0.0.1:26011'],
			[26012, 'sip:127.0.0.1:26012;transport=udp']]) {
			const holder = name.startsWith('sip') ? dgram.createSocket('udp4') : net.createServer();
			await new Promise((done) => (holder.bind ?
				holder.bind(port, '127.0.0.1', done) : holder.listen(port, '127.0.0.1', done)));
			const { status, stderr } = run('-c', write('taken.yaml', minimal()));
			await new Promise((done) => holder.close(done));
			assert.equal(status, 1);
			const line = stderr.split('\n').find((text) => text.includes(' error '));
			assert.ok(line?.includes(name) && line.includes('Address already in use'), stderr);
		}
	});

	test('a CDR or log file that cannot be opened exits 1 and is named', () => {
		for (const extra of [{ calls: { cdr_file: '/nonexistent/cdr' } },
			{ log: { file: '/nonexistent/log' } }]) {
			const { status, stderr } = run('-c', write('files.yaml', minimal(extra)));
			assert.equal(status, 1);
			assert.match(stderr, /\/nonexistent\/\w+.*No such file/);
		}
	});

	test('pages that are not there exit 1 and are named', () => {
		const { status, stderr } = run('-c', write('pages.yaml', minimal({
			web: { listen: ['wss://127.0.0.1:26010'], root: '/nonexistent/web' },
		})));
		assert.equal(status, 1);
		assert.match(stderr, / error .*\/nonexistent\/web.*No such file/);
	});

	test('a certificate that cannot be read exits 1 and is named', () => {
		const { status, stderr } = run('-c', write('tls.yaml', minimal({
			web: { listen: ['wss://127.0.0.1:26010'], root: 'web',
				certificate: '/nonexistent/c.pem', key: '/nonexistent/k.pem' },
		})));
		assert.equal(status, 1);
		assert.match(stderr, /\/nonexistent\/c\.pem/);
	});
});

/** Prometheus text 0.0.4, strictly: {name: {type, samples: Map(labels, value)}}. */
function parseMetrics(text) {
	const families = {};
	let current = null;
	assert.ok(text.endsWith('\n'));
	for (const line of text.slice(0, -1).split('\n')) {
		const help = /^# HELP ([a-z_:][a-z0-9_:]*) \S.*$/i.exec(line);
		const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)$/i.exec(line);
		const label = '[a-z_][a-z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
		const sample = new RegExp(`^([a-z_:][a-z0-9_:]*)(?:\\{(${label}(?:,${label})*)\\})? (-?\\d+(?:\\.\\d+)?)$`, 'i')
			.exec(line);
		if (help) {
			assert.ok(!families[help[1]], `${help[1]} has one HELP`);
			current = families[help[1]] = { samples: new Map() };
		} else if (type) {
			assert.equal(families[type[1]], current, `TYPE follows HELP: ${line}`);
			assert.ok(!current.type, `${type[1]} has one TYPE`);
			current.type = type[2];
		} else {
			assert.ok(sample, `neither HELP, TYPE nor sample: ${line}`);
			const family = families[sample[1]] ?? families[sample[1].replace(/_(bucket|sum|count)$/, '')];
			assert.equal(family, current, `samples are together: ${line}`);
			assert.equal(sample[1] in families, current.type !== 'histogram', line);
			assert.ok(current.type, `TYPE comes before samples: ${line}`);
			const key = current.type === 'histogram' ? `${sample[1]}${sample[2] ?? ''}` : sample[2] ?? '';
			assert.ok(!current.samples.has(key), `once only: ${line}`);
			current.samples.set(key, Number(sample[3]));
		}
	}
	return families;
}

describe('the admin listener', () => {
	let gateway, alice;
	before(async () => {
		gateway = await startGateway({ name: 'operations-admin', port: 26100, core: CORE });
		alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
	});
	after(() => gateway?.stop());

	/** {status, type, body} of any request. */
	const ask = (method, what) => new Promise((resolve, reject) => {
		http.request({ host: '127.0.0.1', port: 26101, path: what, method, agent: false }, (answer) => {
			let body = '';
			answer.on('data', (chunk) => { body += chunk; });
			answer.on('end', () => resolve({ status: answer.statusCode, body,
				type: answer.headers['content-type'], allow: answer.headers.allow }));
		}).on('error', reject).end();
	});

	test('/livez and /readyz say ok', async () => {
		for (const what of ['/livez', '/readyz'])
			assert.deepEqual(await gateway.admin(what), { status: 200, body: 'ok\n' });
	});

	test('/metrics is Prometheus text, each name with one HELP and TYPE', async () => {
		const { status, body, type } = await ask('GET', '/metrics');
		assert.equal(status, 200);
		assert.match(type, /^text\/plain; version=0\.0\.4/);
		const families = parseMetrics(body);
		assert.ok(Object.keys(families).length > 40);
		for (const [name, { type: kind, samples }] of Object.entries(families)) {
			assert.match(name, /^isthmus_[a-z0-9_]+$/);
			assert.equal(kind === 'counter', name.endsWith('_total'), `${name} is a ${kind}`);
			assert.ok(samples.size > 0, `${name} has samples`);
		}
		assert.equal(families.isthmus_registrations.samples.get(''), 1);
		assert.equal(families.isthmus_draining.samples.get(''), 0);
	});

	test('/calls and /status show a live call, and that it is gone', async () => {
		const { web, sip } = await liveCall(alice);
		const [call, ...others] = JSON.parse((await gateway.admin('/calls')).body);
		assert.deepEqual(others, []);
		assert.equal(call.state, 'up');
		assert.deepEqual([call.a, call.b], ['respect', 'ims']);
		assert.deepEqual([call.from, call.to], [ALICE, PHONE]);
		assert.deepEqual([call.a_offer_answer, call.b_offer_answer], ['stable', 'stable']);
		assert.equal(call.codec, 'PCMU');
		const status = JSON.parse((await gateway.admin('/status')).body);
		assert.equal(run('--version').stdout, `isthmus ${status.version}\n`);
		assert.deepEqual([status.draining, status.calls, status.connections,
			status.registrations, status.sessions, status.sip_legs], [false, 1, 1, 1, 1, 1]);

		await web.hangup();
		assert.equal(await sip.ended, 'bye-received');
		await until(async () => JSON.parse((await gateway.admin('/calls')).body).length === 0,
			'/calls is empty');
	});

	test('an unknown path is 404 with problem details', async () => {
		for (const what of ['/', '/nothing', '/metrics/', '/livezz', `/${'x'.repeat(2000)}`]) {
			const { status, type, body } = await ask('GET', what);
			assert.equal(status, 404, what);
			assert.match(type, /^application\/problem\+json/);
			assert.equal(JSON.parse(body).status, 404);
		}
	});

	test('any method but GET and HEAD is 405', async () => {
		for (const method of ['POST', 'PUT', 'DELETE']) {
			const { status, body } = await ask(method, '/livez');
			assert.equal(status, 405, method);
			assert.equal(JSON.parse(body).status, 405);
		}
		assert.deepEqual((await ask('HEAD', '/livez')).body, '');
	});

	test('the web listener has no admin pages', async () => {
		const response = await new Promise((resolve, reject) => {
			tls.connect({ host: '127.0.0.1', port: 26100, rejectUnauthorized: false })
				.on('error', reject)
				.on('data', (data) => resolve(data.toString()))
				.write('GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:26100\r\nConnection: close\r\n\r\n');
		});
		assert.match(response, /^HTTP\/1\.1 404 /);
	});
});

describe('SIGTERM', () => {
	for (const signal of ['SIGTERM', 'SIGINT']) {
		test(`${signal} without calls ends at once, with 0 and 1012`, async () => {
			const gateway = await startGateway({ name: 'operations-idle', port: 26150, core: CORE });
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const began = Date.now();
			gateway.process.kill(signal);
			assert.equal((await alice.closed).code, 1012);
			assert.equal(await exited(gateway.process), 0);
			assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
		});
	}

	test('a BYE that is lost on the way is sent again before the process ends', async () => {
		const gateway = await startGateway({ name: 'operations-lost', port: 26350, core: CORE });
		try {
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { sip } = await liveCall(alice);
			let lost = 0;
			phone.loses = (message) => message.method === 'BYE' && lost++ < 2;
			gateway.process.kill('SIGTERM');
			gateway.process.kill('SIGINT'); // two pending SIGTERM would be one
			assert.equal(await sip.ended, 'bye-received');
			assert.equal(lost, 3);
			assert.equal(await exited(gateway.process), 0);
		} finally {
			phone.loses = null;
			await stopProcess(gateway.process);
		}
	});

	test('drains: new calls get 503, the live one goes on, then the process ends', async () => {
		const gateway = await startGateway({ name: 'operations-drain', port: 26200, core: CORE,
			extra: { calls: { drain_s: 60 } } });
		try {
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { web, sip } = await liveCall(alice);

			gateway.process.kill('SIGTERM');
			await until(async () => (await gateway.admin('/readyz')).status === 503,
				'/readyz is 503');
			assert.equal((await gateway.admin('/livez')).status, 200);
			assert.equal(await gateway.metric('isthmus_draining'), 1);

			const refused = await phone.invite(ALICE, { port: gateway.sipPort }).answered
				.then(() => null, (error) => error);
			assert.equal(refused?.status, 503);
			assert.ok(Number(refused.headers['retry-after']?.[0]) > 0);
			const setup = await alice.call(PHONE).then(() => null, (error) => error);
			assert.equal(setup?.status, 503);
			assert.ok(setup.response.retryAfter > 0);

			await assertWhole({ web, sip }, '5');
			assert.equal(JSON.parse((await gateway.admin('/calls')).body)[0].state, 'up');
			assert.equal(gateway.process.exitCode, null);

			await web.hangup();
			assert.equal(await sip.ended, 'bye-received');
			assert.equal((await alice.closed).code, 1012);
			assert.equal(await exited(gateway.process), 0);
		} finally {
			await stopProcess(gateway.process);
		}
	});

	test('a second one ends at once, with BYE, mdisc and 1012', async () => {
		const gateway = await startGateway({ name: 'operations-second', port: 26250, core: CORE,
			extra: { calls: { drain_s: 60 } } });
		try {
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { web, sip } = await liveCall(alice);
			gateway.process.kill('SIGTERM');
			await until(async () => (await gateway.admin('/readyz')).status === 503,
				'/readyz is 503');
			const began = Date.now();
			gateway.process.kill('SIGTERM');
			assert.equal(await sip.ended, 'bye-received');
			assert.equal(await web.ended, 503);
			assert.equal((await alice.closed).code, 1012);
			assert.equal(await exited(gateway.process), 0);
			assert.ok(Date.now() - began < 6000, `${Date.now() - began} ms`);
		} finally {
			await stopProcess(gateway.process);
		}
	});

	test('calls that outlast calls.drain_s are ended', async () => {
		const gateway = await startGateway({ name: 'operations-timeout', port: 26300, core: CORE,
			extra: { calls: { drain_s: 1 } } });
		try {
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { web, sip } = await liveCall(alice);
			const began = Date.now();
			gateway.process.kill('SIGTERM');
			assert.equal(await sip.ended, 'bye-received');
			assert.ok(Date.now() - began >= 950, 'not before');
			assert.equal(await web.ended, 503);
			assert.equal(await exited(gateway.process), 0);
			assert.match(gateway.log(), / warn .* 1 calls are still live after 1 s/);
		} finally {
			await stopProcess(gateway.process);
		}
	});
});

describe('SIGHUP', () => {
	let gateway, alice, dir, original;
	before(async () => {
		dir = workDir('operations-certificates');
		gateway = await startGateway({ name: 'operations-reload', port: 26400, core: CORE,
			extra: { web: makeCertificate(dir, 'first') } });
		alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
		original = configOf(gateway);
	});
	after(() => gateway?.stop());

	const login = (id, password = PASSWORD) =>
		WebPhone.login(gateway.endpoint, id, password).then((web) => web, (error) => error.status);

	test('a new user can log in; a removed one cannot, and is thrown out', async () => {
		const bob = await login(BOB);
		assert.ok(bob instanceof WebPhone);
		assert.equal(await login('sip:carol@demo.example'), 403);

		const call = await alice.call(BOB);
		await call.connected;

		const config = configOf(gateway);
		config.users[1] = { ...config.users[1], id: 'sip:carol@demo.example', name: 'Carol' };
		await reload(gateway, config);
		assert.ok(await call.ended > 0, 'and so ends his call');
		const carol = await login('sip:carol@demo.example');
		assert.ok(carol instanceof WebPhone, `carol: ${carol}`);
		assert.equal(await login(BOB), 403);
		assert.equal((await bob.closed).code, 4003);
		await carol.close();
	});

	test('a file with an error changes nothing and is logged with its line', async () => {
		const config = configOf(gateway);
		const text = stringify({ ...config, users: [config.users[0]] });
		await reload(gateway, `${text}nonsense: 1\n`, 'configuration not reloaded');
		const line = gateway.log().split('\n').find((l) => l.includes('not reloaded'));
		const number = text.split('\n').length;
		assert.ok(/ error /.test(line) && line.includes(`isthmus.yaml:${number}: nonsense: unknown key`),
			line);
		const carol = await login('sip:carol@demo.example');
		assert.ok(carol instanceof WebPhone, 'what was in force still is');
		await carol.close();
		await reload(gateway, config);
	});

	test('a new certificate is served while an open WebSocket and its call live on', async () => {
		const { web, sip } = await liveCall(alice);
		assert.equal((await servedCertificate(gateway.port)).subject.CN, 'first');
		const config = configOf(gateway);
		Object.assign(config.web, makeCertificate(dir, 'second'));
		await reload(gateway, config);
		assert.equal((await servedCertificate(gateway.port)).subject.CN, 'second');

		await assertWhole({ web, sip }, '7');
		assert.equal((await alice.client.request('getinfo', { resources: ['mediaSessions'] }))
			.resources.mediaSessions[0].mediaSessionState, 'connected');
		await sip.bye();
		assert.equal(await web.ended, 200);
	});

	test('a certificate that cannot be used leaves the one in force', async () => {
		const config = configOf(gateway);
		const broken = path.join(dir, 'broken.pem');
		fs.writeFileSync(broken, 'not a certificate\n');
		await reload(gateway, { ...config, web: { ...config.web, certificate: broken } },
			'broken.pem');
		assert.match(gateway.log(), / error .*broken\.pem/);
		assert.equal((await servedCertificate(gateway.port)).subject.CN, 'second');
		await reload(gateway, config);
	});

	test('the log file is opened anew after it was renamed', async () => {
		const file = path.join(gateway.dir, 'own.log');
		const config = configOf(gateway);
		config.log.file = file;
		fs.writeFileSync(path.join(gateway.dir, 'isthmus.yaml'), stringify(config));
		const reloads = (name) => (fs.existsSync(name) ?
			fs.readFileSync(name, 'utf8').split('configuration reloaded').length - 1 : 0);
		gateway.process.kill('SIGHUP');
		await until(() => reloads(file) === 1, 'the file is written');
		fs.renameSync(file, `${file}.1`);
		gateway.process.kill('SIGHUP');
		await until(() => reloads(file) === 1, 'a new file is written');
		assert.equal(reloads(`${file}.1`), 1);
		await reload(gateway, original);
	});

	test('twenty of them leave as many open descriptors as there were', async () => {
		const open = () => fs.readdirSync(`/proc/${gateway.process.pid}/fd`).length;
		const config = { ...configOf(gateway), calls: { drain_s: 1,
			cdr_file: path.join(gateway.dir, 'cdr.json') } };
		await reload(gateway, config);
		const before = open();
		for (let i = 0; i < 20; i++)
			await reload(gateway, config);
		await until(() => open() === before, `${before} open descriptors, not ${open()}`);
	});

	test('the log level and routes follow', async () => {
		const config = configOf(gateway);
		config.log.level = 'info';
		config.routes = [{ match: 'sip:closed@phones.example', leg: 'refuse', status: 410 }];
		await reload(gateway, config);
		const quiet = gateway.log().length;
		const call = await alice.call('sip:closed@phones.example');
		assert.equal(await call.ended, 410);
		assert.ok(!gateway.log().slice(quiet).includes(' debug '));
		await reload(gateway, original);
		const back = await alice.call('sip:closed@phones.example');
		await back.connected;
		await back.hangup();
	});
});

describe('charging records', () => {
	let gateway, alice;
	before(async () => {
		gateway = await startGateway({ name: 'operations-cdr', port: 26500, core: CORE });
		alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
	});
	after(() => gateway?.stop());

	const recorded = (n) => until(() => gateway.cdrs().length === n && gateway.cdrs(),
		`${n} records`);

	function assertRecord(cdr, expected) {
		for (const [key, value] of Object.entries(expected))
			assert.deepEqual(cdr[key], value, `${key} of ${JSON.stringify(cdr)}`);
		assert.match(cdr.call, /^[\w-]{8,}$/);
		assert.match(cdr.began, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
		assert.ok(Math.abs(Date.parse(cdr.began) - Date.now()) < 60_000);
		for (const side of [cdr.a, cdr.b])
			for (const key of ['packets_received', 'bytes_received', 'packets_lost', 'jitter_us',
				'packets_sent', 'bytes_sent', 'packets_discarded'])
				assert.ok(Number.isInteger(side[key]), key);
		assert.ok(gateway.log().includes(`[${cdr.call}]`), 'the log knows its id');
	}

	test('an answered call', async () => {
		const { web, sip } = await liveCall(alice);
		await new Promise((done) => setTimeout(done, 300)); // what it lasts
		await sip.bye();
		await web.ended;
		const [cdr] = await recorded(1);
		assertRecord(cdr, { from: ALICE, to: PHONE, answered: true, status: 200,
			released_by: 'b', codec: 'PCMU' });
		assert.deepEqual([cdr.a.leg, cdr.b.leg], ['respect', 'ims']);
		assert.ok(cdr.duration_ms >= 290 && cdr.duration_ms < 5000, `${cdr.duration_ms}`);
		assert.ok(cdr.setup_ms >= 0 && cdr.setup_ms < 5000, `${cdr.setup_ms}`);
	});

	test('a refused call', async () => {
		phone.onInvite = (sip) => sip.refuse(486);
		const web = await alice.call(PHONE);
		assert.equal(await web.ended, 486);
		const cdr = (await recorded(2))[1];
		assertRecord(cdr, { answered: false, status: 486, released_by: 'b', duration_ms: 0 });
	});

	test('a cancelled call', async () => {
		phone.onInvite = (sip) => sip.ring();
		const web = await alice.call(PHONE);
		await wasSaid(web, 'alerting');
		await web.hangup();
		const cdr = (await recorded(3))[2];
		assertRecord(cdr, { answered: false, status: 487, released_by: 'a', duration_ms: 0 });
	});

	test('a call from the phone, ended by the browser', async () => {
		const sip = phone.invite(ALICE, { port: gateway.sipPort });
		await sip.answered;
		await [...alice.calls.values()][0].hangup();
		assert.equal(await sip.ended, 'bye-received');
		const cdr = (await recorded(4))[3];
		assertRecord(cdr, { to: ALICE, answered: true, status: 200, released_by: 'b' });
		assert.deepEqual([cdr.a.leg, cdr.b.leg], ['ims', 'respect']);
	});

	test('what was discarded, by its reason, also while the call lives', async () => {
		const { web, sip } = await liveCall(alice);
		const port = Number(/^m=audio (\d+)/m.exec(sip.offer)[1]);
		const sender = dgram.createSocket('udp4');
		for (let n = 0; n < 3; n++)
			sender.send(Buffer.alloc(172, 1), port, '127.0.0.1');
		const sides = async () => JSON.parse((await gateway.admin('/calls')).body)[0];
		await until(async () => (await sides()).b_media.packets_discarded === 3,
			'the admin view shows them');
		assert.deepEqual((await sides()).b_media.discarded, { unknown_protocol: 3 });
		await web.hangup();
		assert.equal(await sip.ended, 'bye-received');
		sender.close();
		const cdr = (await recorded(5))[4];
		assert.deepEqual(cdr.b.discarded, { unknown_protocol: 3 });
		assert.equal(cdr.a.packets_discarded, 0);
		assert.equal(cdr.a.discarded, undefined);
	});

	test('the file is opened anew by SIGHUP after it was renamed', async () => {
		const file = path.join(gateway.dir, 'cdr.json');
		const rotated = `${file}.1`;
		fs.renameSync(file, rotated);
		phone.onInvite = (sip) => sip.refuse(480);
		assert.equal(await (await alice.call(PHONE)).ended, 480);
		await until(() => fs.readFileSync(rotated, 'utf8').split('\n').length === 7,
			'until then the old file is written');
		await reload(gateway, configOf(gateway));
		assert.equal(await (await alice.call(PHONE)).ended, 480);
		await recorded(1);
		assert.equal(fs.readFileSync(rotated, 'utf8').split('\n').length, 7);
		assert.equal(await gateway.metric('isthmus_cdr_lost_total'), 0);
	});
});

describe('the log', () => {
	const password = 'C0rrect-Horse-Battery-Staple';
	const turnSecret = 'turn-shared-5ecret-77';
	const sipPassword = 'digest-pass-9931';
	const token64 = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');

	/** Every secret that was used in a session with all it can have. */
	async function session(gateway, key) {
		const secrets = [password, turnSecret, sipPassword];
		const alice = await WebPhone.login(gateway.endpoint, ALICE, password);
		await WebPhone.login(gateway.endpoint, ALICE, `wrong-${password}`).catch(() => {});
		const signed = `${token64({ alg: 'ES256', typ: 'JWT' })}.${token64({ sub: BOB, iss: 'https://issuer',
			aud: 'isthmus', exp: Math.floor(Date.now() / 1000) + 600 })}`;
		const signature = sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' })
			.toString('base64url');
		const bob = await WebPhone.loginWithToken(gateway.endpoint, BOB, `${signed}.${signature}`);
		secrets.push(...alice.secrets, ...bob.secrets, signature,
			Buffer.from(`alice@demo.example:wrong-${password}`).toString('base64'));
		const { iceServers } = (await alice.request('getinfo', {})).resources;
		assert.equal(iceServers.length, 1);
		secrets.push(iceServers[0].credential);

		let challenged = false;
		phone.onInvite = (sip) => {
			if (challenged) {
				sip.ring();
				sip.answer();
				return;
			}
			challenged = true;
			sip.refuse(407, ['Proxy-Authenticate: Digest realm="lab", nonce="n0nce", algorithm=MD5']);
		};
		const web = await alice.call(PHONE);
		await web.connected;
		await web.hangup();
		const between = await alice.call(BOB);
		await between.connected;
		const other = [...bob.calls.values()][0];
		secrets.push(...web.secrets, ...between.secrets, ...other.secrets);
		assert.equal(web.secrets.length, 2, 'both ICE passwords are known');
		assert.equal(other.secrets.length, 2);
		await between.hangup();

		// Another WebSocket takes the registration over, then it is lost.
		const again = await WebPhone.connect(gateway.endpoint);
		await again.client.reauth(ALICE, alice.client.credential);
		secrets.push(again.client.credential);
		assert.equal((await alice.closed).code, 4002);
		await again.client.vanish();
		await bob.close();
		return secrets;
	}

	for (const format of ['json', 'text']) {
		test(`in ${format}, at debug, has no secret of a whole session`, async () => {
			const dir = workDir(`operations-keys-${format}`);
			const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
			fs.writeFileSync(path.join(dir, 'token.pem'),
				publicKey.export({ type: 'spki', format: 'pem' }));
			const hash = execFileSync('openssl', ['passwd', '-6', password], { encoding: 'utf8' }).trim();
			const port = format === 'json' ? 26600 : 26650;
			const gateway = await startGateway({ name: `operations-log-${format}`, port, core: CORE,
				extra: {
					log: { level: 'debug', format },
					auth: { issuer: 'https://issuer', audience: 'isthmus',
						keys: [{ kid: '', alg: 'ES256', file: path.join(dir, 'token.pem') }] },
					sip: { username: 'gateway', password: sipPassword },
					media: { port_min: port + 10, port_max: port + 49 },
					users: [{ id: ALICE, password: hash, name: 'Alice' },
						{ id: BOB, password: '', name: 'Bob, by token' }],
					ice_servers: [{ url: 'turn:127.0.0.1:3478', secret: turnSecret, ttl_s: 60 }],
				} });
			try {
				const secrets = await session(gateway, privateKey);
				secrets.push(hash);
				const challenges = (await gateway.admin('/metrics')).body;
				assert.match(challenges, /isthmus_sip_challenges_total\{answered="yes"\} 1\n/);
				await gateway.stop();

				const log = gateway.log();
				assert.ok(secrets.length >= 16);
				for (const secret of secrets)
					assert.ok(secret?.length >= 8 && !log.includes(secret),
						`the log has ${secret}`);
				assert.ok(!/a=ice-pwd|a=crypto|BEGIN [A-Z ]*PRIVATE KEY/.test(log));

				const lines = log.trimEnd().split('\n');
				assert.ok(lines.length > 50);
				for (const line of lines)
					assertLine(line, format);
				const call = gateway.cdrs()[0].call;
				assert.ok(lines.filter((line) => line.includes(call)).length >= 5,
					'the call can be followed by its id');
			} finally {
				await stopProcess(gateway.process);
			}
		});
	}

	function assertLine(line, format) {
		if (format === 'text') {
			assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn |info |debug) \S+ \S+( \[[^\]]+\])?: ./);
			return;
		}
		const object = JSON.parse(line);
		assert.match(object.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, line);
		assert.ok(['error', 'warn', 'info', 'debug'].includes(object.level), line);
		for (const key of ['thread', 'module', 'msg'])
			assert.ok(typeof object[key] === 'string' && object[key], `${key}: ${line}`);
	}
});

describe('a crash', () => {
	test('kill -9 in a call: a restart has the same ports and certificate', async () => {
		const gateway = await startGateway({ name: 'operations-crash', port: 26700, core: CORE });
		let second;
		try {
			const alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { sip } = await liveCall(alice);
			const { fingerprint256 } = await servedCertificate(gateway.port);
			gateway.process.kill('SIGKILL');
			assert.equal((await alice.closed).code, 1006);
			await exited(gateway.process);

			const log = fs.openSync(path.join(gateway.dir, 'second.log'), 'w');
			second = spawn(BINARY, ['-c', path.join(gateway.dir, 'isthmus.yaml')],
				{ stdio: ['ignore', log, log], cwd: ROOT });
			fs.closeSync(log);
			await until(async () => {
				assert.equal(second.exitCode, null,
					fs.readFileSync(path.join(gateway.dir, 'second.log'), 'utf8'));
				return (await get(gateway.port + 1, '/readyz').catch(() => null))?.status === 200;
			}, 'it is ready again');
			assert.equal((await servedCertificate(gateway.port)).fingerprint256, fingerprint256);

			// What is left of the old call is told that it is over.
			assert.equal((await dial(sip, '1')).status, 481);
			const back = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
			const { web } = await liveCall(back);
			await web.hangup();
			second.kill('SIGTERM');
			assert.equal(await exited(second), 0);
		} finally {
			await stopProcess(gateway.process);
			await stopProcess(second);
		}
	});
});
