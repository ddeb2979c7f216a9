// waf.test.mjs - the gateway's own log-in page and token endpoint: the whole
// flow over HTTP/1.1, HTTP/2 and in a browser, and who tries to get round it.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { parse, stringify } from 'yaml';
import { launchBrowser, openPage } from './lib/browser.mjs';
import { PASSWORD, ROOT, startGateway } from './lib/gateway.mjs';
import { ctl } from './lib/ctl.mjs';
import { until } from './lib/process.mjs';
import { connect } from '../lib/respect.mjs';

const PORT = 28100;
const ISSUER = `https://127.0.0.1:${PORT}`;
const BACK = `${ISSUER}/`;
const OTHER = 'https://app.example/back?x=1';
const ALICE = 'sip:alice@demo.example';
const CLIENT = 'phone';

let gateway;

function ask(what, { method = 'GET', form, headers = {} } = {}) {
	const body = form === undefined ? undefined :
		typeof form === 'string' ? form : new URLSearchParams(form).toString();
	return new Promise((resolve, reject) => {
		const request = https.request({
			host: '127.0.0.1', port: PORT, path: what, method, agent: false,
			rejectUnauthorized: false,
			headers: {
				...body === undefined ? {} : {
					'content-type': 'application/x-www-form-urlencoded',
					'content-length': Buffer.byteLength(body),
				}, ...headers,
			},
		}, (response) => {
			let text = '';
			response.on('data', (chunk) => { text += chunk; });
			response.on('end', () => resolve({
				status: response.statusCode, headers: response.headers, text,
				get json() { return JSON.parse(text); },
			}));
		});
		request.on('error', reject);
		request.end(body);
	});
}

const s256 = (verifier) => createHash('sha256').update(verifier).digest('base64url');
const makeVerifier = () => randomBytes(32).toString('base64url');

const parameters = (verifier, more = {}) => ({
	response_type: 'code', client_id: CLIENT, redirect_uri: BACK, state: 'a b&c=<">',
	code_challenge: s256(verifier), code_challenge_method: 'S256', ...more,
});

const unescape = (text) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>')
	.replaceAll('&quot;', '"').replaceAll('&#39;', '\'').replaceAll('&amp;', '&');

/** The page, its cookie and the fields of its form. */
async function openForm(verifier, more = {}) {
	const page = await ask(`/oauth/authorize?${new URLSearchParams(parameters(verifier, more))}`);
	assert.equal(page.status, 200, page.text);
	const fields = Object.fromEntries([...page.text.matchAll(
		/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)]
		.map(([, name, value]) => [name, unescape(value)]));
	const cookie = page.headers['set-cookie'][0].split(';')[0];
	return { page, fields, cookie };
}

async function logIn(verifier, more = {}, { user = 'alice@demo.example', password = PASSWORD,
	change = (form) => form, headers = {} } = {}) {
	const { fields, cookie } = await openForm(verifier, more);
	return ask('/oauth/authorize', {
		method: 'POST', form: change({ ...fields, username: user, password }),
		headers: { cookie, origin: ISSUER, ...headers },
	});
}

async function getCode(verifier, more = {}) {
	const answer = await logIn(verifier, more);
	assert.equal(answer.status, 303, answer.text);
	return new URL(answer.headers.location).searchParams.get('code');
}

const token = (form, headers = {}) => ask('/oauth/token', { method: 'POST', form, headers });

const redeem = (code, verifier, more = {}) => token({
	grant_type: 'authorization_code', client_id: CLIENT, redirect_uri: BACK, code,
	code_verifier: verifier, ...more,
});

const renew = (refresh, more = {}) => token({
	grant_type: 'refresh_token', client_id: CLIENT, refresh_token: refresh, ...more,
});

async function assertFault(answer, status, error) {
	assert.equal(answer.status, status, answer.text);
	assert.equal(answer.json.error, error);
	assert.equal(answer.headers['cache-control'], 'no-store');
}

const payload = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));

