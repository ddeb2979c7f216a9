// client.mjs - a browser page that runs isthmus.js, seen from a test.
import assert from 'node:assert/strict';
import { listen, openPage } from './browser.mjs';
import { dominant, isSilent, isTone, toneShare } from './tone.mjs';

// In the page: window.ua, window.session (the newest), window.seen (events).
async function setUp({ endpoint, id, config, autoAnswer }) {
	const { UA } = await import(new URL('/isthmus.js', location.href).href);
	const seen = globalThis.seen = [];
	const ua = globalThis.ua = new UA({ endpoint, id, password: 'demo', ...config });
	for (const name of ['connecting', 'connected', 'disconnected', 'registered',
		'unregistered', 'registrationFailed', 'protocolError'])
		ua.on(name, (event) => seen.push([name, JSON.parse(JSON.stringify(event))]));
	ua.on('newSession', ({ originator, session, restored, waiting }) => {
		seen.push(['newSession', { originator, restored, waiting }]);
		globalThis.session = session;
		for (const name of ['state', 'progress', 'accepted', 'confirmed', 'hold',
			'unhold', 'failed', 'ended', 'icestate', 'newDTMF', 'reconnected',
			'resumed', 'identity', 'userData', 'video', 'device', 'transfer',
			'quality', 'muted', 'unmuted', 'playbackblocked'])
			session.on(name, (event) =>
				seen.push([name, JSON.parse(JSON.stringify(event))]));
		if (originator === 'remote' && autoAnswer && !restored)
			session.answer().catch((error) => seen.push(['error', String(error)]));
	});
	ua.start();
}

export class Client {
	constructor(page) {
		this.page = page;
	}

	do(fn, arg) { return this.page.evaluate(fn, arg); }
	seen() { return this.page.evaluate(() => globalThis.seen); }

	/** Until @name was seen; its event.  @nth from 0. */
	async event(name, { nth = 0, timeout = 15_000 } = {}) {
		try {
			const handle = await this.page.waitForFunction(([n, i]) =>
				globalThis.seen.filter(([e]) => e === n)[i], [name, nth], { timeout });
			return (await handle.jsonValue())[1];
		} catch (error) {
			const seen = await this.seen().catch(() => []);
			throw new Error(`${name} did not come; seen: ${JSON.stringify(
				seen.map(([n, e]) => [n, e.state ?? e.cause ?? e.code]))}`,
			{ cause: error });
		}
	}

	async count(name) {
		return (await this.seen()).filter(([n]) => n === name).length;
	}

	async registered() {
		await this.event('registered');
		return this;
	}

	/** Calls @target and waits until people could talk. */
	async call(target, options = {}) {
		await this.do(([t, o]) => { globalThis.ua.call(t, o); }, [target, options]);
		await this.event('confirmed');
	}

	state() { return this.do(() => globalThis.session.state); }
	hangUp() { return this.do(() => globalThis.session.terminate()); }
	listen(seconds) { return listen(this.page, seconds); }
	requests(method, dir) {
		return this.page.traffic.filter(({ dir: d, msg }) => d === dir &&
			msg.messageType === 'request' && msg.method === method).map((t) => t.msg);
	}

	close() { return this.page.context().close(); }
}

/** A page at @url (its /isthmus.js is used) logged in as @user at @endpoint. */
export async function openClient(browser, { url, endpoint, user, id, hz = 440,
	config = {}, autoAnswer = true, record = true, ...page }) {
	// A page of the same origin, but not the demo application.
	const blank = new URL('favicon.svg', url).href;
	const opened = browser.open ? await browser.open(blank) : // firefox.mjs
		await openPage(browser, blank, { hz, record, ...page });
	await opened.evaluate(setUp, {
		endpoint, id: id ?? `sip:${user}@demo.example`, config, autoAnswer,
	});
	return new Client(opened);
}

async function hears(who, accept, what, timeout) {
	const deadline = Date.now() + timeout;
	for (;;) {
		const sound = await who.listen(0.5);
		if (sound && accept(sound))
			return;
		if (Date.now() > deadline) {
			const found = sound ? dominant(sound.samples, sound.rate) : null;
			assert.fail(`${what}; there is ${found ?
				`${found.hz} Hz with share ${found.share.toFixed(2)}` : 'nothing'}`);
		}
	}
}

/** @who, a Client or a Baresip, hears @hz and nothing of @not (its own tone). */
export function assertHears(who, hz, { not = 0, timeout = 12_000 } = {}) {
	return hears(who, (sound) => isTone(sound, hz) &&
		(!not || toneShare(sound.samples, sound.rate, not) < 0.1),
	`expected to hear ${hz} Hz`, timeout);
}

export function assertSilence(who, { timeout = 12_000 } = {}) {
	return hears(who, isSilent, 'expected silence', timeout);
}
