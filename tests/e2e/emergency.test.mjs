// The library, and the demo page, where somebody calls for help; and what a call
// is about, from one page to another.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser, openPage } from './lib/browser.mjs';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { openClient } from './lib/client.mjs';

const PORT = 29200;

let gateway;
let browser;
const clients = [];

before(async () => {
	gateway = await startGateway({ name: 'emergency', port: PORT,
		extra: { emergency: { text: 'Take your phone and dial 112.',
			numbers: [{ number: '112' }, { number: '110', urn: 'urn:service:sos.police' }] } } });
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
});

async function open(user) {
	const client = await openClient(browser, { ...gateway, user, hz: 440 });

	clients.push(client);
	return client.registered();
}

for (const number of ['112', '1-1-0', 'tel:112', 'urn:service:sos.fire'])
	test(`a page that calls ${number} is told what to do`, async () => {
		const alice = await open('alice');

		await alice.do((target) => { globalThis.ua.call(target); }, number);
		const failed = await alice.event('failed');
		assert.equal(failed.emergency, true);
		assert.equal(failed.status, 380);
		assert.equal(failed.originator, 'remote');
		assert.equal(failed.message, 'Take your phone and dial 112.');
		assert.equal(failed.cause, 'Emergency Call Not Possible');
		assert.match(failed.problemDetails.title, /telephone/);
	});

test('other numbers fail as ever', async () => {
	const alice = await open('alice');

	await alice.do(() => { globalThis.ua.call('911'); });
	const failed = await alice.event('failed');
	assert.equal(failed.emergency, false);
	assert.notEqual(failed.status, 380);
});

test('what a call is about is there before it is answered', async () => {
	const alice = await open('alice');
	const bob = await open('bob');

	await alice.do((target) => { globalThis.ua.call(target, { subject: 'Lunch \u2615?' }); },
		await bob.do(() => globalThis.ua.id));
	await bob.event('confirmed');
	assert.deepEqual(await bob.do(() => globalThis.session.callInfo), { subject: 'Lunch \u2615?' });
	assert.deepEqual(await alice.do(() => globalThis.session.callInfo), {});
	await alice.hangUp();
	assert.equal((await bob.event('ended')).emergency, false);
});

/** The demo page, logged in. */
async function demo(user) {
	const page = await openPage(browser, gateway.url, { hz: 440 });

	clients.push({ close: () => page.context().close() });
	await page.fill('#user', `${user}@demo.example`);
	await page.fill('#password', PASSWORD);
	await page.click('#login-form button');
	await page.waitForSelector('#dial-form >> visible=true');
	return page;
}

test('the demo page shows whom to call', async () => {
	const page = await demo('alice');

	await page.fill('#target', '112');
	await page.click('#dial-form button');
	const card = await page.waitForSelector('.callcard[data-emergency] .state >> visible=true');
	assert.equal(await card.textContent(), 'Take your phone and dial 112.');
});

test('the demo page shows what a call is about', async () => {
	const page = await demo('bob');
	const alice = await open('alice');

	await alice.do(() => { globalThis.ua.call('sip:bob@demo.example', { subject: '<b>Lunch</b>' }); });
	const about = await page.waitForSelector('.callcard[data-state=ringing] .about >> visible=true');
	assert.equal(await about.textContent(), '\u201c<b>Lunch</b>\u201d');
	await alice.hangUp();
});
