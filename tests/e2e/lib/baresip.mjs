// baresip.mjs - a SIP phone: it plays a sine, records what it hears, and is
// driven over its control connection (netstrings of JSON).
//
// Its recording filter (sndfile) does not survive a hold: baresip 1.0 drops the
// receive filters when a hold stops the player and never puts them back.  So
// what it hears *after* a hold is proved elsewhere (two browsers).
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { readWav } from './tone.mjs';
import { mind, pause, stopProcess, until } from './process.mjs';

const MODULES = '/usr/lib/baresip/modules';

const ADDRESS = '127.0.0.1';

// Ports from @port on: SIP, SIP over TLS (always one up), control, RTP.
function config({ port, hz, dir, codecs }) {
	return [
		'poll_method epoll', `sip_listen ${ADDRESS}:${port}`,
		'call_local_timeout 120', 'call_max_calls 8',
		'audio_player aubridge,ear', `audio_source ausine,${hz}`,
		'audio_alert aubridge,alert',
		// ausine knows no other format
		'ausrc_srate 48000', 'auplay_srate 48000',
		'ausrc_channels 2', 'auplay_channels 2',
		'audio_level no', 'rtcp_mux no', 'jitter_buffer_delay 1-10',
		`rtp_ports ${port + 4}-${port + 38}`, `net_interface ${ADDRESS}`,
		`module_path ${MODULES}`,
		...codecs.map((name) => `module ${name}.so`),
		'module sndfile.so', 'module ausine.so', 'module aubridge.so',
		'module_tmp uuid.so', 'module_tmp account.so',
		'module_app menu.so', 'module_app ctrl_tcp.so',
		`ctrl_tcp_listen ${ADDRESS}:${port + 2}`,
		`snd_path ${dir}`, 'menu_bell no', 'ringback_disabled yes', '',
	].join('\n');
}

export class Baresip {
	events = []; // { type, param, direction, ... } as baresip tells them
	output = '';
	#socket = null;
	#waiting = new Map();
	#nextToken = 1;

	constructor(options) {
		Object.assign(this, options);
	}

	async start() {
		const { dir, user, port } = this;
		fs.rmSync(dir, { recursive: true, force: true });
		fs.mkdirSync(dir, { recursive: true });
		fs.writeFileSync(path.join(dir, 'config'), config(this));
		// regint=0: a phone that nobody registers, called by its address
		fs.writeFileSync(path.join(dir, 'accounts'),
			`<sip:${user}@${ADDRESS}:${port}>;regint=0;answermode=${this.answerMode}\n`);
		fs.writeFileSync(path.join(dir, 'contacts'), '\n');
		this.process = mind(spawn('baresip', ['-f', dir, '-v'],
			{ stdio: ['ignore', 'pipe', 'pipe'], cwd: dir }));
		const keep = (chunk) => {
			this.output = (this.output + chunk).slice(-200_000);
		};
		this.process.stdout.on('data', keep);
		this.process.stderr.on('data', keep);
		await this.#connect(port + 2);
		return this;
	}

	async #connect(port) {
		await until(async () => {
			if (this.process.exitCode !== null)
				throw new Error(`baresip ended:\n${this.output.slice(-2000)}`);
			const socket = net.connect(port, '127.0.0.1');
			try {
				await once(socket, 'connect');
				this.#socket = socket;
			} catch {
				return false;
			}
			return true;
		}, 'baresip listens', 10_000);
		let buffer = Buffer.alloc(0);
		this.#socket.on('error', () => {});
		this.#socket.on('data', (chunk) => {
			buffer = Buffer.concat([buffer, chunk]);
			for (;;) {
				const colon = buffer.indexOf(':');
				const length = Number(buffer.toString('latin1', 0, colon));
				if (colon < 0 || buffer.length < colon + length + 2)
					return;
				this.#message(JSON.parse(
					buffer.toString('utf8', colon + 1, colon + 1 + length)));
				buffer = buffer.subarray(colon + length + 2);
			}
		});
	}

	#message(message) {
		if (message.event) {
			this.events.push({ ...message, at: Date.now() });
			return;
		}
		this.#waiting.get(message.token)?.(message);
		this.#waiting.delete(message.token);
	}

	command(name, params = '') {
		const token = String(this.#nextToken++);
		const text = JSON.stringify({ command: name, params, token });
		this.#socket.write(`${Buffer.byteLength(text)}:${text},`);
		return new Promise((resolve, reject) => {
			this.#waiting.set(token, resolve);
			setTimeout(() => {
				if (this.#waiting.delete(token))
					reject(new Error(`baresip did not answer ${name}`));
			}, 5000).unref();
		});
	}

	dial(uri) { return this.command('dial', uri); }
	accept() { return this.command('accept'); }
	hangup() { return this.command('hangup'); }
	hold() { return this.command('hold'); }
	resume() { return this.command('resume'); }
	sendDigit(digit) { return this.command('sndcode', digit); }

	count(type) {
		return this.events.filter((e) => e.type === type).length;
	}

	/** Until @type was seen more than @already times. */
	async event(type, already = 0, timeout = 15_000) {
		await until(() => this.count(type) > already,
			`baresip says ${type} (so far: ${this.events.map((e) => e.type).join(' ')})`,
			timeout);
		return this.events.filter((e) => e.type === type)[already];
	}

	/** Digits heard, RFC 4733 or INFO. */
	get digits() {
		return this.events.filter((e) => e.type === 'CALL_DTMF_START')
			.map((e) => e.param).join('');
	}

	#recorded() {
		const newest = fs.readdirSync(this.dir)
			.filter((name) => name.endsWith('dec.wav'))
			.map((name) => path.join(this.dir, name))
			.map((file) => ({ file, at: fs.statSync(file).mtimeMs }))
			.sort((a, b) => b.at - a.at)[0];
		return newest ? readWav(fs.readFileSync(newest.file)) : null;
	}

	/** What it hears in the next @seconds; where nothing comes, silence. */
	async listen(seconds = 0.6) {
		const before = this.#recorded()?.samples.length ?? 0;
		await pause(seconds * 1000);
		const wav = this.#recorded();
		const rate = wav?.rate ?? 8000;
		const samples = new Float32Array(Math.round(seconds * rate));
		samples.set(wav?.samples.subarray(before, before + samples.length) ?? []);
		return { samples, rate };
	}

	async stop() {
		this.#socket?.destroy();
		await stopProcess(this.process);
	}
}

/**
 * A phone sip:@user@127.0.0.1:@port that plays @hz; it takes the 40 ports from
 * @port on.
 */
export function startBaresip({ dir, port, hz = 1000, user = 'phone',
	answerMode = 'auto', codecs = ['g711'] }) {
	return new Baresip({ dir, port, hz, user, answerMode, codecs }).start();
}
