// identities.test.mjs - who is registered in the core as whom: by what a token
// says, as the store has it, or with an identity of the pool; and for how long.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { makeKey, now, signToken } from '../e2e/lib/provider.mjs';
import { PASSWORD, workDir } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { connect } from '../lib/respect.mjs';
import { hss, startImsGateway } from './lib.mjs';

const PORT = 29100;
const PAGE = `https://127.0.0.1:${PORT}`; // the account page
const ISSUER = 'https://login.example';
const NOBODY = 'sip:anonymous@anonymous.invalid';
const key = makeKey('k1');
let gateway;
const opened = [];

const stateOf = (user) => hss('list', `${user}@ims.test`).split(' ')[1];
const gone = (user) => until(() => stateOf(user) !== 'registered', `${user} is not registered`);
const refusal = (promise) => promise.then(() => assert.fail('not refused'), (error) => error);
const logOut = (client) => client.auth({ authType: 'basic', webrtcId: client.granted, expiration: 0 });

async function open() {
	const client = await connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
	opened.push(client);
	return client;
}

/** Logs in with a token of these claims. */
async function bearer(webrtcId, claims, members = {}) {
	const client = await open();
	const token = signToken(key, {
		iss: ISSUER, aud: 'isthmus', sub: webrtcId, exp: now() + 600, ...claims,
	});
	client.granted = webrtcId;
	client.done = client.authBearer(webrtcId, token, members);
	client.done.catch(() => {});
	return client;
}

async function anonymous() {
	const client = await open();
	const { webrtcId } = await client.auth({ authType: 'anonymous', webrtcId: NOBODY });
	client.granted = webrtcId;
	return client;
}

/** A client that log-in makes, once what was lent before has cooled down. */
async function lent(logIn) {
	let client;
	await until(async () => {
		client = await logIn();
		return (client.done ?? Promise.resolve()).then(() => true, () => false);
	}, 'an identity is lent', 10_000);
	return client;
}

const identitiesOf = async (client) =>
	(await client.request('getinfo', { resources: ['registration'] })).resources.registration.identities;

before(async () => {
	const dir = workDir('identities');
	const file = path.join(dir, 'key.pem');
	fs.writeFileSync(file, key.publicKey.export({ type: 'spki', format: 'pem' }));
	gateway = await startImsGateway('identities', PORT, {
		ims: { pool_anonymous: true, pool_users: ['sip:*@guests.example'], pool_cool_s: 1 },
		extra: {
			auth: {
				issuer: ISSUER, audience: 'isthmus', ttl_max_s: 20,
				keys: [{ kid: 'k1', alg: 'ES256', file }],
			},
			waf: {
				enabled: true, issuer: PAGE, key_file: path.join(dir, 'waf.pem'),
				clients: [{ id: 'phone', redirect_uris: [`${PAGE}/`] }],
			},
		},
	});
	await gateway.add('sip:bob@web.example', '--enrol', 'web', '--subject', 'user-4711',
		'--impi', 'bob@ims.test', '--impu', 'sip:bob@ims.test');
	await gateway.run('pool', 'add', 'pool2@ims.test', 'sip:pool2@ims.test');
});
after(() => gateway?.stop());
afterEach(async () => {
	for (const client of opened.splice(0)) {
		if (client.closeCode === null && client.granted)
			await logOut(client).catch(() => {});
		client.socket.terminate();
	}
	await until(async () => await gateway.metric('isthmus_enrolments') === 0, 'all have left');
});

describe('a token', () => {
	test('that names identities registers its bearer as them', async () => {
		const client = await bearer('sip:someone@provider.example',
			{ impi: 'alice@ims.test', impus: ['sip:alice@ims.test', 'tel:+1-555-0101'] });
		await client.done;
		assert.equal(stateOf('alice'), 'registered');
		assert.deepEqual((await identitiesOf(client)).sort(), ['sip:+15550101@ims.test',
			'sip:alice@ims.test', 'sip:someone@provider.example', 'tel:+15550101'].sort());
		await logOut(client);
		await gone('alice');
	});

	test('with a private identity alone is enough', async () => {
		const client = await bearer('sip:alice@ims.test', { impi: 'alice@ims.test' });
		await client.done;
		assert.equal(stateOf('alice'), 'registered');
	});

	test('is of the subscriber whose subject it has, and registers what the store says', async () => {
		const client = await bearer('sip:bob@web.example', { sub: 'user-4711' });
		await client.done;
		assert.equal(stateOf('bob'), 'registered');
		assert.ok((await identitiesOf(client)).includes('tel:+15550102'));
	});

	for (const [what, webrtcId, claims] of [
		['a private identity with a public one of somebody else', 'sip:x@provider.example',
			{ impi: 'alice@ims.test', impus: 'sip:load8@ims.test' }],
		['an identity beside those that the core grants', 'sip:x@provider.example',
			{ impi: 'alice@ims.test', impus: ['sip:alice@ims.test', 'sip:load8@ims.test'] }],
		['who is unknown to the core', 'sip:x@provider.example', { impi: 'nobody@ims.test' }],
		['another than the subscriber is', 'sip:bob@web.example',
			{ sub: 'user-4711', impi: 'alice@ims.test' }],
		['what is no identity', 'sip:x@provider.example', { impi: 'no body' }],
	])
		test(`that names ${what} is refused, and hung up on`, async () => {
			const client = await bearer(webrtcId, claims);
			assert.equal((await refusal(client.done)).status, 403);
			assert.equal((await client.closed).code, 1008);
			for (const user of ['alice', 'bob', 'load8'])
				await gone(user);
		});
});