async function tryBearer(jwt, webrtcId = ALICE) {
	const c = await connect(gateway.endpoint, { origin: ISSUER });
	try {
		return await c.transact('auth', {
			authType: 'bearer', webrtcId, authorization: `Bearer ${jwt}`,
		});
	} finally {
		c.close();
	}
}

async function reload(change) {
	const file = path.join(gateway.dir, 'isthmus.yaml');
	const config = parse(fs.readFileSync(file, 'utf8'));
	const times = () => gateway.log().split('configuration reloaded').length;
	const earlier = times();
	change(config);
	fs.writeFileSync(file, stringify(config));
	gateway.process.kill('SIGHUP');
	await until(() => times() > earlier, 'the configuration is reloaded');
}

const keyFile = () => path.join(gateway.dir, 'waf-key.pem');

before(async () => {
	gateway = await startGateway({
		name: 'waf', port: PORT,
		extra: {
			web: {
				listen: [`wss://127.0.0.1:${PORT}`], root: path.join(ROOT, 'web'),
				messages_per_s: 200, messages_burst: 400, auth_failures: 100_000,
			},
			waf: {
				enabled: true, issuer: ISSUER, user_failures: 5, user_pause_s: 2,
				key_file: path.join(ROOT, `build/e2e/waf-${PORT}/waf-key.pem`),
				clients: [
					{ id: CLIENT, redirect_uris: [BACK, OTHER] },
					{ id: 'isthmus-phone', redirect_uris: [BACK] },
				],
			},
		},
	});
});

after(() => gateway?.stop());

describe('the flow', () => {
	test('metadata and keys are published, the private key is ours alone', async () => {
		const { json: meta, headers } = await ask('/.well-known/oauth-authorization-server');
		assert.equal(meta.issuer, ISSUER);
		assert.deepEqual(meta.code_challenge_methods_supported, ['S256']);
		assert.equal(meta.token_endpoint, `${ISSUER}/oauth/token`);
		assert.equal(headers['access-control-allow-origin'], '*');
		const { json: jwks } = await ask('/oauth/jwks.json');
		assert.equal(jwks.keys.length, 1);
		assert.deepEqual(Object.keys(jwks.keys[0]).sort(),
			['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
		assert.equal(fs.statSync(keyFile()).mode & 0o777, 0o600);
	});

	test('code, token, auth', async () => {
		const verifier = makeVerifier();
		const answer = await logIn(verifier);
		assert.equal(answer.status, 303);
		const url = new URL(answer.headers.location);
		assert.equal(url.origin + url.pathname, BACK);
		assert.equal(url.searchParams.get('state'), 'a b&c=<">');
		assert.equal(url.searchParams.get('iss'), ISSUER);
		const { status, json, headers } = await redeem(url.searchParams.get('code'), verifier);
		assert.equal(status, 200);
		assert.equal(headers['cache-control'], 'no-store');
		assert.equal(json.token_type, 'Bearer');
		assert.equal(json.webrtcId, ALICE);
		const claims = payload(json.access_token);
		assert.equal(claims.sub, ALICE);
		assert.equal(claims.name, 'Alice');
		assert.equal(claims.exp - claims.iat, json.expires_in);
		const good = await tryBearer(json.access_token);
		assert.equal(good.success, true, JSON.stringify(good));
		assert.ok(good.expiration <= json.expires_in);
		const wrong = await tryBearer(json.access_token, 'sip:bob@demo.example');
		assert.equal(wrong.problemDetails.status, 403);
		const { json: again } = await renew(json.refresh_token);
		assert.notEqual(again.refresh_token, json.refresh_token);
		assert.equal((await tryBearer(again.access_token)).success, true);
	});

	test('a redirect URI with a query keeps it', async () => {
		const answer = await logIn(makeVerifier(), { redirect_uri: OTHER });
		assert.match(answer.headers.location, /^https:\/\/app\.example\/back\?x=1&code=/);
	});

	test('the page has no script, and may not be framed', async () => {
		const { page } = await openForm(makeVerifier(), { state: '"><script>alert(1)</script>' });
		assert.ok(!/<script/i.test(page.text));
		assert.ok(!/ style=| on\w+=/.test(page.text));
		assert.match(page.headers['content-security-policy'], /default-src 'none'/);
		assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
		assert.match(page.headers['set-cookie'][0], /HttpOnly; SameSite=Strict; Secure/);
	});

	test('over HTTP/2 too', async () => {
		const session = http2.connect(ISSUER, { rejectUnauthorized: false });
		const say = (headers, body) => new Promise((resolve, reject) => {
			const stream = session.request(headers);
			let text = '';
			let fields;
			stream.on('response', (h) => { fields = h; });
			stream.on('data', (chunk) => { text += chunk; });
			stream.on('end', () => resolve({ status: fields[':status'], headers: fields, text }));
			stream.on('error', reject);
			stream.end(body);
		});
		try {
			const verifier = makeVerifier();
			const query = new URLSearchParams(parameters(verifier));
			const page = await say({ ':path': `/oauth/authorize?${query}` });
			assert.equal(page.status, 200);
			const csrf = /name="csrf" value="([^"]*)"/.exec(page.text)[1];
			const cookie = page.headers['set-cookie'][0].split(';')[0];
			const type = { 'content-type': 'application/x-www-form-urlencoded' };
			const answer = await say({
				':path': '/oauth/authorize', ':method': 'POST', ...type, origin: ISSUER,
				cookie: ['other=1', cookie],
			}, new URLSearchParams({
				...parameters(verifier), csrf, username: ALICE, password: PASSWORD,
			}).toString());
			assert.equal(answer.status, 303, answer.text);
			const code = new URL(answer.headers.location).searchParams.get('code');
			const got = await say({ ':path': '/oauth/token', ':method': 'POST', ...type },
				new URLSearchParams({
					grant_type: 'authorization_code', client_id: CLIENT, code,
					redirect_uri: BACK, code_verifier: verifier,
				}).toString());
			assert.equal(got.status, 200, got.text);
			const large = await say({ ':path': '/oauth/token', ':method': 'POST', ...type },
				'x'.repeat(20_000));
			assert.equal(large.status, 413);
		} finally {
			session.close();
		}
	});
});

