// ctl.mjs - isthmusctl against a gateway of gateway.mjs.
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { ROOT } from './gateway.mjs';
import { mind } from './process.mjs';

export const CTL = path.resolve(ROOT, path.dirname(process.env.ISTHMUS ?? 'build/isthmus'),
	'isthmusctl');
export const socketOf = (gateway) => path.join(gateway.dir, 'state/control.sock');

/** Runs @file; resolves with { status, stdout, stderr }. */
export function runTool(file, args, { input = '', env = {} } = {}) {
	return new Promise((resolve, reject) => {
		const child = mind(spawn(file, args,
			{ cwd: ROOT, env: { ...process.env, ...env }, timeout: 60_000 }));
		const out = { stdout: '', stderr: '' };
		for (const name of ['stdout', 'stderr'])
			child[name].on('data', (chunk) => { out[name] += chunk; });
		child.on('error', reject);
		child.on('close', (status) => resolve({ status, ...out }));
		child.stdin.on('error', () => {});
		child.stdin.end(input);
	});
}

/** One command; with JSON, .json holds what was printed. */
export const ctl = (gateway, args, options) =>
	runTool(CTL, ['--socket', socketOf(gateway), ...args], options);
export async function ctlJson(gateway, ...args) {
	const result = await ctl(gateway, ['--json', ...args]);
	return { ...result, json: result.stdout ? JSON.parse(result.stdout) : null };
}

/** What the daemon says to these bytes; '' when it only closes. */
export function say(gateway, bytes, { end = false } = {}) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(socketOf(gateway));
		let answer = '';
		socket.on('data', (chunk) => { answer += chunk; });
		socket.on('error', (error) =>
			['EPIPE', 'ECONNRESET'].includes(error.code) ? resolve(answer) : reject(error));
		socket.on('close', () => resolve(answer));
		if (end)
			socket.end(bytes);
		else
			socket.write(bytes);
	});
}
