// The file of subscribers: what it holds, and what it must not hold.
import test from 'node:test';
import assert from 'node:assert/strict';
import { parseSubscribers, readSubscribers } from '../hss/subscribers.mjs';
import { opc } from '../hss/milenage.mjs';
import { profile } from '../hss/profile.mjs';

test('the lab has the users that its checks and the gateway need', () => {
	const users = readSubscribers();
	for (const name of ['alice', 'bob', 'carol', 'dave', 'erin'])
		assert.ok(users.has(`${name}@ims.test`), name);
	for (let i = 1; i <= 9; i++)
		assert.ok(users.get(`pool${i}@ims.test`).web);
	assert.ok(users.get('alice@ims.test').web);
	assert.ok(!users.get('carol@ims.test').web);
	assert.equal(users.get('erin@ims.test').aka.k.length, 16);
});

test('every number has the sip: form under which the S-CSCF looks it up', () => {
	for (const { impi, impus } of readSubscribers().values())
		for (const tel of impus.filter((impu) => impu.startsWith('tel:')))
			assert.ok(impus.includes(`sip:${tel.slice(4)}@ims.test`), impi);
});

test('erin\'s OPc is that of the OP that SIPp gets', () => {
	const { aka } = readSubscribers().get('erin@ims.test');
	const op = Buffer.from('c1c2c3c4c5c6c7c8c9cacbcccdcecfd0', 'hex');
	assert.deepEqual(opc(aka.k, op), aka.opc);
});

test('a mistake is told with its line', () => {
	const good = 'a@b digest:x web sip:a@b\n';
	const wrong = {
		'a@b digest:x web sip:c@b': /:2: a@b again/,
		'c@b digest:x web sip:a@b': /:2: sip:a@b belongs to a@b/,
		'c digest:x web sip:c@b': /:2: an IMPI/,
		'c@b digest: web sip:c@b': /:2: credentials/,
		'c@b aka:00:11:8000 web sip:c@b': /:2: K has to have 32/,
		'c@b digest:x yes sip:c@b': /:2: the third word/,
		'c@b digest:x web tel:+1': /:2: no sip: IMPU/,
		'c@b digest:x web sip:c@b mailto:c@b': /:2: not an IMPU/,
	};
	for (const [line, why] of Object.entries(wrong))
		assert.throws(() => parseSubscribers(good + line), why, line);
});

test('a range stands for its lines', () => {
	const users = parseSubscribers('p{8..10}@b digest:x{} web sip:p{}@b sip:q{}@b');
	assert.deepEqual([...users.keys()], ['p8@b', 'p9@b', 'p10@b']);
	assert.deepEqual(users.get('p9@b').impus, ['sip:p9@b', 'sip:q9@b']);
	assert.equal(users.get('p10@b').password, 'x10');
	for (const wrong of ['p{3..2}@b', 'p{1..1000000}@b', 'p{}@b'])
		assert.throws(() => parseSubscribers(`${wrong} digest:x - sip:p{}@b`), /:1: /);
});

test('comments and empty lines are none', () => {
	assert.equal(parseSubscribers('# nobody\n\n  # here\n').size, 0);
});

test('a profile lists all IMPUs and is well-formed for any of them', () => {
	const xml = profile({ impi: 'a&b@x', impus: ['sip:a@x', 'tel:+1'] });
	assert.match(xml, /<PrivateID>a&amp;b@x<\/PrivateID>/);
	assert.deepEqual([...xml.matchAll(/<Identity>(.*?)<\/Identity>/g)].map((m) => m[1]),
		['sip:a@x', 'tel:+1']);
	assert.ok(!xml.includes('<BarringIndication>1'));
});
