// demo.mjs BINARY [ims] - the demonstration: gateway, SIP phone (with "ims" one
// behind the lab's IMS core), one call from a browser to the phone and one back,
// what each side heard, and the signalling.  Then it stays up, unless
// DEMO_ONCE=1.  Everything it started ends with it.
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { parse } from 'yaml';
import { launchBrowser, listen, openPage } from './browser.mjs';
import { scenes } from './demo_scenes.mjs';
import { ROOT, get } from './gateway.mjs';
import { mind, pause, stopProcess, until } from './process.mjs';
import { dominant, isTone } from './tone.mjs';

const scene = scenes[process.argv[3] ?? 'sip'];
const LOG = path.join(scene.dir, 'isthmus.log');
const once = process.env.DEMO_ONCE === '1';

const config = parse(fs.readFileSync(path.join(ROOT, scene.config), 'utf8'));
const webUrl = config.web.listen[0].replace(/^ws/, 'http');
const admin = /:(\d+)$/.exec(config.admin?.listen ?? '127.0.0.1:9090')[1];

const say = (text = '') => process.stdout.write(`${text}\n`);

async function startIsthmus(binary) {
	const log = fs.openSync(LOG, 'w');
	const child = mind(spawn(binary, ['-c', scene.config],
		{ cwd: ROOT, stdio: ['ignore', log, log] }));
	fs.closeSync(log);
	await until(async () => {
		if (child.exitCode !== null || child.signalCode !== null)
			throw new Error(`isthmus did not start:\n${fs.readFileSync(LOG, 'utf8')}`);
		return (await get(admin, '/readyz').catch(() => null))?.status === 200;
	}, 'the gateway is ready');
	return child;
}

async function logIn(browser) {
	const page = await openPage(browser, webUrl, { hz: scene.browserHz });
	await page.fill('#user', scene.user);
	await page.fill('#password', 'demo');
	await page.click('#login-form button');
	await page.waitForSelector('#dial-form >> visible=true');
	await page.evaluate(() => { // timed where it happens
		const ladder = globalThis.ladder = [];
		globalThis.isthmus.ua.on('traffic', ({ direction, message }) =>
			ladder.push({ dir: direction === 'sent' ? 'c2s' : 's2c',
				msg: message, at: Date.now() }));
	});
	return page;
}

// ---- what was heard ----

async function hearing(who, hz) {
	let sound = null;
	for (let i = 0; i < 12; i++) {
		sound = await who.listen(0.6);
		if (sound && isTone(sound, hz))
			break;
	}
	const found = sound ? dominant(sound.samples, sound.rate) : { hz: 0, share: 0 };
	return { ...found, ok: sound !== null && isTone(sound, hz) };
}

function report(who, whose, hz, found) {
	say(`  ${found.ok ? 'ok  ' : 'FAIL'} ${whose} plays ${hz} Hz, ${who} hears ` +
		`${found.hz} Hz${found.share === undefined ? '' :
			` (${Math.round(found.share * 100)} % of all it hears)`}`);
	return found.ok;
}

// ---- the ladder ----

const WIDTH = 34; // of a side: the whole fits a terminal of 80 columns

function respectLines(traffic) {
	return traffic.filter(({ msg }) => msg.method !== 'getinfo' && msg.method !== 'auth')
		.map(({ dir, msg, at }) => {
			const request = msg.messageType === 'request';
			const parts = [request ? msg.method : `${msg.success ? 'ok' :
				msg.problemDetails?.status} (${msg.method})`];
			if (request && msg.mediaSessionState)
				parts.push(msg.mediaSessionState);
			for (const key of ['preOffer', 'sdpOffer', 'sdpAnswer'])
				if (msg[key])
					parts.push(`[${key}]`);
			return { at, side: 'web', right: dir === 'c2s', text: parts.join(' ') };
		});
}

// The gateway says one line an event on the SIP side.
const SIP_LINES = [
	[/ INVITE sent to/, true, 'INVITE [offer]'], [/: (180 \S+)$/, false, '$1'],
	[/: (183 \S+.*(?<! sent))$/, false, '$1'], [/\]: answered$/, false, '200 OK [answer]'],
	[/ INVITE received/, false, 'INVITE [offer]'], [/ 200 sent$/, true, '200 OK [answer]'],
	[/: (180 Ringing|183 Session Progress) sent$/, true, '$1'],
	[/ BYE sent$/, true, 'BYE'], [/ BYE received$/, false, 'BYE'],
	[/INVITE failed: (.*)/, false, '$1'],
];

