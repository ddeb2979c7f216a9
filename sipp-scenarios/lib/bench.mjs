// bench.mjs - the gateway under test and SIPp, as processes of our own that are
// ended by their id.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const HERE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const ROOT = path.resolve(HERE, '..');
export const PORT = { web: 22080, admin: 22081, sip: 22010, tls: 22012, peer: 22020, behind: 22022, scscf: 22024, media: 22200 };
const HASH = '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$1MUQcJhwFWeCUqO3XKU8qDXr7SCWMrv4jrApW6AFrf8';
export const PASSWORD = 'demo';

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, what, timeout = 10_000) {
	const end = Date.now() + timeout;

	while (!(await condition())) {
		if (Date.now() > end)
			throw new Error(`not within ${timeout} ms: ${what}`);
		await pause(20);
	}
}

function get(what) {
	return new Promise((resolve, reject) => {
		http.get({ host: '127.0.0.1', port: PORT.admin, path: what, agent: false }, (response) => {
			let body = '';

			response.on('data', (chunk) => { body += chunk; });
			response.on('end', () => resolve({ status: response.statusCode, body }));
		}).on('error', reject);
	});
}

const imsSection = (ims) => `store: { file: isthmus.db, lock_ms: 100 }
ims:
  enabled: true
  domain: ims.example
${Object.entries(ims).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`).join('')}`;

function configuration(dir, { core, noOffer = 'gateway_offer', tls = false, core6 = false, ims, sip = '', calls = '', more = '' }) {
	return `state_dir: ${dir}
log: { level: debug }
web:
  listen: [ "ws://127.0.0.1:${PORT.web}" ]
  root: ${ROOT}/web
  origins: [ "http://browser.example" ]
  messages_per_s: 500
  messages_burst: 1000
  max_sessions: 20
auth: { ttl_max_s: 5 }
sip:
  listen:
    - sip:127.0.0.1:${PORT.sip};transport=udp
    - sip:127.0.0.1:${PORT.sip};transport=tcp
${core6 ? `    - sip:[::1]:${PORT.sip};transport=udp\n` : ''}${
	tls ? `    - sips:127.0.0.1:${PORT.tls}\n  tls_dir: ${dir}\n` : ''}  core: ${core}
  domain: sipp.example
  username: gw
  password: secret
  ring_timeout_s: 2
  t1_ms: 100
  t1x64_ms: 6400
  user_agent: Isthmus
${sip}media:
  workers: 1
  web_address: [ 127.0.0.1 ]
  core_address: 127.0.0.1
  port_min: ${PORT.media}
  port_max: ${PORT.media + 99}
calls: { drain_s: 1, no_offer: ${noOffer}, cdr_file: ${dir}/cdr.json${calls} }
admin: { listen: "127.0.0.1:${PORT.admin}" }
users:
  - { id: "sip:alice@sipp.example", password: "${HASH}", name: Alice }
  - { id: "sip:dave@sipp.example", password: "${HASH}", name: Dave }
${more}${ims ? imsSection(ims) : ''}`;
}

/**
 * Sofia 1.12.11 never frees what it reads out of a certificate.  Under the leak
 * checker that, and only that, is let pass; it needs whole stacks to be seen.
 */
function tlsEnvironment(dir) {
	const given = /suppressions=([^:]+)/.exec(process.env.LSAN_OPTIONS ?? '')?.[1];

	if (!process.env.ASAN_OPTIONS)
		return process.env;
	fs.writeFileSync(`${dir}/lsan.supp`, `${given ? fs.readFileSync(given, 'utf8') : ''}
