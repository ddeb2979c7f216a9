// firefox.mjs - Debian's Firefox over WebDriver BiDi: pages whose microphone is
// Firefox's own fake one, a sine, with what client.mjs needs of Playwright's.
// Without sound hardware nothing can be listened to in it: the other end does,
// and what comes in is counted.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import { mind, stopProcess, until } from './process.mjs';

export const FIREFOX_HZ = 440;

const PREFS = {
	'media.navigator.permission.disabled': true,
	'media.navigator.streams.fake': true,
	'media.navigator.audio.fake_frequency': FIREFOX_HZ,
	'media.autoplay.default': 0,
	'media.autoplay.blocking_policy': 0,
	// loopback is all there is, and its address is no secret
	'media.peerconnection.ice.loopback': true,
	'media.peerconnection.ice.obfuscate_host_addresses': false,
	// without a default route it would believe itself to be offline
	'network.manage-offline-status': false,
	'network.connectivity-service.enabled': false,
	// ICE in the page's own process: the socket process may be missing here
	'media.peerconnection.mtransport_process': false,
	'network.process.enabled': false,
	'media.peerconnection.ice.default_address_only': false,
	'media.peerconnection.ice.no_host': false,
	'network.proxy.type': 0,
	'app.update.enabled': false,
	'datareporting.policy.dataSubmissionEnabled': false,
	'toolkit.telemetry.reportingpolicy.firstRun': false,
	'browser.shell.checkDefaultBrowser': false,
	'remote.active-protocols': 1,
};

class Bidi {
	#socket;
	#next = 1;
	#waiting = new Map();

	constructor(socket) {
		this.#socket = socket;
		socket.on('message', (data) => {
			const message = JSON.parse(String(data));
			const { resolve, reject } = this.#waiting.get(message.id) ?? {};
			this.#waiting.delete(message.id);
			if (message.type === 'error')
				reject?.(new Error(`${message.error}: ${message.message}`));
			else
				resolve?.(message.result);
		});
		socket.on('close', () => {
			for (const { reject } of this.#waiting.values())
				reject(new Error('Firefox has gone'));
		});
	}

	send(method, params = {}) {
		const id = this.#next++;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			this.#socket.send(JSON.stringify({ id, method, params }));
		});
	}

	close() { this.#socket.close(); }
}

/** One page; evaluate() and traffic are Playwright's. */
class FirefoxPage {
	traffic = [];
	problems = [];
	#bidi;
	#context;

	constructor(bidi, context) {
		this.#bidi = bidi;
		this.#context = context;
	}

	async evaluate(fn, arg = null) {
		const { type, result, exceptionDetails } = await this.#bidi.send('script.evaluate', {
			expression: `(async () => JSON.stringify(await (${fn})(${JSON.stringify(arg)})` +
				' ?? null))()',
			target: { context: this.#context }, awaitPromise: true, userActivation: true,
		});
		if (type !== 'success')
			throw new Error(exceptionDetails.text);
		return JSON.parse(result.value);
	}

	/** Polled: a page that is busy is not disturbed more than it has to be. */
	async waitForFunction(fn, arg, { timeout = 15_000 } = {}) {
		let found = null;
		await until(async () => {
			found = await this.evaluate(fn, arg);
			return found;
		}, 'a condition in Firefox', timeout);
		return { jsonValue: async () => found };
	}

	async open(url) {
		await this.#bidi.send('browsingContext.navigate',
			{ context: this.#context, url, wait: 'complete' });
		// A page that captures nothing is given no addresses but the default
		// route's.
		await this.evaluate(async () => {
			globalThis.capture = await navigator.mediaDevices.getUserMedia({ audio: true });
		});
	}

	context() {
		return { close: () => this.#bidi.send('browsingContext.close', { context: this.#context }) };
	}
}

/** Firefox with one session; open(url) makes a page. */
export async function launchFirefox({ port }) {
	const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-firefox-'));
	fs.writeFileSync(path.join(profile, 'user.js'), Object.entries(PREFS).map(([k, v]) =>
		`user_pref(${JSON.stringify(k)}, ${JSON.stringify(v)});\n`).join(''));
	const child = mind(spawn(process.env.FIREFOX ?? '/usr/bin/firefox-esr',
		['--headless', '--no-remote', '--profile', profile,
			'--remote-debugging-port', String(port), 'about:blank'],
		{ stdio: 'ignore', env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' } }));
	let socket = null;
	const stop = async () => {
		await stopProcess(child);
		fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
	};
	try {
		await until(async () => {
			if (child.exitCode !== null)
				throw new Error(`Firefox ended with ${child.exitCode}`);
			const tried = new WebSocket(`ws://127.0.0.1:${port}/session`);
			socket = await new Promise((done) => {
				tried.once('open', () => done(tried));
				tried.once('error', () => done(null));
			});
			return socket;
		}, 'Firefox listens', 30_000);
	} catch (error) {
		await stop();
		throw error;
	}
	const bidi = new Bidi(socket);
	await bidi.send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
	return {
		async open(url) {
			const { context } = await bidi.send('browsingContext.create', { type: 'tab' });
			const page = new FirefoxPage(bidi, context);
			await page.open(url);
			return page;
		},
		async close() {
			bidi.close();
			await stop();
		},
	};
}
