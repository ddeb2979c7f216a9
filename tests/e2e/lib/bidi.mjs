// bidi.mjs - Debian's Firefox by WebDriver BiDi, which Playwright does not
// speak to it: a page, and functions that run in it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import { keepTraffic } from './browser.mjs';
import { mind, stopProcess, until } from './process.mjs';

const BINARY = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** One of this machine's addresses that is not of loopback: with loopback alone
 * Firefox gathers no candidates.  Nothing is skipped for want of it. */
export function ownAddress() {
	const found = Object.values(os.networkInterfaces()).flat()
		.find(({ internal, family }) => !internal && family === 'IPv4');
	if (!found)
		throw new Error('Firefox needs more than loopback: tests/own-net.sh COMMAND');
	return found.address;
}

// A camera and a microphone that nobody is asked about, and addresses that are
// shown as they are.
const PREFS = {
	'media.navigator.streams.fake': true,
	'media.navigator.permission.disabled': true,
	'media.peerconnection.ice.obfuscate_host_addresses': false,
	'media.autoplay.default': 0,
	'media.autoplay.blocking_policy': 0,
	'media.gmp-manager.updateEnabled': false,
	'app.update.enabled': false,
	'browser.shell.checkDefaultBrowser': false,
	'datareporting.policy.dataSubmissionEnabled': false,
	'network.captive-portal-service.enabled': false,
	'network.connectivity-service.enabled': false,
};

class Firefox {
	#socket;
	#process;
	#context;
	#next = 1;
	#waiting = new Map();
	#heard = new Map(); // channel -> who is told

	/** @prefix: a command that becomes Firefox; @socket: where it is spoken
	 * to, for a test that has another network than it. */
	async start({ dir, port, prefix = [], socket = `ws://127.0.0.1:${port}` }) {
		if (!fs.existsSync(BINARY))
			throw new Error(`${BINARY} is missing; 'make deps' installs it`);
		const profile = path.join(dir, 'firefox');
		fs.mkdirSync(profile, { recursive: true });
		fs.writeFileSync(path.join(profile, 'user.js'), Object.entries(PREFS)
			.map(([key, value]) => `user_pref("${key}", ${value});\n`).join(''));
		const [command, ...args] = [...prefix, BINARY];
		this.#process = mind(spawn(command, [...args, '--headless', '--no-remote', '--profile', profile,
			'--remote-debugging-port', String(port), 'about:blank'],
		{ stdio: 'ignore', env: { ...process.env, HOME: dir, MOZ_CRASHREPORTER_DISABLE: '1' } }));
		await until(() => this.#connect(socket, port), 'Firefox listens', 40_000);
		await this.#ask('session.new', {
			capabilities: { alwaysMatch: { acceptInsecureCerts: true } },
		});
		await this.#ask('session.subscribe', { events: ['script.message'] });
		const { contexts } = await this.#ask('browsingContext.getTree', {});
		this.#context = contexts[0].context;
		return this;
	}

	#connect(url, port) {
		return new Promise((done) => {
			const socket = new WebSocket(`${url}/session`,
				{ headers: { Host: `127.0.0.1:${port}` } });
			socket.on('error', () => done(false));
			socket.on('message', (data) => this.#received(JSON.parse(String(data))));
			socket.on('open', () => {
				this.#socket = socket;
				done(true);
			});
		});
	}

	#received(message) {
		if (message.method === 'script.message') {
			const { channel, data } = message.params;
			this.#heard.get(channel)?.(JSON.parse(data.value));
			return;
		}
		const waiting = this.#waiting.get(message.id);
		this.#waiting.delete(message.id);
		if (message.type === 'error')
			waiting?.reject(new Error(`${message.error}: ${message.message}`));
		else
			waiting?.resolve(message.result);
	}

	#ask(method, params) {
		const id = this.#next++;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			this.#socket.send(JSON.stringify({ id, method, params }));
		});
	}

	goto(url) {
		return this.#ask('browsingContext.navigate',
			{ context: this.#context, url, wait: 'complete' });
	}

	/** What @fn returns in the page, as JSON; it may be asynchronous. */
	async do(fn, arg) {
		const { type, result, exceptionDetails } = await this.#ask('script.evaluate', {
			expression: `(async () => JSON.stringify(await (${fn})(${
				JSON.stringify(arg ?? null)})))()`,
			target: { context: this.#context }, awaitPromise: true,
			userActivation: true,
		});
		if (type === 'exception')
			throw new Error(exceptionDetails.text);
		return result.type === 'string' ? JSON.parse(result.value) : undefined;
	}

	/** Calls @fn in the page with a function; what that is given, JSON, comes
	 * to @told. */
	hear(channel, fn, told) {
		this.#heard.set(channel, told);
		return this.#ask('script.callFunction', {
			functionDeclaration: String(fn), awaitPromise: false,
			arguments: [{ type: 'channel', value: { channel } }],
			target: { context: this.#context },
		});
	}

	async stop() {
		this.#socket?.close();
		await stopProcess(this.#process);
	}
}

export const launchFirefox = (options) => new Firefox().start(options);

// In the page: an ear, as instrument() of browser.mjs gives Chromium.  Without
// a sound device an AudioContext of Firefox never runs, but it records.
function prepare() {
	globalThis.probe = {
		async record(seconds) {
			const tracks = globalThis.session?.connection?.getReceivers()
				.map(({ track }) => track)
				.filter(({ kind, readyState }) => kind === 'audio' && readyState === 'live');
			if (!tracks?.length)
				return null;
			const recorder = new MediaRecorder(new MediaStream([tracks.at(-1)]));
			const recorded = new Promise((done) => {
				recorder.ondataavailable = ({ data }) => done(data);
			});
			recorder.start();
			await new Promise((done) => setTimeout(done, seconds * 1000));
			recorder.stop();
			const decoder = new OfflineAudioContext(1, 1, 48000);
			const sound = await decoder.decodeAudioData(await (await recorded).arrayBuffer())
				.catch(() => null);
			return sound && [...sound.getChannelData(0)];
		},
	};
}

// In the page: what its WebSockets carry.
function overhear(tell) {
	const keep = (dir, data) => tell(JSON.stringify({ dir, data: String(data) }));
	const Native = globalThis.WebSocket;
	globalThis.WebSocket = class extends Native {
		constructor(...args) {
			super(...args);
			this.addEventListener('message', ({ data }) => keep('s2c', data));
		}

		send(data) {
			keep('c2s', data);
			super.send(data);
		}
	};
}

/** What client.mjs needs of Playwright's browsers and pages: one page, which
 * begins anew with each open(). */
export function asBrowser(firefox) {
	const page = {
		traffic: [],
		evaluate: (fn, arg) => firefox.do(fn, arg),
		async waitForFunction(fn, arg, { timeout = 15_000 } = {}) {
			let found = null;
			await until(async () => {
				found = await firefox.do(fn, arg);
				return found;
			}, 'a condition in Firefox', timeout);
			return { jsonValue: async () => found };
		},
		context: () => ({ close: () => firefox.goto('about:blank') }),
	};
	return {
		async open(url) {
			await firefox.goto(url);
			await firefox.do(prepare);
			page.traffic = [];
			await firefox.hear('traffic', overhear, ({ dir, data }) =>
				keepTraffic(page, dir, data));
			// A page that captures nothing is given no addresses but the
			// default route's.
			await firefox.do(async () => {
				globalThis.capture = await navigator.mediaDevices.getUserMedia({ audio: true });
			});
			return page;
		},
	};
}
