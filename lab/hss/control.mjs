// control.mjs - commands to the HSS: one line in, lines out, over a Unix socket.
// The first line out is "ok" or "error: why".
import fs from 'node:fs';
import net from 'node:net';
import { NOT_REGISTERED } from './cx.mjs';
import { sqnBytes } from './milenage.mjs';

const MAX_LINE = 1024;

const USAGE = [
	'list [IMPI|all]    who is registered: state, S-CSCF, SQN, IMPUs',
	'peers              who is connected',
	'rtr IMPI           ends a registration (RTR to the S-CSCF)',
	'forget IMPI        not registered any more; the S-CSCF is not told',
	'sqn IMPI HEX       the next vector follows this sequence number (12 digits)',
	'down               disconnects all and listens no more',
	'mute               stays connected and answers nothing',
	'up                 ends down and mute',
];

function record(hss, impi) {
	const user = hss.cx.records.get(impi);
	if (!user)
		throw new Error(`no subscriber ${impi}`);
	return user;
}

function line(user) {
	return [user.impi, user.state, user.serverName || '-',
		user.aka ? sqnBytes(user.sqn).toString('hex') : '-', ...user.impus].join(' ');
}

const COMMANDS = {
	help: () => USAGE,
	list: (hss, [which]) => {
		const all = [...hss.cx.records.values()];
		if (which && which !== 'all')
			return [line(record(hss, which))];
		return all.filter(({ state }) => which || state !== NOT_REGISTERED).map(line);
	},
	peers: (hss) => [...hss.peers].map((peer) => `${peer} ${peer.address}`),
	rtr: async (hss, [impi]) => {
		await hss.terminate(impi);
		return [];
	},
	forget: (hss, [impi]) => {
		hss.cx.forget(record(hss, impi));
		return [];
	},
	sqn: (hss, [impi, hex]) => {
		if (!/^[0-9a-f]{12}$/i.test(hex ?? ''))
			throw new Error('a sequence number has 12 hexadecimal digits');
		record(hss, impi).sqn = BigInt(`0x${hex}`);
		return [];
	},
	down: async (hss) => {
		await hss.down();
		return [];
	},
	mute: (hss) => {
		hss.muted = true;
		return [];
	},
	up: async (hss) => {
		await hss.up();
		return [];
	},
};

async function run(hss, text) {
	const [name, ...args] = text.trim().split(/\s+/);
	if (!Object.hasOwn(COMMANDS, name))
		return `error: no command ${name}; help lists them\n`;
	try {
		return ['ok', ...await COMMANDS[name](hss, args), ''].join('\n');
	} catch (error) {
		return `error: ${error.message}\n`;
	}
}

export async function control(hss, path) {
	fs.rmSync(path, { force: true });
	const server = net.createServer((socket) => {
		let text = '';
		socket.setEncoding('utf8');
		socket.on('error', () => socket.destroy());
		socket.on('data', async (chunk) => {
			text += chunk;
			if (text.length > MAX_LINE)
				socket.destroy();
			else if (text.includes('\n'))
				socket.end(await run(hss, text));
		});
	});
	await new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(path, resolve);
	});
	fs.chmodSync(path, 0o600);
}
