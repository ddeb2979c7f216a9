// cores.test.mjs - cores that go away and come back, forget what they knew, are
// several, or are known by a name only; and what the clients notice of it.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, describe, test } from 'node:test';
import { PASSWORD } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { startDns } from '../lib/dns.mjs';
import { browserSdp, connect } from '../lib/respect.mjs';
import { answer, description } from '../../sipp-scenarios/lib/web.mjs';
import { hss, node, phone, startImsGateway } from './lib.mjs';

const ICSCF = 'sip:127.0.0.41:5060;transport=udp';
const stateOf = (user) => hss('list', `${user}@ims.test`).split(' ')[1];
const sipUser = (user) => `sip:${user}@ims.test`;
const open = (gateway) =>
	connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });

async function logIn(gateway, user) {
	const client = await open(gateway);
	try {
		await client.authBasic(sipUser(user), PASSWORD);
	} catch (error) {
		await client.close();
		throw error;
	}
	return client;
}

const logOut = (client) => client.auth({ authType: 'basic', webrtcId: client.id, expiration: 0 });
const refusal = (promise) => promise.then(() => assert.fail('not refused'), (error) => error);

async function addUsers(gateway, ...users) {
	for (const user of users)
		await gateway.add(sipUser(user), '--enrol', 'web',
			'--impi', `${user}@ims.test`, '--impu', sipUser(user));
}

/** A call of @from to @to, through the core, that is answered. */
async function talk(from, to) {
	const { mediaSessionId } = await from.request('msetup', {
		resourceId: to.id, preOffer: description() });
	const setup = await to.next(({ method }) => method === 'msetup');
	await to.request('mupdate', { mediaSessionId: setup.mediaSessionId,
		sdpAnswer: answer(setup.sdpOffer) });
	await from.state('connected');
	return { end: async () => {
		assert.equal(to.requests.some(({ method, mediaSessionId: id }) =>
			method === 'mdisc' && id === setup.mediaSessionId), false, 'the call lives');
		await from.request('mdisc', { mediaSessionId });
		await to.next((m) => m.method === 'mdisc' && m.mediaSessionId === setup.mediaSessionId);
	} };
}

/** How often REGISTER was answered with 200. */
const registers = (gateway) => gateway.metric('isthmus_ims_registers_total{result="ok"}');

/** Whether @from reaches @to through the core. */
async function calls(from, to) {
	const { mediaSessionId: id } = await from.request('msetup', {
		resourceId: to.id, preOffer: browserSdp() });
	const rings = to.next(({ method }) => method === 'msetup', 3000).then(() => true, () => false);
	const fails = from.next((m) => m.mediaSessionId === id && m.method === 'mdisc', 10_000)
		.then(() => false, () => false);
	const through = await Promise.race([rings, fails]);
	if (through) {
		await from.request('mdisc', { mediaSessionId: id });
		await to.next(({ method }) => method === 'mdisc');
	}
	return through;
}

describe('one core', () => {
	const MANY = Array.from({ length: 40 }, (_, i) => `load${101 + i}`);
	const RATE = 20;
	let gateway, alice, bob;
	before(async () => {
		gateway = await startImsGateway('cores', 29000, { ims: {
			expires_s: 600, spread_percent: 0, register_rate: RATE, register_timeout_ms: 2000,
			dead_s: 30, probe_s: 1 } });
		await addUsers(gateway, 'alice', 'bob', ...MANY);
	});
	after(() => gateway?.stop());

	test('that is down at REGISTER: refused with a time, and let in when it is back', async () => {
		node('stop', 'icscf');
		const error = await refusal(logIn(gateway, 'alice'));
		assert.ok([408, 503].includes(error.status), `${error.status}`);
		assert.ok(error.response.retryAfter >= 5);
		await until(async () => await gateway.metric('isthmus_ims_cores_dead') === 1, 'it is out');
		/* It is not asked in vain. */
		const began = performance.now();
		assert.equal((await refusal(logIn(gateway, 'alice'))).status, 503);
		assert.ok(performance.now() - began < 1000, 'at once');
		node('start', 'icscf');
		await until(async () => await gateway.metric('isthmus_ims_cores_dead') === 0, 'it is back');
		alice = await logIn(gateway, 'alice');
		bob = await logIn(gateway, 'bob');
		assert.match(gateway.log(), /core sip:127\.0\.0\.41\S* is back/);
	});

	test('that goes and comes in the middle: asked again, and no client notices', async () => {
		const before = await registers(gateway);
		const call = await talk(alice, bob);
		node('stop', 'icscf');
		await until(async () => await gateway.metric('isthmus_ims_cores_dead') === 1, 'it is out');
		assert.equal(alice.closeCode ?? bob.closeCode, null);
		node('start', 'icscf');
		await until(async () => await registers(gateway) >= before + 2, 'both are asked for again');
		assert.equal(alice.closeCode ?? bob.closeCode, null);
		assert.equal(stateOf('alice'), 'registered');
		await call.end();
	});

	test('whose S-CSCF has forgotten all: found by a call, asked again at the rate allowed', async () => {
		const others = [];
		for (const user of MANY)
			others.push(logIn(gateway, user));
		const clients = await Promise.all(others);
		assert.ok(await calls(alice, bob), 'a call goes through');
		node('restart', 'scscf');
		const before = await registers(gateway);
		assert.equal(await calls(alice, bob), false, 'alice is nobody there');
		const samples = [];
		await until(async () => {
			samples.push([performance.now(), await registers(gateway)]);
			return samples.at(-1)[1] >= before + MANY.length + 2;
		}, 'all have been asked for again', 30_000, 100);
		assert.equal(await gateway.metric('isthmus_ims_core_restarts_total'), 1);
		for (const [at, n] of samples)
			for (const [later, more] of samples)
				if (later > at && later - at <= 1000)
					assert.ok(more - n <= RATE * 1.1 + RATE / 10 + 2, `${more - n} in a second`);
		assert.ok([alice, bob, ...clients].every((client) => client.closeCode === null));
		await until(() => calls(alice, bob), 'calls go through again', 20_000);
		await Promise.all([alice, bob, ...clients].map(logOut));
		/* The phones do not notice; those who come after us want them. */
		for (const name of ['carol', 'dave']) {
			phone('stop', name);
			hss('forget', `${name}@ims.test`);
			phone('start', name);
			await until(() => stateOf(name) === 'registered', `${name} is registered anew`);
		}
		for (const user of ['alice', 'bob', MANY[0], MANY.at(-1)])
			await until(() => stateOf(user) !== 'registered', `${user} is deregistered`);
	});
});

