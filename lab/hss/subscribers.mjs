// subscribers.mjs - reads the file that lists the users.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const FILE = path.join(path.dirname(fileURLToPath(import.meta.url)),
	'..', 'subscribers');

const MAX_RANGE = 100_000;
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

// NAME{1..9} stands for nine lines; {} in the other words is the number.
function* expanded(words, fail) {
	const range = /\{([0-9]+)\.\.([0-9]+)\}/.exec(words[0]);
	if (!range) {
		yield words;
		return;
	}
	const [first, last] = [Number(range[1]), Number(range[2])];
	if (first > last || last - first >= MAX_RANGE)
		fail(`a range is upwards, ${MAX_RANGE} at most`);
	for (let n = first; n <= last; n++)
		yield [words[0].replace(range[0], n),
			...words.slice(1).map((word) => word.replaceAll('{}', n))];
}

function user([impi, secret, trusted, ...impus], fail) {
	if (!/^[^@:{}]+@[^@:{}]+$/.test(impi))
		fail(`an IMPI is user@domain, not ${impi}`);
	if (trusted !== 'web' && trusted !== '-')
		fail('the third word is web or -');
	if (!impus.some((impu) => impu.startsWith('sip:')))
		fail('no sip: IMPU');
	for (const impu of impus)
		if (!/^(sip:[^@;{}]+@[^@;{}]+|tel:\+[0-9]+)$/.test(impu))
			fail(`not an IMPU: ${impu}`);
	return { impi, ...credentials(secret ?? '', fail), web: trusted === 'web', impus };
}

/** The lines of the file, comments left out: { words, fail }. */
export function linesOf(text, name = 'subscribers') {
	return text.split('\n').map((line, i) => ({
		words: line.replace(/#.*/, '').trim().split(/\s+/),
		fail: (why) => {
			throw new Error(`${name}:${i + 1}: ${why}`);
		},
	})).filter(({ words }) => words[0] !== '');
}

/** Map of IMPI to { impi, password | aka, web, impus }. */
export function parseSubscribers(text, name) {
	const users = new Map();
	const owners = new Map();
	for (const { words, fail } of linesOf(text, name))
		for (const one of expanded(words, fail)) {
			const added = user(one, fail);
			if (users.has(added.impi))
				fail(`${added.impi} again`);
			for (const impu of added.impus) {
				if (owners.has(impu))
					fail(`${impu} belongs to ${owners.get(impu)}`);
				owners.set(impu, added.impi);
			}
			users.set(added.impi, added);
		}
	return users;
}

export function readSubscribers(file = FILE) {
	return parseSubscribers(fs.readFileSync(file, 'utf8'), file);
}