describe('a subscriber of the store', () => {
	const DAN = 'sip:dan@web.example';
	const dan = { user: 'dan@web.example', password: 'open sesame' };
	const run = async (...args) => {
		const { status, stderr } = await ctl(gateway, args, { input: `${dan.password}\n` });
		assert.equal(status, 0, stderr);
	};
	const codeOf = async (verifier) => {
		const answer = await logIn(verifier, {}, dan);
		assert.equal(answer.status, 303, answer.text);
		return new URL(answer.headers.location).searchParams.get('code');
	};

	test('logs in here, and its token says who it is in the core', async () => {
		const verifier = makeVerifier();
		assert.equal((await logIn(verifier, {}, dan)).status, 403);
		await run('subscriber', 'add', DAN, '--password', '--name', 'Dan', '--enrol', 'web',
			'--impi', 'dan@ims.example', '--impu', 'sip:dan@ims.example', '--impu', 'tel:+15550100');
		const { json } = await redeem(await codeOf(verifier), verifier);
		assert.equal(json.webrtcId, DAN);
		const claims = payload(json.access_token);
		assert.deepEqual([claims.sub, claims.name, claims.impi, claims.impus],
			[DAN, 'Dan', 'dan@ims.example', ['sip:dan@ims.example', 'tel:+15550100']]);
		assert.equal((await tryBearer(json.access_token, DAN)).success, true);
		assert.equal((await tryBearer(json.access_token)).problemDetails.status, 403);
		assert.equal((await logIn(verifier, {}, { ...dan, password: 'guess' })).status, 403);
	});

	test('gets no more tokens when it is removed', async () => {
		const verifier = makeVerifier();
		const code = await codeOf(verifier);
		const { json } = await redeem(await codeOf(verifier), verifier);
		const { json: again } = await renew(json.refresh_token);
		await run('subscriber', 'remove', DAN);
		await assertFault(await renew(again.refresh_token), 400, 'invalid_grant');
		await assertFault(await redeem(code, verifier), 400, 'invalid_grant');
		assert.equal((await logIn(verifier, {}, dan)).status, 403);
	});
});