describe('several cores', () => {
	let gateway, silent;
	before(async () => {
		/* The first refuses connections, the second says nothing. */
		silent = dgram.createSocket('udp4');
		await new Promise((done) => silent.bind(5060, '127.0.0.46', done));
		gateway = await startImsGateway('several', 29200, { address: '127.0.0.51', ims: {
			cores: ['sip:127.0.0.45:5060;transport=tcp', 'sip:127.0.0.46:5060;transport=udp', ICSCF],
			register_timeout_ms: 800, dead_s: 60, probe_s: 0 } });
		await addUsers(gateway, 'alice');
	});
	after(async () => {
		await new Promise((done) => silent.close(done));
		await gateway?.stop();
	});

	test('the one that serves is found, and those that do not are remembered', async () => {
		await logOut(await logIn(gateway, 'alice'));
		assert.equal(await gateway.metric('isthmus_ims_failovers_total'), 2);
		assert.equal(await gateway.metric('isthmus_ims_cores_dead'), 2);
		const began = performance.now();
		const alice = await logIn(gateway, 'alice');
		assert.ok(performance.now() - began < 700, 'they are not tried again');
		assert.equal(await gateway.metric('isthmus_ims_failovers_total'), 2);
		assert.equal(stateOf('alice'), 'registered');
		await logOut(alice);
	});
});

describe('a core by its name', { skip: process.getuid() === 0 ? false : 'port 53 is not ours' }, () => {
	const NAMES = '127.0.0.60';
	let gateway, dns;
	before(async () => {
		dns = await startDns(NAMES, {
			'ims.test NAPTR': [
				{ order: 20, preference: 10, service: 'SIP+D2T', replacement: '_sip._tcp.ims.test' },
				{ order: 10, preference: 10, service: 'SIP+D2U', replacement: '_sip._udp.ims.test' },
			],
			'_sip._udp.ims.test SRV': [
				{ priority: 20, weight: 1, port: 5060, target: 'icscf.ims.test' },
				{ priority: 10, weight: 1, port: 5099, target: 'away.ims.test' },
			],
			'_sip._tcp.ims.test SRV': [
				{ priority: 10, weight: 1, port: 5060, target: 'icscf.ims.test' },
			],
			'away.ims.test A': ['127.0.0.47'],
			'icscf.ims.test A': ['127.0.0.41'],
		});
		gateway = await startImsGateway('name', 29400, { address: '127.0.0.52',
			nameserver: NAMES, ims: { cores: ['sip:ims.test'], probe_s: 0 } });
		await addUsers(gateway, 'alice');
	});
	after(async () => {
		await gateway?.stop();
		await dns?.stop();
	});

	test('NAPTR, SRV and A lead to it, past one that is not there', async () => {
		const alice = await logIn(gateway, 'alice');
		assert.equal(stateOf('alice'), 'registered');
		for (const question of ['ims.test NAPTR', '_sip._udp.ims.test SRV', 'icscf.ims.test A'])
			assert.ok(dns.asked.includes(question), `${question}: ${dns.asked}`);
		await logOut(alice);
		await until(() => stateOf('alice') !== 'registered', 'alice is deregistered');
	});
});