leak:tls_connect
`);
	return { ...process.env,
		ASAN_OPTIONS: `${process.env.ASAN_OPTIONS}:fast_unwind_on_malloc=0`,
		LSAN_OPTIONS: `print_suppressions=0:suppressions=${dir}/lsan.supp` };
}

export async function startGateway(binary, name, options, prepare) {
	const dir = path.join(process.env.SIPP_OUT ?? path.join(ROOT, 'build/sipp'), name);

	fs.rmSync(dir, { recursive: true, force: true });
	fs.mkdirSync(dir, { recursive: true });
	prepare?.(dir);
	fs.writeFileSync(`${dir}/isthmus.yaml`, configuration(dir, options));
	const log = fs.openSync(`${dir}/isthmus.log`, 'w');
	const child = spawn(binary, ['-c', `${dir}/isthmus.yaml`], {
		stdio: ['ignore', log, log], env: options.tls ? tlsEnvironment(dir) : process.env,
	});

	fs.closeSync(log);
	const text = () => fs.readFileSync(`${dir}/isthmus.log`, 'utf8');
	await until(async () => {
		if (child.exitCode !== null)
			throw new Error(`the gateway did not start:\n${text().slice(-2000)}`);
		return (await get('/readyz').catch(() => null))?.status === 200;
	}, 'the gateway is ready', 20_000);
	return {
		dir, text, binary,
		pid: child.pid,
		/** SIGHUP, until it says that it has read its files. */
		async reload(said) {
			const before = text().length;

			child.kill('SIGHUP');
			await until(() => text().slice(before).includes(said), `after SIGHUP: ${said}`);
		},
		alive: () => child.exitCode === null && child.signalCode === null,
		async metric(metric) {
			const { body } = await get('/metrics');

			return body.split('\n').filter((line) => line.startsWith(`${metric} `) ||
				line.startsWith(`${metric}{`))
				.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
		},
		async stop() {
			if (child.exitCode !== null || child.signalCode !== null)
				throw new Error(`the gateway died: ${child.exitCode ?? child.signalCode}`);
			const ended = new Promise((done) => child.once('exit', done));

			child.kill('SIGTERM');
			const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
			await ended;
			clearTimeout(timer);
			if (child.exitCode !== 0)
				throw new Error(`the gateway ended with ${child.exitCode ?? child.signalCode}`);
		},
	};
}

/**
 * SIPp's @calls of a scenario (one; with more, a Call-ID may come again);
 * done() resolves when they went as written.  @keys: what stands for [key] in
 * the scenario, and for @key@ where SIPp wants to know it beforehand.  @xml: the
 * scenario itself, where it is of no file.
 */
export function sipp(dir, scenario, { name = scenario, transport = 'u1', port = PORT.peer,
	host = '127.0.0.1', remote = PORT.sip, remoteHost, timeout = 20, calls = 1, keys = {},
	control = 22990, xml: written } = {}) {
	const calling = scenario.startsWith('term_');
	const base = path.join(dir, `${name}.${transport}`);
	const where = host.includes(':') ? `[${host}]` : host;
	const xml = written ?? fs.readFileSync(path.join(HERE, `${scenario}.xml`), 'utf8')
		.replace(/@([a-z]+)@/g, (all, key) => keys[key] ?? all);
	fs.writeFileSync(`${base}.xml`, xml);
	const args = ['-sf', `${base}.xml`, '-m', `${calls}`, '-i', where,
		'-p', `${port}`, '-t', transport, '-nostdin', '-timeout', `${timeout}`,
		'-timeout_error', '-trace_err', '-error_file', `${base}.err`, '-trace_msg',
		'-message_file', `${base}.msg`, '-cp', `${control}`,
		...calls > 1 ? ['-deadcall_wait', '0'] : [],
		...Object.entries(keys).flatMap(([key, value]) => ['-key', key, `${value}`])];

	if (calling)
		args.push(`${remoteHost ?? where}:${remote}`);
	const child = spawn('sipp', args, { stdio: ['ignore', 'ignore', 'pipe'] });
	let said = '';

	child.stderr.on('data', (chunk) => { said += chunk; });
	const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
	const text = (what) => fs.existsSync(`${base}.${what}`) ?
		fs.readFileSync(`${base}.${what}`, 'utf8') : '';
	return {
		async done() {
			const code = await ended;

			if (code !== 0)
				throw new Error(`SIPp: ${code}: ${(text('err') || said).slice(0, 900)}`);
		},
		/** So far: what did not match (it also warns of a slow machine), and every message. */
		wrong: () => /Failed regexp|check_it|[Uu]nexpected|Aborting/.test(text('err')) ?
			text('err') : '',
		messages: () => text('msg'),
		async stop() {
			if (child.exitCode === null && child.signalCode === null)
				child.kill('SIGKILL');
			await ended;
		},
	};
}