describe('bad requests', () => {
	test('an unknown client or redirect URI is shown, never redirected', async () => {
		const bad = [
			{ client_id: 'stranger' }, { client_id: '' },
			{ redirect_uri: 'https://evil.example/' },
			{ redirect_uri: `${BACK}evil` }, { redirect_uri: BACK.slice(0, -1) },
			{ redirect_uri: `${BACK}?x` }, { redirect_uri: BACK.toUpperCase() },
			{ redirect_uri: `${ISSUER}@evil.example/` }, { redirect_uri: '//evil.example' },
			{ redirect_uri: '' }, { redirect_uri: OTHER, client_id: 'isthmus-phone' },
		];
		for (const change of bad) {
			const query = new URLSearchParams(parameters(makeVerifier(), change));
			const page = await ask(`/oauth/authorize?${query}`);
			assert.equal(page.status, 400, JSON.stringify(change));
			assert.equal(page.headers.location, undefined);
		}
		const twice = `${new URLSearchParams(parameters(makeVerifier()))}&redirect_uri=https%3A%2F%2Fevil.example%2F`;
		assert.equal((await ask(`/oauth/authorize?${twice}`)).status, 400);
	});

	test('other faults go back to the client', async () => {
		const cases = {
			unsupported_response_type: [{ response_type: 'token' }],
			invalid_request: [
				{ response_type: '' }, { code_challenge_method: 'plain' },
				{ code_challenge_method: '' }, { code_challenge: '' },
				{ code_challenge: 'short' }, { code_challenge: '!'.repeat(43) },
				{ state: 'x'.repeat(1000) },
			],
		};
		for (const [error, changes] of Object.entries(cases))
			for (const change of changes) {
				const query = new URLSearchParams(parameters(makeVerifier(), change));
				const answer = await ask(`/oauth/authorize?${query}`);
				assert.equal(answer.status, 303, JSON.stringify(change));
				const url = new URL(answer.headers.location);
				assert.equal(url.origin, ISSUER);
				assert.equal(url.searchParams.get('error'), error);
			}
	});

	test('no line can be put into the answer', async () => {
		const answer = await ask(`/oauth/authorize?${new URLSearchParams(
			parameters(makeVerifier(), { state: 'x\r\nset-cookie: a=b' }))}`);
		assert.equal(answer.status, 303);
		assert.equal(answer.headers['set-cookie'], undefined);
	});

	test('a form from elsewhere is not believed', async () => {
		const cases = [
			{ headers: { cookie: '' } },
			{ headers: { cookie: `isthmus-login=${'A'.repeat(22)}` } },
			{ headers: { origin: 'https://evil.example' } },
			{ headers: { origin: 'null' } },
			{ change: (form) => ({ ...form, csrf: '' }) },
			{ change: (form) => ({ ...form, csrf: 'A'.repeat(43) }) },
			{ change: (form) => ({ ...form, state: 'another' }) },
			{ change: (form) => ({ ...form, code_challenge: s256('x') }) },
			{ change: (form) => ({ ...form, redirect_uri: OTHER }) },
		];
		for (const options of cases) {
			const answer = await logIn(makeVerifier(), {}, options);
			assert.equal(answer.status, 403, JSON.stringify(options));
			assert.equal(answer.headers.location, undefined);
		}
	});

	test('forms one after the other, and in one go, on one connection', async () => {
		const { fields, cookie } = await openForm(makeVerifier());
		const body = new URLSearchParams({ ...fields, username: ALICE, password: PASSWORD }).toString();
		const post = (what, text) => `POST ${what} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n` +
			'Content-Type: application/x-www-form-urlencoded\r\n' +
			`Content-Length: ${text.length}\r\n\r\n${text}`;
		const socket = tls.connect({ host: '127.0.0.1', port: PORT, rejectUnauthorized: false,
			ALPNProtocols: ['http/1.1'] });
		let text = '';
		let closed = false;
		socket.on('data', (chunk) => { text += chunk; });
		socket.on('close', () => { closed = true; });
		socket.on('error', () => {});
		const answers = () => (text.match(/\{"error":"\w+"\}/g) ?? []).length;
		socket.write(post('/oauth/token', 'a=b'));
		await until(() => answers() === 1, 'the first answer');
		socket.write(post('/oauth/token', ''));
		await until(() => answers() === 2, 'the second answer');
		socket.write(post('/oauth/authorize', body));
		await until(() => /^location: /m.test(text), 'the redirect');
		// Before the first is answered, another: not all are.
		socket.write(post('/oauth/authorize', body) + post('/oauth/token', 'a=b'));
		await until(() => closed || answers() >= 3, 'it is answered, or hung up on');
		socket.destroy();
		assert.equal((await ask('/oauth/jwks.json')).status, 200);
	});

	test('what is no form, or no length, or too long', async () => {
		const json = { 'content-type': 'application/json' };
		await assertFault(await token('{}', json), 400, 'invalid_request');
		assert.equal((await ask('/oauth/token', { method: 'POST', form: 'x'.repeat(20_000) })).status, 413);
		assert.equal((await ask('/oauth/token', { method: 'POST',
			headers: { 'transfer-encoding': 'chunked' } })).status, 411);
		assert.equal((await ask('/oauth/token')).status, 405);
		assert.equal((await ask('/oauth/jwks.json', { method: 'POST', form: '' })).status, 405);
		assert.equal((await ask('/oauth/none')).status, 404);
		assert.equal((await ask('/', { method: 'POST', form: 'a=1' })).status, 405);
	});
});

