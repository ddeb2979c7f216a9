// uplinks.mjs - a network namespace for a browser, with two ways to the gateway
// of which one is up at a time: what a telephone is that leaves its Wi-Fi.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { mind, pause, stopProcess, until } from './process.mjs';

const NET = '10.71';
/** The gateway's, however one comes there. */
export const GATEWAY = `${NET}.0.1`;

const here = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });

export class Uplinks {
	#holder; // keeps the namespace
	#up = 1;
	#blocked = [];

	static async make() {
		const links = new Uplinks();
		const holder = mind(spawn('unshare', ['-n', 'sleep', 'infinity'], { stdio: 'ignore' }));
		const name = (pid) => fs.readlinkSync(`/proc/${pid}/ns/net`);
		links.#holder = holder;
		await until(() => {
			if (holder.exitCode !== null)
				throw new Error('no network namespaces here: tests/own-net.sh COMMAND');
			return name(holder.pid) !== name('self') &&
				fs.readFileSync(`/proc/${holder.pid}/comm`, 'utf8') === 'sleep\n';
		}, 'the namespace is there', 5000);
		links.#wire();
		return links;
	}

	/** What a command begins with that is to run there. */
	get prefix() { return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`]; }

	#there(...args) {
		const [command, ...rest] = [...this.prefix, 'ip', ...args];
		return execFileSync(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
	}

	#wire() {
		for (const n of [1, 2]) {
			here('link', 'add', `gate${n}`, 'type', 'veth', 'peer', 'name', `way${n}`,
				'netns', String(this.#holder.pid));
			// no addresses of IPv6, which would come later
			here('link', 'set', `gate${n}`, 'addrgenmode', 'none');
			this.#there('link', 'set', `way${n}`, 'addrgenmode', 'none');
			here('addr', 'add', `${NET}.${n}.1/24`, 'dev', `gate${n}`);
			here('link', 'set', `gate${n}`, 'up');
		}
		here('addr', 'add', `${GATEWAY}/32`, 'dev', 'gate1');
		this.#there('link', 'set', 'lo', 'up');
		// so that a rule may stand before it
		this.#there('rule', 'add', 'pref', '100', 'lookup', 'local');
		this.#there('rule', 'del', 'pref', '0');
		this.#bring(1);
	}

	/** The browser's, on the link that is up. */
	get address() { return `${NET}.${this.#up}.2`; }

	#bring(n) {
		this.#up = n;
		this.#there('addr', 'add', `${this.address}/24`, 'dev', `way${n}`);
		this.#there('link', 'set', `way${n}`, 'up');
		this.#there('route', 'add', 'default', 'via', `${NET}.${n}.1`);
	}

	/** The link goes, and the other comes @ms later. */
	async change(ms = 0) {
		const gone = `way${this.#up}`;
		this.#there('addr', 'flush', 'dev', gone);
		this.#there('link', 'set', gone, 'down');
		if (ms)
			await pause(ms);
		this.#bring(3 - this.#up);
	}

	/** Nothing of @protocol to or from @port there gets through any more, and
	 * nobody is told. */
	block(protocol, port) {
		for (const way of [1, 2])
			this.#rule(['iif', `way${way}`, 'ipproto', protocol, 'dport', String(port)]);
		this.#rule(['iif', 'lo', 'ipproto', protocol, 'sport', String(port)]);
	}

	#rule(what) {
		this.#there('rule', 'add', 'pref', '10', ...what, 'blackhole');
		this.#blocked.push(what);
	}

	unblock() {
		for (const what of this.#blocked.splice(0))
			this.#there('rule', 'del', 'pref', '10', ...what);
	}

	/** A program of that name which runs @binary there. */
	program(dir, binary) {
		const file = path.join(dir, `${path.basename(binary)}-there`);
		fs.writeFileSync(file, `#!/bin/sh\nexec ${this.prefix.join(' ')} ${binary} "$@"\n`,
			{ mode: 0o755 });
		return file;
	}

	/** Its port @port of loopback, as a socket in the file system, which is no
	 * part of any network. */
	async door(file, port) {
		fs.rmSync(file, { force: true });
		const source = `require('net').createServer((from) => {
			const to = require('net').connect(${port}, '127.0.0.1');
			from.pipe(to).pipe(from);
			for (const [one, other] of [[from, to], [to, from]])
				one.on('error', () => other.destroy()).on('close', () => other.destroy());
		}).listen(${JSON.stringify(file)})`;
		const [command, ...args] = [...this.prefix, process.execPath, '-e', source];
		const child = mind(spawn(command, args, { stdio: 'ignore' }));
		await until(() => fs.existsSync(file), 'the door is open', 5000);
		return { stop: () => stopProcess(child) };
	}

	async stop() {
		await stopProcess(this.#holder);
		for (const n of [1, 2]) // gone with the namespace, a moment later
			try {
				here('link', 'del', `gate${n}`);
			} catch { /* gone already */ }
	}
}
