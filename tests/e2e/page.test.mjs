// The demo page as a person uses it: log in, call the phone, keypad, hold,
// reload in the middle of a call, answer, hang up; narrow and wide.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { launchBrowser, listen, openPage } from './lib/browser.mjs';
import { startBaresip } from './lib/baresip.mjs';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence } from './lib/client.mjs';
import { until } from './lib/process.mjs';

const PORT = 24700;
const PHONE = 24750;
const MINE = 440;
const THEIRS = 1000;

let gateway;
let phone;
let browser;
let page;
let ears;

before(async () => {
	gateway = await startGateway({
		name: 'page', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
	});
	phone = await startBaresip({
		dir: path.join(gateway.dir, 'phone'), port: PHONE, hz: THEIRS,
	});
	browser = await launchBrowser();
	page = await openPage(browser, gateway.url, {
		hz: MINE, viewport: { width: 1200, height: 800 },
	});
	ears = { listen: (seconds) => listen(page, seconds) };
});

after(async () => {
	await browser?.close();
	await phone?.stop();
	await gateway?.stop();
});

const visible = (selector, timeout = 15_000) =>
	page.waitForSelector(`${selector} >> visible=true`, { timeout });

test('a wrong password is said in words', async () => {
	await page.fill('#user', 'alice@demo.example');
	await page.fill('#password', 'not this');
	await page.click('#login-form button');
	await visible('#login-error');
	assert.match(await page.textContent('#login-error'), /not right/);
});

test('logging in shows the phone', async () => {
	await page.fill('#password', PASSWORD);
	await page.click('#login-form button');
	await visible('#dial-form');
	assert.equal(await page.textContent('#link-text'), 'Ready');
});

