// tools.mjs - what the checks of the lab have in common: SIPp with a scenario
// whose @NAMES@ are filled in, the HSS, the phones, and the logs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const HERE = path.dirname(fileURLToPath(import.meta.url));
export const LAB = path.join(HERE, '..');
export const RUN = process.env.LAB_RUN;
export const EPCSCF = '127.0.0.50';
export const STRANGER = '127.0.0.60';
export const ICSCF = '127.0.0.41:5060';
export const SCSCF = '127.0.0.42:5060';

const SIPP_S = 12;
const run = promisify(execFile);
let calls = 0;

/** The headers that Mw asks of an eP-CSCF; replace or, with null, omit some. */
export function headers(changed = {}) {
	return Object.entries({
		Path: '<sip:term@127.0.0.50:5060;lr>',
		Require: 'path',
		Supported: 'path',
		'P-Visited-Network-ID': '"visited.test"',
		'P-Charging-Vector': 'icid-value="[pid]-[call_number]";orig-ioi="Type 1lab"',
		'P-Access-Network-Info': 'IEEE-802.11;network-provided',
		...changed,
	}).filter(([, value]) => value !== null)
		.map(([name, value]) => `${name}: ${value}`).join('\n      ');
}

/** Authorization without credentials, as RFC 3310 and TS 24.229 begin. */
export function authorization(impi, integrity) {
	return `Digest username="${impi}",realm="ims.test",nonce="",uri="sip:ims.test",` +
		`response="",integrity-protected="${integrity}"`;
}

export const newCallId = () => `${process.pid}-${Date.now()}-${++calls}@lab.test`;

function render(name, values) {
	const text = fs.readFileSync(path.join(HERE, `${name}.xml`), 'utf8')
		.replace(/@([A-Z_]+)@/g, (whole, key) => {
			assert.ok(Object.hasOwn(values, key), `${name}.xml wants ${key}`);
			return values[key];
		});
	const file = path.join(RUN, 'checks', `${name}-${++calls}.xml`);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	fs.writeFileSync(file, text);
	return file;
}

/**
 * Runs one call of a scenario: `done` when it went as written.  A scenario that
 * waits for a request is `ready()` once SIPp listens; `messages()` are those so far.
 */
export function sipp(name, values, { from = EPCSCF, to = ICSCF, tcp = false } = {}) {
	const file = render(name, values);
	const child = spawn('sipp', ['-sf', file, '-i', from, '-p', '5060', '-m', '1',
		'-t', tcp ? 't1' : 'u1', '-nostdin', '-trace_err', '-error_file', `${file}.err`,
		'-trace_msg', '-message_file', `${file}.msg`,
		'-timeout', `${SIPP_S}s`, '-timeout_error', to], { stdio: 'ignore' });
	const done = new Promise((resolve, reject) => {
		child.on('error', reject);
		child.on('exit', (code) => {
			if (code === 0) {
				resolve();
				return;
			}
			const errors = fs.existsSync(`${file}.err`) ?
				fs.readFileSync(`${file}.err`, 'utf8').trim().slice(0, 600) : '';
			reject(new Error(`SIPp ${code}: ${errors} (${file})`));
		});
	});
	done.catch(() => {}); // whoever awaits it still sees the failure
	return {
		done,
		ready: () => until(() => listens(from), `SIPp listens on ${from}`),
		messages: () => (fs.existsSync(`${file}.msg`) ?
			fs.readFileSync(`${file}.msg`, 'utf8') : ''),
	};
}

function listens(address) {
	const hex = address.split('.').reverse()
		.map((n) => Number(n).toString(16).padStart(2, '0')).join('').toUpperCase();
	return ['udp', 'tcp'].some((kind) => fs.readFileSync(`/proc/net/${kind}`, 'utf8')
		.includes(` ${hex}:13C4 `));
}

export async function until(condition, what, ms = 8000) {
	const end = Date.now() + ms;
	while (!await condition()) {
		if (Date.now() > end)
			throw new Error(`not within ${ms} ms: ${what}`);
		await new Promise((resolve) => { setTimeout(resolve, 50); });
	}
}

async function output(command, args) {
	try {
		return (await run(command, args)).stdout.trim();
	} catch (error) {
		throw new Error(error.stderr?.trim() || error.message);
	}
}

export const hss = (...args) => output(path.join(LAB, 'hss-ctl'), args);
export const phone = (...args) => output(path.join(LAB, 'phone.sh'), args);

export async function state(user) {
	return (await hss('list', `${user}@ims.test`)).split(' ')[1];
}

/** All that @node has logged. */
export function log(node) {
	return fs.readFileSync(path.join(RUN, 'log', `${node}.log`), 'utf8');
}

/** A function that gives what @node logs from now on. */
export function logSince(node) {
	const { length } = log(node);
	return () => log(node).slice(length);
}
