// tokens.test.mjs - bearer tokens of a provider outside: its key set, rotation,
// every way it can fail, introspection, and tokens that lie.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { PASSWORD, ROOT, startGateway, workDir } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { Provider, makeCertificate, makeKey, now, signToken } from './lib/provider.mjs';
import { connect } from '../lib/respect.mjs';

const PORT = 28000;
const PROVIDER = 28090;
const CAROL = 'sip:carol@provider.example';
const ISSUER = 'https://login.example';

let dir;
let files;
let gateway;
let provider;
let fetched;
const open = [];
const keys = {
	ec: makeKey('ec-1'), rsa: makeKey('rsa-1', 'RS256'), ed: makeKey('ed-1', 'EdDSA'),
	next: makeKey('ec-2'), stranger: makeKey('stranger'), weak: makeKey('enc-1'),
};
keys.weak.jwk.use = 'enc';

const claims = (more = {}) => ({
	iss: ISSUER, aud: 'isthmus', sub: CAROL, iat: now(), exp: now() + 600, ...more,
});

async function client() {
	const c = await connect(gateway.endpoint, { origin: gateway.url.slice(0, -1) });
	open.push(c);
	return c;
}

/** The response to auth with @token. */
async function tryToken(token, c = null, webrtcId = CAROL) {
	c ??= await client();
	return c.transact('auth', {
		authType: 'bearer', webrtcId, authorization: `Bearer ${token}`,
	});
}

async function assertGood(token) {
	const response = await tryToken(token);
	assert.equal(response.success, true, JSON.stringify(response));
	return response;
}