test('calling the phone carries both tones', async () => {
	await page.fill('#target', `sip:phone@127.0.0.1:${PHONE}`);
	await page.click('#dial-form button');
	await visible('.callcard[data-state=connected]');
	await assertHears(ears, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
	await until(async () => Number(await page.getAttribute('.meter:has(.theirs)',
		'aria-valuenow')) > 30, 'their level shows');
});

test('the keypad sends digits', async () => {
	await page.click('.keys');
	for (const digit of ['4', '2', '#'])
		await page.click(`.pad [data-digit="${digit}"]`);
	await until(() => phone.digits === '42#', `digits arrive (${phone.digits})`);
	await page.click('.keys');
});

test('a reload in the middle of the call takes it over', async () => {
	await page.reload();
	await visible('.callcard[data-state=connected]');
	await assertHears(ears, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
	assert.equal(phone.count('CALL_CLOSED'), 0);
	assert.match(await page.textContent('#log'), /taken over/);
});

test('a second reload does so again', async () => {
	await page.reload();
	await visible('.callcard[data-state=connected]');
	await assertHears(ears, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
});

test('hold and resume by the buttons', async () => {
	await page.click('.hold');
	await visible('.callcard[data-state=held]');
	await assertSilence(ears);
	await page.click('.hold');
	await visible('.callcard[data-state=connected]');
	await assertHears(ears, THEIRS, { not: MINE });
});

test('hanging up ends it at the phone', async () => {
	await page.click('.hangup');
	await phone.event('CALL_CLOSED');
	await visible('.callcard[data-state=ended]');
});

test('a call of the phone rings, is answered and ended by the phone', async () => {
	phone.events.length = 0;
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await visible('.answer');
	await page.click('.answer');
	await visible('.callcard[data-state=connected]');
	await assertHears(ears, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
	await phone.hangup();
	await visible('.callcard[data-state=ended]');
});

test('a second call waits, is answered, and both are swapped by the buttons', async () => {
	await page.fill('#target', 'echo');
	await page.click('#dial-form button');
	const first = '.callcard:has-text("echo")';
	await visible(`${first}[data-state=connected]`);
	await assertHears(ears, MINE);
	phone.events.length = 0;
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	const second = '.callcard:has(.answer:visible)';
	await visible(second);
	assert.match(await page.textContent(`${second} .answer`), /Hold and answer/);
	await page.click(`${second} .answer`);
	await visible(`${first}[data-state=held]`);
	const phoneCard = '.callcard:has-text("phone")[data-state=connected]';
	await visible(phoneCard);
	await assertHears(ears, THEIRS);
	await page.click(`${first}[data-state=held] .hold`); // Resume
	await visible(`${first}[data-state=connected]`);
	await visible('.callcard:has-text("phone")[data-state=held]');
	await page.click(`${first}[data-state=connected] .hangup`);
	await page.click('.callcard:has-text("phone")[data-state=held] .hangup');
	await phone.event('CALL_CLOSED');
});

test('the phone is handed over by the button, and talks without the page', async () => {
	const card = '.callcard:has-text("phone")[data-state=connected]';
	await page.fill('#target', `sip:phone@127.0.0.1:${PHONE}`);
	await page.click('#dial-form button');
	await visible(card);
	await assertHears(phone, MINE, { not: THEIRS });
	phone.events.length = 0;
	await page.click(`${card} .transfer`);
	await page.fill(`${card} .transfer-form input`, 'echo');
	await page.click(`${card} .leave`);
	await until(async () => await page.locator(card).count() === 0, 'the card is done');
	await assertHears(phone, THEIRS, { not: MINE }); // its own, from the echo
	await phone.hangup();
});

test('two calls are joined by the button', async () => {
	const card = (who) => `.callcard:has-text("${who}")`;
	await page.fill('#target', 'echo');
	await page.click('#dial-form button');
	await visible(`${card('echo')}[data-state=connected]`);
	assert.equal(await page.isVisible(`${card('echo')}[data-state=connected] .join`), false);
	await page.fill('#target', `sip:phone@127.0.0.1:${PHONE}`);
	await page.click('#dial-form button');
	const talks = `${card('phone')}[data-state=connected]`;
	await visible(talks);
	await page.click(`${talks} .transfer`);
	await visible(`${talks} .join`);
	assert.match(await page.textContent(`${talks} .join`), /Join with .*echo/);
	await page.click(`${talks} .join`);
	await until(async () => await page.locator('.callcard[data-state=connected], ' +
		'.callcard[data-state=held]').count() === 0, 'both cards are done');
	await assertHears(phone, THEIRS, { not: MINE });
	await phone.hangup();
});

test('a camera that the other side does not take is said in words', async () => {
	await page.fill('#target', `sip:phone@127.0.0.1:${PHONE}`);
	await page.click('#dial-form button');
	await visible('.callcard[data-state=connected]');
	await page.click('.callcard[data-state=connected] .video');
	await visible('.trouble');
	assert.match(await page.textContent('.callcard[data-state=connected] .trouble'), /Video: /);
	assert.equal(await page.evaluate(() => globalThis.isthmus.sessions[0]
		.localStream.getVideoTracks().length), 0);
	await assertHears(ears, THEIRS, { not: MINE });
});

test('the page says how the call sounds', async () => {
	await visible('.callcard[data-state=connected] .opinion:not(:empty)', 20_000);
	assert.match(await page.textContent('.callcard[data-state=connected] .opinion'),
		/You hear (very )?good \(\d\.\d\)/);
});

test('another microphone can be chosen in the call', async () => {
	await page.click('#devices summary');
	await until(() => page.evaluate(() =>
		document.getElementById('microphone').options.length > 1), 'devices are listed');
	await page.selectOption('#microphone', { index: 1 });
	await until(async () => /Now with/.test(await page.textContent('#log')), 'it is in use');
	await assertHears(phone, MINE, { not: THEIRS });
	await page.selectOption('#microphone', { index: 0 });
	await page.click('#devices summary');
	await page.click('.callcard[data-state=connected] .hangup');
	await phone.event('CALL_CLOSED', 0);
});

test('messages are written and read', async () => {
	await page.click('#chat summary');
	await page.fill('#chat-to', 'alice'); // to oneself: comes back here
	await page.fill('#chat-text', 'h\u00e9llo <b>me</b>');
	await page.click('#chat-form button');
	await visible('#chat-lines li:not(.mine)');
	assert.match(await page.textContent('#chat-lines li:not(.mine)'), /h\u00e9llo <b>me<\/b>/);
	await visible('#chat-lines .mine small:has-text("\u2713")');
	await page.fill('#chat-to', 'bob');
	await page.fill('#chat-text', 'anybody?');
	await page.click('#chat-form button');
	await visible('#chat-lines .mine small.bad-news');
});

test('the call log carries no secret', async () => {
	await page.check('#log-wire');
	await page.reload();
	await visible('#dial-form');
	const text = await page.textContent('#log');
	assert.ok(!text.includes(PASSWORD));
	const credential = page.traffic.map(({ msg }) => msg.reauthCredential)
		.filter(Boolean).at(-1);
	assert.ok(credential);
	assert.ok(!text.includes(credential));
});

test('on a telephone\'s screen nothing runs over the edge', async () => {
	await page.setViewportSize({ width: 390, height: 844 });
	await page.fill('#target', 'echo');
	await page.click('#dial-form button');
	await visible('.callcard[data-state=connected]');
	await page.click('.callcard[data-state=connected] .keys');
	await page.click('.callcard[data-state=connected] .transfer');
	await visible('.transfer-form');
	const [content, window] = await page.evaluate(() =>
		[document.documentElement.scrollWidth, innerWidth]);
	assert.ok(content <= window, `${content} > ${window}`);
	// A finger needs some room: WCAG 2.5.8 asks for 24 pixels.
	const small = await page.evaluate(() => [...document.querySelectorAll('button, select')]
		.filter((b) => b.offsetParent && b.getBoundingClientRect().height < 24)
		.map((b) => b.textContent));
	assert.deepEqual(small, []);
	await page.click('.callcard[data-state=connected] .hangup');
});

test('the page ran without an error', () => {
	assert.deepEqual(page.problems, []);
});
