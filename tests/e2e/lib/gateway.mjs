// gateway.mjs - one isthmus of its own for a test file: generated
// configuration, its own ports, ended by its id.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { mind, stopProcess, until } from './process.mjs';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const PASSWORD = 'demo';
export const HASH = '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$1MUQcJhwFWeCUqO3XKU8qDXr7SCWMrv4jrApW6AFrf8'; // of it

export function workDir(name) {
	const dir = path.join(process.env.E2E_OUT ?? path.join(ROOT, 'build/e2e'), name);
	fs.rmSync(dir, { recursive: true, force: true });
	fs.mkdirSync(dir, { recursive: true });
	return dir;
}

/** GET on a loopback HTTP port. */
export function get(port, what) {
	return new Promise((resolve, reject) => {
		http.get({ host: '127.0.0.1', port, path: what, agent: false }, (response) => {
			let body = '';
			response.on('data', (chunk) => { body += chunk; });
			response.on('end', () => resolve({ status: response.statusCode, body }));
		}).on('error', reject);
	});
}

/**
 * @port: pages and WebSocket; +1 admin, +2 SIP (+3 its TLS), +100.. media.
 * @people may log in.  @extra is merged into the configuration, a level deep.  @prefix: a command
 * that becomes the gateway.
 */
export async function startGateway({ name, port, core = 'sip:127.0.0.1:5070;transport=udp',
	extra = {}, prefix = [], people = ['alice', 'bob'] }) {
	const dir = workDir(`${name}-${port}`);
	const config = {
		state_dir: path.join(dir, 'state'),
		log: { level: 'debug' },
		web: {
			listen: [`wss://127.0.0.1:${port}`], root: path.join(ROOT, 'web'),
			messages_per_s: 200, messages_burst: 400, auth_failures: 50,
		},
		auth: { ttl_max_s: 20 },
		sip: {
			listen: [`sip:127.0.0.1:${port + 2};transport=udp`], core,
			domain: 'demo.example', ring_timeout_s: 30,
		},
		media: {
			workers: 1, web_address: ['127.0.0.1'], core_address: '127.0.0.1',
			port_min: port + 100, port_max: port + 139,
		},
		calls: { drain_s: 1, cdr_file: path.join(dir, 'cdr.json') },
		admin: { listen: `127.0.0.1:${port + 1}` },
		routes: [{ match: 'echo', leg: 'echo' }],
		users: people.map((user) => ({
			id: `sip:${user}@demo.example`, password: HASH,
			name: user[0].toUpperCase() + user.slice(1),
		})),
	};
	for (const [key, value] of Object.entries(extra))
		config[key] = Array.isArray(value) || typeof value !== 'object' ? value :
			{ ...config[key], ...value };
	fs.mkdirSync(config.state_dir, { recursive: true });
	const file = path.join(dir, 'isthmus.yaml');
	fs.writeFileSync(file, stringify(config));

	const binary = path.resolve(ROOT, process.env.ISTHMUS ?? 'build/isthmus');
	const logFile = path.join(dir, 'isthmus.log');
	const [command, ...args] = [...prefix, binary, '-c', file];
	const run = (flags) => {
		const log = fs.openSync(logFile, flags);
		const started = mind(spawn(command, args, { stdio: ['ignore', log, log], cwd: ROOT }));
		fs.closeSync(log);
		return started;
	};
	let child = run('w');
	const ready = () => until(async () => {
		if (child.exitCode !== null || child.signalCode !== null)
			throw new Error(`isthmus did not start:\n${gateway.log().slice(-3000)}`);
		return (await get(port + 1, '/readyz').catch(() => null))?.status === 200;
	}, 'the gateway is ready', 15_000);
	const gateway = {
		get process() { return child; },
		dir, port, sipPort: port + 2,
		url: `https://127.0.0.1:${port}/`,
		endpoint: `wss://127.0.0.1:${port}/3gpp-respect/v1`,
		log: () => fs.readFileSync(logFile, 'utf8'),
		admin: (what) => get(port + 1, what),
		/** The sum of a metric over its labels; NaN when it is not there. */
		async metric(metric) {
			const { body } = await get(port + 1, '/metrics');
			const values = body.split('\n').filter((line) =>
				line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
				.map((line) => Number(line.slice(line.lastIndexOf(' '))));
			return values.length ? values.reduce((a, b) => a + b) : NaN;
		},
		cdrs: () => fs.existsSync(config.calls.cdr_file) ?
			fs.readFileSync(config.calls.cdr_file, 'utf8').split('\n')
				.filter(Boolean).map((line) => JSON.parse(line)) : [],
		/** kill -9; resolves when it is gone. */
		async crash() {
			const gone = new Promise((done) => child.once('exit', done));
			child.kill('SIGKILL');
			await gone;
		},
		/** The next run, with the same configuration and what the last has left. */
		async again() {
			child = run('a');
			await ready();
		},
		/** @grace: ms until it is killed, which fails the test. */
		async stop(grace) {
			const code = await stopProcess(child, grace);
			if (code !== 0)
				throw new Error(`isthmus ended with ${code ?? child.signalCode}:\n` +
					gateway.log().slice(-3000));
		},
	};
	await ready();
	return gateway;
}