async function assertRefused(token, status) {
	const response = await tryToken(token);
	assert.equal(response.success, false);
	assert.equal(response.problemDetails.status, status, JSON.stringify(response));
	if (status === 503)
		assert.ok(response.retryAfter > 0);
	return response;
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

/** The key set is forgotten and asked for anew. */
async function fetchAnew() {
	const { url } = provider;
	await reload((config) => {
		config.auth.jwks_url = config.auth.jwks_url.includes('?') ? `${url}/keys` : `${url}/keys?2`;
	});
}

before(async () => {
	dir = workDir('tokens');
	files = makeCertificate(dir, 'provider');
	provider = new Provider(files, PROVIDER);
	provider.keys = [keys.ec, keys.rsa, keys.ed, keys.weak];
	await provider.start();
	gateway = await startGateway({
		name: 'tokens', port: PORT,
		extra: {
			web: {
				listen: [`wss://127.0.0.1:${PORT}`], root: path.join(ROOT, 'web'),
				auth_failures: 100_000, messages_per_s: 200, messages_burst: 400,
			},
			auth: {
				issuer: ISSUER, audience: 'isthmus', jwks_url: `${provider.url}/keys`,
				jwks_refetch_s: 1, ca_file: files.certificate, fetch_timeout_ms: 1500,
			},
		},
	});
	await until(async () => await gateway.metric('isthmus_jwks_keys') === 3, 'the keys are there');
	fetched = Date.now();
});

afterEach(() => {
	for (const c of open.splice(0))
		c.close();
	provider.keysHandler = null;
	provider.introspectHandler = null;
});

after(async () => {
	await gateway?.stop();
	await provider?.stop();
});

describe('keys of the provider', () => {
	test('each algorithm is accepted', async () => {
		for (const key of [keys.ec, keys.rsa, keys.ed])
			await assertGood(signToken(key, claims()));
	});

	test('a registration ends with its token at the latest', async () => {
		const response = await assertGood(signToken(keys.ec, claims({ exp: now() + 100 })));
		assert.ok(response.expiration <= 100 && response.expiration >= 90);
	});

	test('alg: none, HMAC by the public key, and another key type are refused', async () => {
		for (const alg of ['none', 'HS256', 'RS256'])
			await assertRefused(signToken(keys.ec, claims(), { alg }), 403);
		await assertRefused(signToken({ ...keys.rsa, alg: 'RS256' }, claims(), { alg: 'ES256' }), 403);
	});

	test('a key for encryption signs nothing', async () => {
		await assertRefused(signToken(keys.weak, claims()), 403);
	});

	test('who shows a wrong token is hung up on', async () => {
		const c = await client();
		await tryToken(signToken(keys.ec, claims({ exp: now() - 60 })), c);
		assert.equal((await c.closed).code, 1008);
	});

	test('forged, expired, of another issuer, for another, for another user', async () => {
		await assertRefused(signToken({ ...keys.stranger, kid: 'ec-1' }, claims()), 403);
		await assertRefused(signToken(keys.ec, claims({ exp: now() - 60 })), 403);
		await assertRefused(signToken(keys.ec, claims({ iss: 'https://evil.example' })), 403);
		await assertRefused(signToken(keys.ec, claims({ aud: 'other' })), 403);
		await assertRefused(signToken(keys.ec, claims({ sub: 'sip:dave@provider.example' })), 403);
		await assertRefused('opaque', 403);
	});

	test('identities of the core that are none make the token none', async () => {
		await assertGood(signToken(keys.ec, claims({
			impi: 'carol@ims.example', impus: ['sip:carol@ims.example', 'tel:+1555'],
		})));
		await assertRefused(signToken(keys.ec, claims({ impus: ['<sip:x@y>'] })), 403);
	});
});

describe('rotation', () => {
	test('an unknown kid fetches the set once, and is accepted', async () => {
		await until(() => Date.now() - fetched > 1100, 'the pause between fetches is over');
		provider.keys = [keys.next];
		const earlier = provider.count('/keys');
		const token = signToken(keys.next, claims());
		const all = await Promise.all([1, 2, 3, 4, 5].map(() => tryToken(token)));
		assert.ok(all.every((response) => response.success), JSON.stringify(all));
		assert.equal(provider.count('/keys'), earlier + 1);
	});

	test('the key that was taken away is refused', async () => {
		await assertRefused(signToken(keys.ec, claims()), 403);
	});

	test('many unknown kids do not make many fetches', async () => {
		const earlier = provider.count('/keys');
		const began = Date.now();
		for (let i = 0; i < 10; i++)
			await assertRefused(signToken({ ...keys.stranger, kid: `k${i}` }, claims()), 403);
		assert.ok(provider.count('/keys') - earlier <= 1 + (Date.now() - began) / 1000);
		assert.ok(await gateway.metric('isthmus_jwks_unknown_kid_total') >= 10);
	});
});

describe('a provider that fails', () => {
	const faults = {
		'answers 500': (request, response) => response.writeHead(500).end(),
		'redirects': (request, response) => response.writeHead(302,
			{ location: `${provider.url}/elsewhere` }).end(),
		'sends no JSON': (request, response) => response.end('<html>'),
		'sends no usable key': (request, response) => response.end('{"keys":[{"kty":"oct"}]}'),
		'sends too much': (request, response) => response.end(
			`{"keys":[],"x":"${'x'.repeat(200_000)}"}`),
		'hangs up': (request, response) => response.destroy(),
		'says nothing': () => {},
		'never ends': (request, response) => {
			response.write('{"keys":[');
			const timer = setInterval(() => response.write(' '), 50);
			response.on('close', () => clearInterval(timer));
		},
	};
	for (const [name, handler] of Object.entries(faults)) {
		test(`${name}: known keys go on, others get 503`, async () => {
			provider.keysHandler = handler;
			await until(async () => (await tryToken(signToken(
				{ ...keys.stranger, kid: name }, claims()))).problemDetails.status === 503,
			'503', 10_000, 200);
			await assertGood(signToken(keys.next, claims()));
			provider.keysHandler = null;
			await until(async () => (await tryToken(signToken(
				{ ...keys.stranger, kid: name }, claims()))).problemDetails.status === 403,
			'the provider is back', 10_000, 200);
		});
	}

	test('unreachable is said once, not at every token', async () => {
		await provider.stop();
		const lines = () => gateway.log().split('\n')
			.filter((line) => /warn.*jwks/i.test(line)).length;
		const earlier = lines();
		await until(async () => (await tryToken(signToken(keys.stranger, claims())))
			.problemDetails.status === 503, '503', 10_000, 200);
		for (let i = 0; i < 5; i++)
			await assertRefused(signToken(keys.stranger, claims()), 503);
		await assertGood(signToken(keys.next, claims()));
		assert.equal(lines(), earlier + 1);
		provider = Object.assign(new Provider(files, PROVIDER), {
			keys: provider.keys, requests: provider.requests,
		});
		await provider.start();
		await until(async () => (await tryToken(signToken(keys.stranger, claims())))
			.problemDetails.status === 403, 'back', 15_000, 200);
	});

	test('a certificate that nobody vouches for is not believed', async () => {
		await reload((config) => { delete config.auth.ca_file; });
		await fetchAnew();
		await until(async () => (await tryToken(signToken(keys.next, claims())))
			.problemDetails?.status === 503, '503', 10_000, 200);
		await reload((config) => { config.auth.ca_file = files.certificate; });
		await fetchAnew();
		await until(async () => (await tryToken(signToken(keys.next, claims()))).success,
			'believed again', 10_000, 200);
	});

	test('while a token waits its connection goes on, and a second auth is 409', async () => {
		await until(async () => {
			provider.keysHandler = () => {};
			await new Promise((done) => setTimeout(done, 1100));
			const c = await client();
			const token = signToken({ ...keys.stranger, kid: 'slow' }, claims());
			const first = tryToken(token, c);
			const info = await c.transact('getinfo', { resources: ['registration'] });
			assert.equal(info.success, true);
			const second = await tryToken(token, c);
			assert.equal(second.problemDetails.status, 409);
			return (await first).problemDetails.status === 503;
		}, 'it waited', 15_000);
	});

	test('only so many tokens wait', async () => {
		const many = await Promise.all([...Array(80).keys()].map(() => client()));
		await new Promise((done) => setTimeout(done, 1100)); // it may be asked again
		provider.keysHandler = () => {};
		let waiting = 0;
		const answers = many.map((c, i) => tryToken(
			signToken({ ...keys.stranger, kid: `w${i}` }, claims()), c));
		await until(async () => {
			waiting = Math.max(waiting, await gateway.metric('isthmus_respect_auth_waiting'));
			return waiting === 64;
		}, 'the waiting room is full', 5000, 20);
		for (const answer of await Promise.all(answers))
			assert.equal(answer.problemDetails.status, 503);
		assert.equal(await gateway.metric('isthmus_respect_auth_waiting'), 0);
	});

	test('a password is not held up by slow tokens', async () => {
		provider.keysHandler = () => {};
		await Promise.all([...Array(20).keys()].map((i) => client().then((c) => {
			tryToken(signToken({ ...keys.stranger, kid: `h${i}` }, claims()), c).catch(() => {});
		})));
		const c = await client();
		const began = Date.now();
		await c.authBasic('sip:alice@demo.example', PASSWORD);
		assert.ok(Date.now() - began < 1400, `${Date.now() - began} ms`);
	});
});

describe('introspection', () => {
	before(async () => {
		provider.tokens = new Map([
			['good', { active: true, sub: CAROL, exp: now() + 300, aud: 'isthmus', iss: ISSUER }],
			['no-exp', { active: true, sub: CAROL }],
			['over', { active: true, sub: CAROL, exp: now() - 100 }],
			['others', { active: true, sub: CAROL, aud: 'other' }],
			['nobody', { active: true }],
			['dave', { active: true, sub: 'sip:dave@provider.example' }],
			['& =', { active: true, sub: CAROL }],
		]);
		await reload((config) => {
			Object.assign(config.auth, {
				introspection_url: `${provider.url}/introspect`,
				introspection_client: 'gateway', introspection_secret: 's3cret/&',
				introspection_cache_s: 60,
			});
		});
	});

	test('an active token is accepted, for as long as it lives', async () => {
		const response = await assertGood('good');
		assert.ok(response.expiration <= 300);
		await assertGood('no-exp');
		await assertGood('& =');
	});

	test('what is not active, not for us, or nobody is refused', async () => {
		for (const token of ['unheard-of', 'over', 'others', 'nobody', 'dave'])
			await assertRefused(token, 403);
	});

	test('an answer is kept for a while', async () => {
		const earlier = provider.count('/introspect');
		await assertGood('good');
		await assertRefused('over', 403);
		assert.equal(provider.count('/introspect'), earlier);
	});

	test('a token of a known key that is wrong is not asked about', async () => {
		const earlier = provider.count('/introspect');
		await assertRefused(signToken(keys.next, claims({ exp: now() - 60 })), 403);
		assert.equal(provider.count('/introspect'), earlier);
	});

	test('failing: 503, and nothing is kept', async () => {
		const faults = [
			(request, response) => response.writeHead(500).end(),
			(request, response) => response.end('{"active":"yes"}'),
			(request, response) => response.end(' '.repeat(100_000)),
			() => {},
		];
		for (const [i, fault] of faults.entries()) {
			provider.introspectHandler = fault;
			await assertRefused(`f${i}`, 503);
			provider.introspectHandler = null;
			await assertRefused(`f${i}`, 403);
		}
	});

	test('too many at once: 503 for those above the limit', async () => {
		const many = await Promise.all([...Array(90).keys()].map(() => client()));
		provider.introspectHandler = () => {};
		const answers = await Promise.all(many.map((c, i) => tryToken(`m${i}`, c)));
		assert.ok(answers.every((a) => a.problemDetails.status === 503));
		assert.ok(await gateway.metric('isthmus_introspections_total{result="too_many"}') >= 20);
	});
});

test('no token and no secret is in the log', () => {
	const log = gateway.log();
	assert.ok(!log.includes('s3cret'));
	assert.ok(!/eyJ[A-Za-z0-9_-]{20}/.test(log));
});
