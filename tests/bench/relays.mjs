// relays.mjs - the relays that are measured, each a process on core 0.
import dgram from 'node:dgram';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { spawn, spawnSync } from 'node:child_process';

export const CORE_RELAY = 0;
export const CORE_LOAD = Math.min(1, os.cpus().length - 1);
/** No relay: the load's browsers and phones send to each other. */
export const ZERO = 'zero line';
const CONTROL = 8900;
const JANUS_WS = 8920;
const HASH = '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$1MUQcJhwFWeCUqO3XKU8qDXr7SCWMrv4jrApW6AFrf8';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const there = (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

/** Resolves when an ng "ping" is answered. */
async function answers(port) {
	const socket = dgram.createSocket('udp4');
	let got = false;

	socket.on('message', () => { got = true; });
	for (let i = 0; i < 100 && !got; i++) {
		socket.send('p d7:command4:pinge', port, '127.0.0.1');
		await pause(50);
	}
	socket.close();
	if (!got)
		throw new Error(`nothing answers on port ${port}`);
}

/** An address that is not the loopback's, which Janus does not take. */
const outside = () => Object.values(os.networkInterfaces()).flat()
	.find((a) => a.family === 'IPv4' && !a.internal)?.address;

/** Nothing but NoSIP and WebSockets, one event loop, as quiet as it can be. */
function janusConfiguration(dir) {
	const lib = fs.readdirSync('/usr/lib').map((d) => `/usr/lib/${d}/janus`).find((d) => fs.existsSync(d));

	fs.rmSync(dir, { recursive: true, force: true });
	for (const [folder, keep] of [['plugins', 'libjanus_nosip.so'], ['transports', 'libjanus_websockets.so'],
		['events'], ['loggers']]) {
		fs.mkdirSync(`${dir}/${folder}`, { recursive: true });
		if (keep)
			fs.symlinkSync(`${lib}/${folder}/${keep}`, `${dir}/${folder}/${keep}`);
	}
	fs.writeFileSync(`${dir}/janus.jcfg`, `general: {
	configs_folder = "${dir}"
	plugins_folder = "${dir}/plugins"
	transports_folder = "${dir}/transports"
	events_folder = "${dir}/events"
	loggers_folder = "${dir}/loggers"
	debug_level = 2
	event_loops = 1
	session_timeout = 0
	server_name = "bench"
}
nat: {
	ice_enforce_list = "${outside()}"
}
media: {
	rtp_port_range = "10000-19999"
}
`);
	fs.writeFileSync(`${dir}/janus.plugin.nosip.jcfg`, `general: {
	local_ip = "127.0.0.1"
	rtp_port_range = "20000-29999"
}
`);
	fs.writeFileSync(`${dir}/janus.transport.websockets.jcfg`, `general: {
	json = "compact"
	ws = true
	ws_port = ${JANUS_WS}
	wss = false
}
admin: { admin_ws = false, admin_wss = false }
`);
	return dir;
}

async function listens(url) {
	for (let i = 0; i < 100; i++) {
		if (await fetch(url).then((r) => r.ok, () => false))
			return;
		await pause(50);
	}
	throw new Error(`nothing answers at ${url}`);
}

function daemonConfiguration(dir) {
	fs.mkdirSync(dir, { recursive: true });
	const users = Array.from({ length: 80 }, (_, n) =>
		`  - { id: "sip:u${n}@bench.example", password: "${HASH}" }`).join('\n');
	fs.writeFileSync(`${dir}/isthmus.yaml`, `state_dir: ${dir}
log: { level: warn }
web:
  listen: [ "ws://127.0.0.1:8910" ]
  root: ${path.resolve('web')}
  origins: [ "http://bench" ]
  max_sessions: 64
  messages_per_s: 100000
  messages_burst: 100000
  max_connections_ip: 1000
sip:
  listen: [ "sip:127.0.0.1:8911;transport=udp" ]
  core: "sip:127.0.0.1:8912;transport=udp"
  domain: bench.example
media:
  workers: 1
  web_address: [ 127.0.0.1 ]
  core_address: 127.0.0.1
  port_min: 10000
  port_max: 19999
calls: { max: 10000, cdr_file: ${dir}/cdr.json }
admin: { listen: "127.0.0.1:8913" }
users:
${users}
`);
	return `${dir}/isthmus.yaml`;
}

export class Relay {
	static async start(name, build) {
		const dir = path.resolve(build, 'bench');
		const ng = `127.0.0.1:${CONTROL}`;
		const relay = {
			'isthmus': [`${dir}/relay`, ng, '10000', '19999'],
			'isthmus lite': [`${dir}/relay`, ng, '10000', '19999', '9000'],
			'forwarder': [`${dir}/forwarder`, ng],
			'forwarder cm': [`${dir}/forwarder`, ng, 'cm'],
			'forwarder clear': [`${dir}/forwarder`, ng, 'clear'],
			'rtpengine': ['rtpengine', '-f', '--interface=127.0.0.1', `--listen-ng=${ng}`,
				'--port-min=20000', '--port-max=29999', '--table=-1', '--log-level=3', '-E',
				'--delete-delay=0', '--num-threads=1'],
			'janus': ['janus', '-o', '-F', name === 'janus' && janusConfiguration(path.join(dir, 'janus'))],
			'isthmus daemon': [path.resolve(build, 'isthmus'), '-c',
				daemonConfiguration(path.join(dir, 'daemon'))],
		}[name];
		const self = new Relay();

		self.name = name;
		if (name === ZERO) {
			self.args = ['--self'];
			return self;
		}
		self.args = name === 'isthmus daemon' ? ['--daemon', '127.0.0.1:8910:8912'] :
			['--control', ng, ...name.startsWith('forwarder') ? ['--raw'] : [],
				...name === 'forwarder clear' ? ['--clear'] : [],
				...name === 'isthmus lite' ? ['--distinct'] : [],
				...name === 'janus' ? ['--address', outside()] : []];
		const log = fs.openSync(`${dir}/${name.replace(' ', '-')}.log`, 'w');
		self.process = spawn('taskset', ['-c', `${CORE_RELAY}`, ...relay],
			{ stdio: ['ignore', log, log] });
		if (name === 'janus') {
			self.translator = spawn('taskset', ['-c', `${CORE_LOAD}`, 'node', 'tests/bench/janus.mjs',
				`${CONTROL}`, `${JANUS_WS}`], { stdio: ['ignore', log, log] });
			self.translatorEnded = new Promise((done) => self.translator.once('exit', done));
		}
		fs.closeSync(log);
		self.ended = new Promise((done) => self.process.once('exit', done));
		try {
			await (name === 'isthmus daemon' ? listens('http://127.0.0.1:8913/readyz') :
				answers(CONTROL));
		} catch (error) {
			await self.stop();
			throw error;
		}
		return self;
	}

	static available(name) {
		return name === 'rtpengine' ? there('rtpengine') :
			name !== 'janus' || (there('janus') && fs.existsSync('tests/node_modules/ws') &&
				outside() !== undefined);
	}

	/** What load.c measured: its JSON object. */
	async load(build, options) {
		const args = ['-c', `${CORE_LOAD}`, path.resolve(build, 'bench/load'), ...this.args,
			...this.process ? ['--pid', `${this.process.pid}`, '--core', `${CORE_RELAY}`] : [],
			...this.translator ? ['--beside', `${this.translator.pid}`] : []];
		for (const [key, value] of Object.entries(options))
			if (value === true)
				args.push(`--${key}`);
			else if (value !== false)
				args.push(`--${key}`, `${value}`);
		const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] });
		let out = '';
		let said = '';

		child.stdout.on('data', (data) => { out += data; });
		child.stderr.on('data', (data) => { said += data; });
		await new Promise((done) => child.once('close', done));
		if (!out.trim().startsWith('{'))
			throw new Error(`${this.name}: ${said || 'the load said nothing'}`);
		return { ...JSON.parse(out), said };
	}

	async stop() {
		if (!this.process)
			return;
		if (this.translator) {
			this.translator.kill('SIGTERM');
			await this.translatorEnded;
		}
		this.process.kill('SIGTERM');
		const timer = setTimeout(() => this.process.kill('SIGKILL'), 5000);
		await this.ended;
		clearTimeout(timer);
	}
}

export const version = (command, ...args) => {
	const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
	return `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0];
};
