// subscribers.mjs - reads the file that lists the users.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const FILE = path.join(path.dirname(fileURLToPath(import.meta.url)),
	'..', 'subscribers');

const HEX = { K: 32, OPc: 32, AMF: 4 };

function credentials(word, fail) {
	const [kind, ...rest] = word.split(':');
	if (kind === 'digest' && rest.join(':'))
		return { password: rest.join(':') };
	if (kind !== 'aka')
		fail('credentials are digest:PASSWORD or aka:K:OPc:AMF');
	const [k, opc, amf] = Object.entries(HEX).map(([name, digits], i) => {
		if (!new RegExp(`^[0-9a-f]{${digits}}$`, 'i').test(rest[i] ?? ''))
			fail(`${name} has to have ${digits} hexadecimal digits`);
		return Buffer.from(rest[i], 'hex');
	});
	if (rest.length !== 3)
		fail('credentials are aka:K:OPc:AMF');
	return { aka: { k, opc, amf } };
}

/** Map of IMPI to { impi, password | aka, web, impus }. */
export function parseSubscribers(text, name = 'subscribers') {
	const users = new Map();
	const owners = new Map();
	text.split('\n').forEach((line, i) => {
		const words = line.replace(/#.*/, '').trim().split(/\s+/);
		const fail = (why) => {
			throw new Error(`${name}:${i + 1}: ${why}`);
		};
		if (words[0] === '')
			return;
		const [impi, secret, trusted, ...impus] = words;
		if (!/^[^@:]+@[^@:]+$/.test(impi))
			fail(`an IMPI is user@domain, not ${impi}`);
		if (users.has(impi))
			fail(`${impi} again`);
		if (trusted !== 'web' && trusted !== '-')
			fail('the third word is web or -');
		if (!impus.some((impu) => impu.startsWith('sip:')))
			fail('no sip: IMPU');
		for (const impu of impus) {
			if (!/^(sip:[^@;]+@[^@;]+|tel:\+[0-9]+)$/.test(impu))
				fail(`not an IMPU: ${impu}`);
			if (owners.has(impu))
				fail(`${impu} belongs to ${owners.get(impu)}`);
			owners.set(impu, impi);
		}
		users.set(impi, { impi, ...credentials(secret, fail),
			web: trusted === 'web', impus });
	});
	return users;
}

export function readSubscribers(file = FILE) {
	return parseSubscribers(fs.readFileSync(file, 'utf8'), file);
}
