// HTTP/2 in a real browser: the page, and its WebSocket as another stream of the
// same connection (RFC 8441); a call over it; and HTTP/1.1 where it is off.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { launchBrowser, openPage } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';

const PORT = 27200;
const PLAIN_PORT = 27400;
const MINE = 440;

let gateway;
let old;
let browser;

const h2Opened = (gw) => gw.metric('isthmus_ws_opened_h2_total');
const protocolOf = (page) => page.evaluate(() =>
	performance.getEntriesByType('navigation')[0].nextHopProtocol);

before(async () => {
	gateway = await startGateway({ name: 'http2', port: PORT });
	old = await startGateway({
		name: 'http2-off', port: PLAIN_PORT, extra: { web: { http2: false } },
	});
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await gateway?.stop();
	await old?.stop();
});

/** A session of Node.js, for what a browser does not show. */
async function session(work) {
	const client = http2.connect(gateway.url, { rejectUnauthorized: false });
	client.on('error', () => {});
	try {
		await new Promise((resolve) => client.once('remoteSettings', resolve));
		return await work(client);
	} finally {
		client.destroy();
	}
}

function ask(client, fields) {
	return new Promise((resolve, reject) => {
		const stream = client.request(fields, { endStream: true });
		let body = '';
		let headers;
		stream.on('response', (h) => { headers = h; });
		stream.setEncoding('utf8');
		stream.on('data', (chunk) => { body += chunk; });
		stream.on('error', reject);
		stream.on('end', () => resolve({ headers, body }));
	});
}

test('HTTP/2 is there without being asked for', async () => {
	await session(async (client) => {
		assert.equal(client.alpnProtocol, 'h2');
		assert.equal(client.remoteSettings.enableConnectProtocol, true);
		const { headers, body } = await ask(client, { ':path': '/' });
		assert.equal(headers[':status'], 200);
		assert.match(headers['content-security-policy'], /default-src 'self'/);
		assert.match(body, /<!doctype html>/i);
		const none = await ask(client, { ':path': '/none' });
		assert.equal(none.headers[':status'], 404);
		assert.equal(JSON.parse(none.body).status, 404);
		const post = await ask(client, { ':path': '/', ':method': 'POST' });
		assert.equal(post.headers[':status'], 405);
		assert.equal(post.headers.allow, 'GET, HEAD');
		const where = await ask(client, { ':path': '/.well-known/3gpp-respect' });
		assert.equal(JSON.parse(where.body).endpoint, gateway.endpoint);
	});
});

test('the page comes over HTTP/2, and so does its WebSocket', async () => {
	const page = await openPage(browser, gateway.url);
	assert.equal(await protocolOf(page), 'h2');
	const sockets = await gateway.metric('isthmus_ws_h2_sockets_total');
	const before = await h2Opened(gateway);
	await page.fill('#user', 'alice@demo.example');
	await page.fill('#password', 'demo');
	await page.click('#login-form button');
	await page.waitForSelector('#dial-form >> visible=true');
	assert.equal(await h2Opened(gateway), before + 1);
	// on the connection of the page: no other was made
	assert.equal(await gateway.metric('isthmus_ws_h2_sockets_total'), sockets);
	assert.match(gateway.log(), /open from 127\.0\.0\.1:\d+ \(HTTP\/2\)/);
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

test('a call is made over such a WebSocket', async () => {
	const before = await h2Opened(gateway);
	const client = await openClient(browser, {
		url: gateway.url, endpoint: gateway.endpoint, user: 'bob', hz: MINE,
	});
	await client.registered();
	assert.equal(await h2Opened(gateway), before + 1);
	await client.call('sip:echo@demo.example');
	await assertHears(client, MINE);
	await client.hangUp();
	await client.event('ended');
	await client.close();
});

test('its close is clean on both sides', async () => {
	const page = await openPage(browser, new URL('favicon.svg', gateway.url).href);
	const closes = await page.evaluate(async (endpoint) => {
		const one = (act) => new Promise((resolve) => {
			const ws = new WebSocket(endpoint, '3gpp.RESPECT.v1');
			ws.onopen = () => act(ws);
			ws.onclose = (e) => resolve([e.code, e.wasClean]);
		});
		return [
			await one((ws) => ws.close(3001, 'mine')),
			await one((ws) => ws.send('not json')),
			await one((ws) => ws.send(new Uint8Array(3))),
			await one((ws) => ws.send('x'.repeat(70000))),
			await one((ws) => ws.close()),
		];
	}, gateway.endpoint);
	assert.deepEqual(closes, [[3001, true], [1007, true], [1003, true],
		[1009, true], [1005, true]]);
	await page.context().close();
	await until(async () => await gateway.metric('isthmus_ws_connections') === 0,
		'every WebSocket is gone');
});

test('another origin is refused there as well', async () => {
	await session(async (client) => {
		const stream = client.request({
			':method': 'CONNECT', ':protocol': 'websocket',
			':path': '/3gpp-respect/v1', ':scheme': 'https',
			'sec-websocket-protocol': '3gpp.RESPECT.v1',
			origin: 'https://evil.example',
		}, { endStream: false });
		stream.on('error', () => {});
		const headers = await new Promise((resolve) =>
			stream.once('response', resolve));
		assert.equal(headers[':status'], 403);
		stream.close();
	});
});

test('a malformed frame in half a DATA frame ends one stream only', async () => {
	const before = await gateway.metric('isthmus_ws_closed_total');
	await session(async (client) => {
		const stream = client.request({
			':method': 'CONNECT', ':protocol': 'websocket',
			':path': '/3gpp-respect/v1', ':scheme': 'https',
			'sec-websocket-protocol': '3gpp.RESPECT.v1',
			origin: new URL(gateway.url).origin,
		}, { endStream: false });
		const chunks = [];
		stream.on('error', () => {});
		stream.on('data', (chunk) => chunks.push(chunk));
		const headers = await new Promise((resolve) =>
			stream.once('response', resolve));
		assert.equal(headers[':status'], 200);
		stream.write(Buffer.from([0x83, 0xfe, 0x10, 0, 1, 2, 3, 4, 5]));
		await new Promise((resolve) => stream.once('close', resolve));
		const all = Buffer.concat(chunks);
		assert.equal(all[0], 0x88);
		assert.equal(all.readUInt16BE(2), 1002);
		const { headers: again } = await ask(client, { ':path': '/' });
		assert.equal(again[':status'], 200);
	});
	assert.equal(await gateway.metric('isthmus_ws_closed_total'), before + 1);
});

test('where it is off, all the same works over HTTP/1.1', async () => {
	const page = await openPage(browser, old.url);
	assert.equal(await protocolOf(page), 'http/1.1');
	await page.fill('#user', 'alice@demo.example');
	await page.fill('#password', 'demo');
	await page.click('#login-form button');
	await page.waitForSelector('#dial-form >> visible=true');
	assert.equal(await h2Opened(old), 0);
	assert.equal(await old.metric('isthmus_ws_opened_total'), 1);
	await page.context().close();
});