function sipLines(log) {
	const lines = [];
	for (const line of log.split('\n')) {
		const at = Date.parse(line.slice(0, 24));
		if (!/ sip \[/.test(line) && !/DTLS established/.test(line))
			continue;
		if (/DTLS established/.test(line)) {
			lines.push({ at, side: 'both', text: 'DTLS-SRTP is up, audio flows' });
			continue;
		}
		for (const [pattern, right, text] of SIP_LINES) {
			const match = pattern.exec(line);
			if (match)
				lines.push({ at, side: 'sip', right, text: text.replace('$1', match[1] ?? '') });
		}
	}
	return lines;
}

function arrow({ text, right }) {
	const room = WIDTH - 4 - text.length;
	const dashes = '\u2500'.repeat(Math.max(1, room));
	return right ? `${dashes} ${text} \u2500\u25b6` : `\u25c0\u2500 ${text} ${dashes}`;
}

// Each side's own order holds; in the same millisecond a side's incoming
// message comes before what the gateway sends because of it.
function merge(web, sip) {
	const lines = [];
	const comesIn = (line) => line.side === 'web' ? line.right : line.right === false;
	while (web.length || sip.length) {
		const [w, s] = [web[0], sip[0]];
		const webFirst = !s || w && (w.at < s.at || w.at === s.at && comesIn(w));
		lines.push(webFirst ? web.shift() : sip.shift());
	}
	return lines;
}

function ladder(traffic, log) {
	const lines = merge(respectLines(traffic), sipLines(log));
	const begin = lines[0]?.at ?? 0;
	const blank = ' '.repeat(WIDTH);
	say(`       ${'browser'.padEnd(WIDTH)} gateway${' '.repeat(WIDTH - 4 - scene.far.length)}${scene.far}`);
	for (const line of lines) {
		const ms = String(line.at - begin).padStart(6);
		const web = line.side === 'web' ? arrow(line) : blank;
		const sip = line.side === 'sip' ? arrow(line) : blank;
		say(line.side === 'both' ?
			`${ms} \u2502${`\u2500\u2500 ${line.text} `.padEnd(2 * WIDTH + 1, '\u2500')}\u2502` :
			`${ms} \u2502${web}\u2502${sip}\u2502`);
	}
	say();
}

// ---- the two calls ----

async function demonstrate(page, phone, name, begin) {
	const from = fs.statSync(LOG).size;
	await page.evaluate(() => { globalThis.ladder.length = 0; });
	phone.forget();
	say(`${name}`);
	await begin();
	await page.waitForSelector('.callcard[data-state=connected]', { timeout: 15_000 });
	const browserHears = await hearing({ listen: (s) => listen(page, s) }, phone.hz());
	const phoneHears = await phone.hears(scene.browserHz, hearing);
	await page.click('.callcard[data-state=connected] .hangup');
	await phone.closed();
	await pause(200); // the last lines of the log
	let good = report('the browser', 'the phone', phone.hz(), browserHears);
	good = report('the phone', 'the browser', scene.browserHz, phoneHears) && good;
	say();
	ladder(await page.evaluate(() => globalThis.ladder), fs.readFileSync(LOG).subarray(from).toString('utf8'));
	return good;
}

function howToTry() {
	say('Isthmus stays up.  By hand:');
	scene.howToTry(say, webUrl);
	say(`  Metrics: http://127.0.0.1:${admin}/metrics    Log: ${path.relative(ROOT, LOG)}`);
	say('Ctrl-C ends everything.');
}

async function main() {
	const binary = path.resolve(process.argv[2] ?? path.join(ROOT, 'build/isthmus'));
	fs.mkdirSync(scene.dir, { recursive: true });
	const stop = { asked: false, wake: () => {} };
	for (const signal of ['SIGINT', 'SIGTERM'])
		process.on(signal, () => {
			stop.asked = true;
			stop.wake();
		});
	let isthmus;
	let phone;
	let browser;
	let good = false;
	try {
		isthmus = await startIsthmus(binary);
		phone = await scene.ready(binary);
		browser = await launchBrowser();
		const page = await logIn(browser);
		say(scene.up());
		say();
		good = await demonstrate(page, phone, 'Call 1: the browser calls the phone', async () => {
			await page.fill('#target', scene.target);
			await page.click('#dial-form button');
		});
		good = await demonstrate(page, phone, 'Call 2: the phone calls the browser', async () => {
			await phone.dial();
			await page.click('.answer >> visible=true', { timeout: 15_000 });
		}) && good;
		say(good ? 'Both calls carried sound both ways.' : 'A call did not carry sound.');
		await browser.close();
		browser = null;
		if (!once && good && !stop.asked) {
			say();
			howToTry();
			const idle = setInterval(() => {}, 60_000);
			await new Promise((done) => {
				stop.wake = done;
				isthmus.once('exit', done);
			});
			clearInterval(idle);
			good = stop.asked;
		}
	} catch (error) {
		good = stop.asked;
		if (!stop.asked)
			say(`The demonstration failed: ${error.stack}\nSee ${path.relative(ROOT, LOG)}`);
	} finally {
		await browser?.close().catch(() => {});
		await phone?.stop();
		await stopProcess(isthmus);
	}
	process.exitCode = good ? 0 : 1;
}

await main();