/** POST of a form, or GET. */
function ask(what, { form, cookie } = {}) {
	const body = form && new URLSearchParams(form).toString();
	return new Promise((resolve, reject) => {
		const request = https.request(`${PAGE}${what}`, {
			method: body ? 'POST' : 'GET', rejectUnauthorized: false, agent: false,
			headers: {
				...cookie ? { cookie, origin: PAGE } : {},
				...body ? {
					'content-type': 'application/x-www-form-urlencoded',
					'content-length': Buffer.byteLength(body),
				} : {},
			},
		}, (response) => {
			let text = '';
			response.on('data', (chunk) => { text += chunk; });
			response.on('end', () => resolve({ headers: response.headers, text }));
		});
		request.on('error', reject);
		request.end(body);
	});
}

/** What the account page's token endpoint gives to who logs in there. */
async function tokenOf(username, password) {
	const verifier = randomBytes(32).toString('base64url');
	const asked = {
		response_type: 'code', client_id: 'phone', redirect_uri: `${PAGE}/`, state: 'x',
		code_challenge: createHash('sha256').update(verifier).digest('base64url'),
		code_challenge_method: 'S256',
	};
	const page = await ask(`/oauth/authorize?${new URLSearchParams(asked)}`);
	const { headers } = await ask('/oauth/authorize', {
		cookie: page.headers['set-cookie'][0].split(';')[0],
		form: { ...asked, csrf: /name="csrf" value="([^"]*)"/.exec(page.text)[1], username, password },
	});
	const { text } = await ask('/oauth/token', { form: {
		grant_type: 'authorization_code', client_id: 'phone', redirect_uri: `${PAGE}/`,
		code: new URL(headers.location).searchParams.get('code'), code_verifier: verifier,
	} });
	return JSON.parse(text).access_token;
}

test('a subscriber that isthmusctl added logs in at the account page, and is registered', async () => {
	const client = await open();
	const token = await tokenOf('bob@web.example', PASSWORD);
	await client.authBearer('sip:bob@web.example', token);
	client.granted = 'sip:bob@web.example';
	assert.equal(stateOf('bob'), 'registered');
	assert.ok((await identitiesOf(client)).includes('sip:bob@ims.test'));
	/* It is of nobody else. */
	const other = await open();
	const error = await refusal(other.authBearer('sip:alice@web.example', token));
	assert.equal(error.status, 403);
	assert.equal((await other.closed).code, 1008);
});

describe('the pool', () => {
	test('lends to who does not say who it is, and calls go by that identity', async () => {
		const client = await anonymous();
		assert.match(client.granted, /^sip:\w{22}@anonymous\.invalid$/);
		assert.equal(stateOf('pool2'), 'registered');
		assert.deepEqual(await identitiesOf(client), [client.granted, 'sip:pool2@ims.test']);
		const other = await open();
		const error = await refusal(other.auth({ authType: 'anonymous', webrtcId: NOBODY }));
		assert.equal(error.status, 503);
		assert.ok(error.response.retryAfter > 0);
		await logOut(client);
		await gone('pool2');
		/* Cooled down, it is lent again. */
		await until(() => other.auth({ authType: 'anonymous', webrtcId: NOBODY })
			.then(({ webrtcId }) => { other.granted = webrtcId; return true; }, () => false),
		'it is lent again', 10_000);
	});

	test('lends one identity to all endpoints of a user without an entry', async () => {
		const one = await lent(() => bearer('sip:carl@guests.example', {}));
		const two = await bearer('sip:carl@guests.example', {});
		await two.done;
		assert.equal(stateOf('pool2'), 'registered');
		await logOut(one);
		await until(async () => await gateway.metric('isthmus_enrolments') === 1, 'one is left');
		assert.equal(await gateway.metric('isthmus_pool_lent'), 1);
		await logOut(two);
		assert.equal(await gateway.metric('isthmus_pool_lent'), 0);
		await gone('pool2');
	});

	test('gets it back when the time to live of a lost connection is over', async () => {
		const client = await lent(() => bearer('sip:carl@guests.example', {}, { disconnectionTtl: 1 }));
		assert.equal(stateOf('pool2'), 'registered');
		await client.vanish();
		await until(async () => await gateway.metric('isthmus_pool_lent') === 0, 'it is back');
		await gone('pool2');
	});

	test('has nothing for others', async () => {
		const client = await bearer('sip:dora@provider.example', {});
		await client.done;
		assert.equal(await gateway.metric('isthmus_pool_lent'), 0);
		assert.equal(await gateway.metric('isthmus_enrolments'), 0);
	});
});

describe('time', () => {
	test('a registration that expires leaves the core', async () => {
		const client = await open();
		await client.authBasic('sip:bob@web.example', PASSWORD, { expiration: 2 });
		assert.equal(stateOf('bob'), 'registered');
		assert.equal((await client.closed).code, 4001);
		await gone('bob');
	});

	test('one whose token ends leaves with it', async () => {
		const client = await bearer('sip:bob@web.example', { sub: 'user-4711', exp: now() + 2 });
		assert.ok((await client.done).expiration <= 2);
		assert.equal((await client.closed).code, 4001);
		await gone('bob');
	});
});