describe('the token endpoint', () => {
	test('answers as RFC 6749 5.2 says', async () => {
		const verifier = makeVerifier();
		await assertFault(await token({ grant_type: 'authorization_code', client_id: CLIENT }),
			400, 'invalid_request');
		await assertFault(await token({ client_id: CLIENT }), 400, 'invalid_request');
		await assertFault(await token({ grant_type: 'password', client_id: CLIENT }),
			400, 'unsupported_grant_type');
		await assertFault(await redeem('x', verifier, { client_id: 'stranger' }),
			401, 'invalid_client');
		await assertFault(await redeem('A'.repeat(44), verifier), 400, 'invalid_grant');
		await assertFault(await renew('A'.repeat(44)), 400, 'invalid_grant');
	});

	test('a wrong verifier, redirect URI or client uses the code up', async () => {
		const verifier = makeVerifier();
		for (const more of [{ code_verifier: makeVerifier() }, { redirect_uri: OTHER }]) {
			const code = await getCode(verifier);
			await assertFault(await redeem(code, verifier, more), 400, 'invalid_grant');
			await assertFault(await redeem(code, verifier), 400, 'invalid_grant');
		}
		const code = await getCode(verifier);
		await assertFault(await redeem(code, verifier, { client_id: 'isthmus-phone' }),
			400, 'invalid_grant');
	});

	test('a code that comes twice revokes what it granted', async () => {
		const verifier = makeVerifier();
		const code = await getCode(verifier);
		const { json } = await redeem(code, verifier);
		await assertFault(await redeem(code, verifier), 400, 'invalid_grant');
		await assertFault(await renew(json.refresh_token), 400, 'invalid_grant');
		assert.ok(await gateway.metric('isthmus_waf_replays_total') >= 1);
	});

	test('a refresh token that comes twice revokes its successors', async () => {
		const verifier = makeVerifier();
		const { json: first } = await redeem(await getCode(verifier), verifier);
		const { json: second } = await renew(first.refresh_token);
		await assertFault(await renew(first.refresh_token), 400, 'invalid_grant');
		await assertFault(await renew(second.refresh_token), 400, 'invalid_grant');
	});

	test('only pages of known clients may read its answer', async () => {
		const good = await token({ client_id: CLIENT }, { origin: 'https://app.example' });
		assert.equal(good.headers['access-control-allow-origin'], 'https://app.example');
		const bad = await token({ client_id: CLIENT }, { origin: 'https://app.example.evil' });
		assert.equal(bad.headers['access-control-allow-origin'], undefined);
	});
});

