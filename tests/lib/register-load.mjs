// register-load.mjs - many clients that register through an IMS core, at a
// rate: one process, a WebSocket each, and what they cost the gateway.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { makeKey, now, signToken } from '../e2e/lib/provider.mjs';
import { socketOf } from '../e2e/lib/ctl.mjs';
import { pause } from '../e2e/lib/process.mjs';
import { connect } from './respect.mjs';

const ISSUER = 'https://load.example';
const key = makeKey('load');

/** The key that tokens of load clients are signed with, for the configuration. */
export function loadAuth(dir) {
	const file = path.join(dir, 'load-key.pem');
	fs.mkdirSync(dir, { recursive: true });
	fs.writeFileSync(file, key.publicKey.export({ type: 'spki', format: 'pem' }));
	return { issuer: ISSUER, audience: 'isthmus', keys: [{ kid: 'load', alg: 'ES256', file }] };
}

/** A command to the control socket, without a process for it. */
export function command(gateway, request) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(socketOf(gateway));
		let text = '';
		socket.setEncoding('utf8');
		socket.on('data', (chunk) => { text += chunk; });
		socket.on('error', reject);
		socket.on('close', () => {
			const answer = JSON.parse(text);
			if (answer.ok)
				resolve(answer);
			else
				reject(new Error(answer.detail));
		});
		socket.write(`${JSON.stringify(request)}\n`);
	});
}

/** All rows of a list that comes in pages. */
export async function listAll(gateway, name, member) {
	const all = [];
	let after;
	do {
		const page = await command(gateway, { command: name, ...after === undefined ? {} : { after } });
		all.push(...page[member]);
		after = page.next;
	} while (after !== undefined);
	return all;
}

/** Clients that are registered as they are: load@first ... of the lab. */
export const trusted = (n, first = 1) => Array.from({ length: n }, (_, i) => ({
	id: `sip:load${first + i}@ims.test`, impi: `load${first + i}@ims.test`, enrol: 'web',
}));
/** Clients with an identity of the pool, of which @first is the first. */
export const pooled = (n) => Array.from({ length: n }, (_, i) => ({
	id: `sip:guest${i + 1}@web.example`, enrol: 'pool',
}));

export async function addSubscribers(gateway, users) {
	for (const { id, impi, enrol } of users)
		await command(gateway, { command: 'subscriber.add', subscriber: {
			id, enrol, ...impi ? { impi, impus: [id] } : {},
		} });
}

export async function addPool(gateway, first, n) {
	for (let i = first; i < first + n; i++)
		await command(gateway, { command: 'pool.add', impi: `load${i}@ims.test`,
			impu: `sip:load${i}@ims.test` });
}

/**
 * Runs @work for each of @items, @rate begun a second whether those before have
 * ended or not.  Returns [{ item, ms, value | error }].
 */
export async function atRate(items, rate, work) {
	const began = performance.now();
	const running = [];
	for (const [i, item] of items.entries()) {
		const wait = began + 1000 * i / rate - performance.now();
		if (wait > 1)
			await pause(wait);
		const start = performance.now();
		running.push(work(item).then(
			(value) => ({ item, value, ms: performance.now() - start }),
			(error) => ({ item, error, ms: performance.now() - start })));
	}
	return Promise.all(running);
}

export const token = (id, s = 3600) => signToken(key, {
	iss: ISSUER, aud: 'isthmus', sub: id, webrtcId: id, iat: now(), exp: now() + s,
});

export const open = (gateway) => connect(gateway.endpoint,
	{ origin: `https://127.0.0.1:${gateway.port}` });

/** Connects and logs in by a token; asks again, as told, when the core is busy. */
export async function register(gateway, user, members = {}) {
	const client = await open(gateway);
	for (let tries = 0; ; tries++) {
		try {
			await client.authBearer(user.id, token(user.id), members);
			return client;
		} catch (error) {
			const again = error.response?.retryAfter;
			if (!again || tries === 3)
				throw error;
			await pause(1000 * again);
		}
	}
}

/** CPU in ms and resident memory in kB of a process. */
export function usage(pid) {
	const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
	const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
	return {
		cpu: 10 * (Number(ticks[11]) + Number(ticks[12])), // 100 ticks a second
		rss: Number(/VmRSS:\s+(\d+)/.exec(status)[1]),
	};
}

export function quantile(results, q) {
	const all = results.map(({ ms }) => ms).sort((a, b) => a - b);
	return all[Math.min(all.length - 1, Math.floor(q * all.length))];
}

export function assertAll(results, what) {
	const failed = results.filter(({ error }) => error);
	assert.equal(failed.length, 0, `${failed.length} of ${results.length} not ${what}; the first: ` +
		`${failed[0]?.item.id ?? ''} ${failed[0]?.error.message}`);
}
