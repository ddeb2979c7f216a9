// control.mjs COMMAND NAME [ARGUMENT...] - drives a phone that runs; phone.sh
// lists the commands.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { once } from 'node:events';
import { dominant, isSilent, readWav } from '../../tests/e2e/lib/tone.mjs';
import { PHONES } from './list.mjs';

const ANSWER_MS = 5000;
const CALL_MS = 20_000;
const LISTEN_MS = 1000;

class Phone {
	#socket;
	#heard = Buffer.alloc(0);
	#messages = [];
	#wake = () => {};

	constructor(port) {
		this.#socket = net.connect(port, '127.0.0.1');
		this.#socket.on('data', (chunk) => this.#data(chunk));
	}

	async connected() {
		await once(this.#socket, 'connect');
		return this;
	}

	// Netstrings of JSON.
	#data(chunk) {
		this.#heard = Buffer.concat([this.#heard, chunk]);
		for (;;) {
			const colon = this.#heard.indexOf(':');
			const length = Number(this.#heard.toString('latin1', 0, colon));
			if (colon < 0 || this.#heard.length < colon + length + 2)
				break;
			this.#messages.push(JSON.parse(
				this.#heard.toString('utf8', colon + 1, colon + 1 + length)));
			this.#heard = this.#heard.subarray(colon + length + 2);
		}
		this.#wake();
	}

	/** The next message that @wanted accepts, or undefined after @ms. */
	async until(wanted, ms) {
		const end = Date.now() + ms;
		for (;;) {
			while (this.#messages.length) {
				const message = this.#messages.shift();
				if (wanted(message))
					return message;
			}
			const left = end - Date.now();
			if (left <= 0)
				return undefined;
			await new Promise((resolve) => {
				const timer = setTimeout(resolve, left);
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}

	async command(command, params = '') {
		const text = JSON.stringify({ command, params, token: '1' });
		this.#socket.write(`${Buffer.byteLength(text)}:${text},`);
		const answer = await this.until((m) => m.response, ANSWER_MS);
		if (!answer?.ok)
			throw new Error(`${command}: ${answer?.data.trim() ?? 'no answer'}`);
		return answer.data;
	}
}

function recording(name) {
	const dir = path.join(process.env.LAB_RUN, 'phones', name);
	const [newest] = fs.readdirSync(dir).filter((f) => f.endsWith('-dec.wav'))
		.map((f) => path.join(dir, f))
		.map((file) => ({ file, at: fs.statSync(file).mtimeMs }))
		.sort((a, b) => b.at - a.at);
	return newest && readWav(fs.readFileSync(newest.file));
}

const COMMANDS = {
	async call(phone, name, uri) {
		if (!/^(sip|tel):/.test(uri ?? ''))
			throw new Error('call NAME sip:... or tel:...');
		await phone.command('dial', uri);
		const event = await phone.until((m) => m.event &&
			/^CALL_(ESTABLISHED|CLOSED)$/.test(m.type), CALL_MS);
		if (event?.type !== 'CALL_ESTABLISHED')
			throw new Error(`not answered: ${event?.param ?? 'no final response'}`);
		return `${name} talks to ${event.peeruri}`;
	},
	// It ends one call a time.
	async hangup(phone) {
		while (!/Active calls \(0\)/.test(await phone.command('listcalls')))
			await phone.command('hangup');
		return '';
	},
	async digits(phone, name, text = '') {
		for (const digit of text)
			await phone.command('sndcode', digit);
		return '';
	},
	// What it hears from now on: never what an earlier call left.
	async tone(phone, name) {
		const before = recording(name)?.samples.length ?? 0;
		await new Promise((resolve) => { setTimeout(resolve, LISTEN_MS); });
		const { samples, rate } = recording(name) ?? { samples: [], rate: 8000 };
		const fresh = samples.slice(before);
		if (fresh.length < rate / 4)
			return 'nothing';
		if (isSilent({ samples: fresh }))
			return 'silence';
		const { hz, share } = dominant(fresh.slice(-rate / 4), rate);
		return share < 0.6 ? 'noise' : `${hz} Hz`;
	},
};

const [command, name, ...args] = process.argv.slice(2);
try {
	if (!Object.hasOwn(COMMANDS, command) || !Object.hasOwn(PHONES, name))
		throw new Error(`no command ${command}, or no phone ${name}`);
	const phone = await new Phone(PHONES[name].port + 2).connected();
	const said = await COMMANDS[command](phone, name, ...args);
	if (said)
		console.log(said);
	process.exit(0);
} catch (error) {
	console.error(`phone ${name}: ${error.message}`);
	process.exit(1);
}