describe('passwords', () => {
	test('wrong and unknown look alike', async () => {
		const wrong = await logIn(makeVerifier(), {}, { password: 'no' });
		const unknown = await logIn(makeVerifier(), {}, { user: 'zoe@demo.example' });
		assert.equal(wrong.status, 403);
		assert.equal(unknown.status, 403);
		assert.equal(wrong.headers.location, undefined);
		const words = (page) => /<p id="fault"[^>]*>([^<]*)</.exec(page.text)[1];
		assert.equal(words(wrong), words(unknown));
		assert.equal((await logIn(makeVerifier())).status, 303);
	});

	test('one user cannot be guessed at for long, even all at once', async () => {
		const tries = await Promise.all([...Array(12).keys()].map((i) =>
			logIn(makeVerifier(), {}, { user: 'bob@demo.example', password: `p${i}` })));
		const paused = tries.filter((t) => t.status === 429);
		assert.ok(paused.length >= 7, tries.map((t) => t.status).join());
		assert.ok(Number(paused[0].headers['retry-after']) >= 1);
		const right = await logIn(makeVerifier(), {}, { user: 'bob@demo.example' });
		assert.equal(right.status, 429);
		assert.equal((await logIn(makeVerifier())).status, 303); // others go on
		await until(async () => (await logIn(makeVerifier(), {}, { user: 'bob@demo.example' }))
			.status === 303, 'the pause is over', 10_000, 500);
	});

	test('a browser that hangs up while its password is checked harms nobody', async () => {
		const { fields, cookie } = await openForm(makeVerifier());
		const body = new URLSearchParams({ ...fields, username: 'sip:zoe@demo.example', password: 'x' }).toString();
		const before = await gateway.metric('isthmus_waf_logins_total{result="failed"}');
		for (let i = 0; i < 4; i++)
			await new Promise((done) => {
				const request = https.request({
					host: '127.0.0.1', port: PORT, path: '/oauth/authorize', method: 'POST',
					agent: false, rejectUnauthorized: false,
					headers: { 'content-type': 'application/x-www-form-urlencoded', cookie,
						'content-length': body.length },
				});
				request.on('error', () => {});
				request.on('close', done);
				request.end(body, () => setTimeout(() => request.destroy(), 5));
			});
		await until(async () => (await ask('/oauth/jwks.json')).status === 200, 'it lives');
		assert.ok(await gateway.metric('isthmus_waf_logins_total{result="failed"}') >= before);
	});
});

