// roaming.test.mjs - a browser whose network changes in mid-call: it has a
// namespace with two uplinks, of which one goes and the other comes.  The page
// notices, its WebSocket comes back, ICE is restarted through the gateway, and
// the phone at the other end hears a pause and is told nothing.
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { asBrowser, launchFirefox } from './lib/bidi.mjs';
import { CHROMIUM, launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { longestPause, record } from './lib/gap.mjs';
import { startGateway } from './lib/gateway.mjs';
import { pause, until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { GATEWAY, Uplinks } from './lib/uplinks.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 29700;
const PHONE = PORT + 50;
const RTP = PORT + 60;
const THEIRS = 800;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;

// What a listener waits for.  Without a link for a second of it, 2.4 to 3.2 s
// were measured.
const PATIENCE_MS = 8000;

let links;
let gateway;
let plain; // another, without HTTP/2, and with ICE lite
let phone;
let client;
let tone;
let sip;

before(async () => {
	links = await Uplinks.make();
	const start = (port, web = {}, media = {}) => startGateway({
		name: 'roaming', port, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: {
			web: { listen: [`wss://${GATEWAY}:${port}`], ...web },
			media: { web_address: [GATEWAY], ...media },
		},
	});
	gateway = await start(PORT);
	plain = await start(PORT + 200, { http2: false }, { ice: 'lite', lite_port: PORT + 270 });
	phone = await SipAnswerer.listen({ port: PHONE });
	phone.rtpPort = RTP;
	phone.onInvite = async (call) => {
		sip = call;
		tone = await playTone({ port: RTP, to: audioOf(call.offer), hz: THEIRS });
		call.ring();
		call.answer();
	};
});

after(async () => {
	await gateway?.stop();
	await plain?.stop();
	await phone?.close();
	await links?.stop();
});

const BROWSERS = {
	Chromium: {
		hz: 440,
		launch: () => launchBrowser({ program: links.program(gateway.dir, CHROMIUM) }),
	},
	Firefox: {
		hz: 1000, // its microphone knows no other
		async launch() {
			const file = path.join(gateway.dir, 'door');
			const port = PORT + 90;
			const door = await links.door(file, port);
			const firefox = await launchFirefox({ dir: gateway.dir, port,
				prefix: links.prefix, socket: `ws+unix:${file}:` });
			const close = async () => {
				await firefox.stop();
				await door.stop();
			};
			return { ...asBrowser(firefox), close };
		},
	},
};

const count = (method) => phone.received.filter((line) => line.startsWith(method)).length;

for (const [name, { hz, launch }] of Object.entries(BROWSERS))
	describe(name, () => {
		let browser;

		before(async () => {
			browser = await launch();
		});

		after(() => browser?.close());

		afterEach(async () => {
			links.unblock();
			await client?.close();
			await tone?.stop();
			client = tone = null;
		});

		async function talk({ port } = gateway, config = {}) {
			phone.received.length = 0;
			client = await openClient(browser, {
				url: `https://${GATEWAY}:${port}/`,
				endpoint: `wss://${GATEWAY}:${port}/3gpp-respect/v1`,
				user: 'alice', hz, config,
			});
			await client.registered();
			await client.call(PHONE_URI);
			await bothHear();
		}

		const bothHear = () => Promise.all([
			assertHears(client, THEIRS, { not: hz }),
			assertHears(tone, hz, { not: THEIRS })]);

		/** @change, and how long (ms) the phone and the page hear nothing for it;
		 * by how much the tone itself was late then. */
		async function away(t, change, over, by = 'at') {
			const packets = tone.watch();
			const tape = await record(client);
			await pause(300); // of what was, to compare with
			await change();
			await over?.();
			const since = performance.now();
			await until(() => packets.filter(({ at }) => at > since).length > 20,
				'the phone is sent something', PATIENCE_MS * 2);
			await bothHear();
			const { late } = tone;
			const [there, here] = [longestPause(packets, hz, by), await tape.stop(THEIRS)];
			t.diagnostic(`${name}: away for ${Math.round(there.gap)} ms at the phone, ${
				Math.round(here.gap)} ms in the page`);
			return { gap: Math.max(there.gap, here.gap), late };
		}

		async function untouched() {
			assert.equal(await client.count('ended'), 0);
			assert.equal(sip.state, 'up');
			assert.equal(count('UPDATE'), 0);
			assert.equal(count('INVITE'), 1, 'no re-INVITE');
			await client.hangUp();
			assert.equal(await sip.ended, 'bye-received');
		}

		/** Of the browser's media, in use. */
		const mediaPort = () => client.do(async () => {
			const all = [...(await session.connection.getStats()).values()];
			const pair = all.find((s) => s.type === 'candidate-pair' && s.nominated &&
				s.state === 'succeeded');
			return all.find((s) => s.id === pair?.localCandidateId)?.port ?? 0;
		});

		/** Of the browser's WebSocket. */
		const webPort = () => Number([...plain.log()
			.matchAll(/ws \[ws\d+\]: open from [\d.]+:(\d+)/g)].at(-1)[1]);

		test('its network goes, and another comes a second later; and back', async (t) => {
			await talk();
			for (let there = 0; there < 2; there++) {
				const nth = await client.count('reconnected');
				const { gap } = await away(t, () => links.change(1000), () => client.event('reconnected', { nth }));
				assert.ok(gap > 900 && gap < PATIENCE_MS, `${gap} ms`);
				const pairs = await client.do(async () =>
					[...(await session.connection.getStats()).values()]
						.filter((s) => s.type === 'local-candidate').map((s) => s.address));
				assert.ok(pairs.includes(links.address), pairs.join());
			}
			assert.equal(await client.count('registered'), 3);
			await untouched();
		});

		test('its network is replaced at once', async (t) => {
			await talk();
			const { gap } = await away(t, () => links.change(), () => client.event('reconnected'));
			assert.ok(gap < PATIENCE_MS, `${gap} ms`);
			await untouched();
		});

		test('its media path dies, and the WebSocket lives', async (t) => {
			await talk();
			const port = await mediaPort();
			const { gap } = await away(t, () => links.block('udp', port),
				() => until(async () => ![0, port].includes(await mediaPort()),
					'another path', 30_000, 200));
			assert.ok(gap > 900 && gap < 2 * PATIENCE_MS, `${gap} ms`);
			assert.equal(await client.count('registered'), 1, 'the same WebSocket');
			await untouched();
		});

		// Over HTTP/2 a new WebSocket would be another stream of the same dead
		// connection, until the browser finds out after half a minute.
		test('its WebSocket dies without a word, and the media path lives', async (t) => {
			await talk(plain, { keepAlive: 1000 });
			const port = await mediaPort();
			const { gap, late } = await away(t, () => links.block('tcp', webPort()),
				() => client.event('reconnected'), 'time');
			assert.ok(gap < 100 + late, `${gap} ms, ${late} ms late`);
			assert.equal(await mediaPort(), port, 'the same path');
			await untouched();
		});

		// The last one: Firefox would load another page over what it has kept of
		// the network before.
		test('its network is replaced, with ICE lite at the gateway', async (t) => {
			await talk(plain);
			const { gap } = await away(t, () => links.change(),
				() => client.event('reconnected'));
			assert.ok(gap < PATIENCE_MS, `${gap} ms`);
			await untouched();
		});
	});

test('nothing is left behind', async () => {
	for (const one of [gateway, plain])
		for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
			'isthmus_respect_sessions', 'isthmus_sip_dialogs'])
			await until(async () => await one.metric(metric) === 0, `${metric} is 0`, 40_000);
});