describe('the demo page', () => {
	let browser;
	let page;
	const visible = (selector) => page.waitForSelector(`${selector} >> visible=true`,
		{ timeout: 15_000 });

	before(async () => {
		browser = await launchBrowser();
		page = await openPage(browser, gateway.url);
	});
	after(() => browser?.close());

	test('goes to the account page, where a wrong password is said in words', async () => {
		await visible('#account-button');
		await page.click('#account-button');
		await visible('#username');
		assert.equal(new URL(page.url()).pathname, '/oauth/authorize');
		await page.fill('#username', 'alice@demo.example');
		await page.fill('#password', 'not this');
		await page.click('button[type=submit]');
		await visible('#fault');
		assert.match(await page.textContent('#fault'), /not right/);
		assert.equal(await page.inputValue('#username'), 'sip:alice@demo.example');
	});

	test('and comes back registered, with nothing of it in the address', async () => {
		await page.fill('#password', PASSWORD);
		await page.click('button[type=submit]');
		await visible('#dial-form');
		assert.equal(page.url(), gateway.url);
		assert.equal(await page.textContent('#link-text'), 'Ready');
		const auth = page.traffic.find(({ msg }) => msg.method === 'auth' && msg.authType);
		assert.equal(auth.msg.authType, 'bearer');
	});

	test('a call works', async () => {
		await page.fill('#target', 'echo');
		await page.click('#dial-form button');
		await visible('.callcard[data-state=connected]');
		await page.click('.hangup');
		await visible('.callcard[data-state=ended]');
	});

	test('an old access token is renewed by itself', async () => {
		const before = await gateway.metric('isthmus_waf_tokens_total{grant="refresh",result="ok"}');
		await page.evaluate(() => {
			const kept = JSON.parse(sessionStorage.getItem('isthmus-login:tokens'));
			kept.tokens.until = Date.now();
			for (const key of Object.keys(sessionStorage))
				if (!/^isthmus-(login|demo):/.test(key))
					sessionStorage.removeItem(key); // what would resume
			sessionStorage.setItem('isthmus-login:tokens', JSON.stringify(kept));
		});
		await page.reload();
		await visible('#dial-form');
		assert.equal(await gateway.metric('isthmus_waf_tokens_total{grant="refresh",result="ok"}'),
			before + 1);
	});

	test('logging out forgets the tokens', async () => {
		await page.click('#logout');
		await visible('#login-form');
		assert.equal(await page.evaluate(() => sessionStorage.getItem('isthmus-login:tokens')), null);
		await page.reload();
		await visible('#login-form');
	});

	test('an answer that was not asked for here is refused', async () => {
		await page.goto(`${gateway.url}?code=${'A'.repeat(44)}&state=x&iss=${ISSUER}`);
		await visible('#login-error');
		assert.match(await page.textContent('#login-error'), /not begun here/);
		assert.equal(page.url(), gateway.url);
	});

	test('no page broke its policy', () => {
		// Chromium tells of each answer above 399: the wrong password's.
		assert.deepEqual(page.problems.filter((text) => !/status of 403/.test(text)), []);
	});
});

describe('keys', () => {
	test('a key that is replaced is shown, and believed, until its tokens end', async () => {
		const verifier = makeVerifier();
		const { json } = await redeem(await getCode(verifier), verifier);
		const { json: { keys: [first] } } = await ask('/oauth/jwks.json');
		const old = new Date(Date.now() - 100 * 24 * 3600 * 1000);
		fs.utimesSync(keyFile(), old, old);
		await reload(() => {});
		const { json: { keys } } = await ask('/oauth/jwks.json');
		assert.equal(keys.length, 2);
		assert.notEqual(keys[0].kid, first.kid);
		assert.equal(keys[1].kid, first.kid);
		assert.equal((await tryBearer(json.access_token)).success, true);
		const { json: next } = await redeem(await getCode(verifier), verifier);
		assert.equal((await tryBearer(next.access_token)).success, true);
		fs.utimesSync(`${keyFile()}.old`, old, old);
		await reload(() => {});
		assert.equal((await ask('/oauth/jwks.json')).json.keys.length, 1);
		assert.equal((await tryBearer(json.access_token)).problemDetails.status, 403);
	});

	test('a user that a reload takes away gets no more tokens', async () => {
		const verifier = makeVerifier();
		const { json } = await redeem(await getCode(verifier), verifier);
		let users;
		await reload((config) => {
			({ users } = config);
			config.users = users.filter((user) => user.id !== ALICE);
		});
		await assertFault(await renew(json.refresh_token), 400, 'invalid_grant');
		await reload((config) => { config.users = users; });
	});

	test('switched off, its paths and tokens are nothing', async () => {
		const verifier = makeVerifier();
		const { json } = await redeem(await getCode(verifier), verifier);
		await reload((config) => { config.waf.enabled = false; });
		assert.equal((await ask('/oauth/jwks.json')).status, 404);
		assert.equal((await tryBearer(json.access_token)).problemDetails.status, 403);
		await reload((config) => { config.waf.enabled = true; });
		assert.equal((await tryBearer(json.access_token)).success, true);
	});
});

test('no password, code or token is in the log', () => {
	const log = gateway.log();
	assert.ok(!/eyJ[A-Za-z0-9_-]{20}/.test(log));
	assert.ok(!/code=[A-Za-z0-9]{20}/.test(log));
	assert.ok(!/password=/.test(log));
});
