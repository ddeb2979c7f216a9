// The Diameter codec: what goes in comes out, and nonsense is refused.
import test from 'node:test';
import assert from 'node:assert/strict';
import { DiameterError, Framer, MAX_MESSAGE, REQUEST, avp, decode, decodeAvps, encode,
	find, group, number, text } from '../hss/diameter.mjs';
import { AVP, COMMAND, CX } from '../hss/dictionary.mjs';

const message = (avps) => ({ flags: REQUEST, command: COMMAND.UA, application: CX,
	hopByHop: 0xdeadbeef, endToEnd: 7, avps });

test('a message survives the wire', () => {
	const sent = message([avp(AVP.USER_NAME, 'alice@ims.test'),
		avp(AVP.SERVER_ASSIGNMENT_TYPE, 5),
		avp(AVP.VENDOR_SPECIFIC_APPLICATION_ID,
			[avp(AVP.VENDOR_ID, 10415), avp(AVP.AUTH_APPLICATION_ID, CX)]),
		avp(AVP.SESSION_ID, '', false)]);
	const got = decode(encode(sent));
	assert.equal(got.hopByHop, 0xdeadbeef);
	assert.equal(got.command, COMMAND.UA);
	assert.equal(got.application, CX);
	assert.equal(text(got.avps, AVP.USER_NAME), 'alice@ims.test');
	assert.equal(number(got.avps, AVP.SERVER_ASSIGNMENT_TYPE), 5);
	assert.equal(number(group(got.avps, AVP.VENDOR_SPECIFIC_APPLICATION_ID),
		AVP.AUTH_APPLICATION_ID), CX);
	assert.deepEqual(got.avps.map((a) => a.mandatory), [true, true, true, false]);
});

test('bytes are those of RFC 6733: header, flags, lengths, padding', () => {
	const bytes = encode({ flags: REQUEST, command: COMMAND.DW, application: 0,
		hopByHop: 1, endToEnd: 2, avps: [avp(AVP.ORIGIN_HOST, 'hss'),
			avp(AVP.SERVER_ASSIGNMENT_TYPE, 1)] });
	assert.equal(bytes.toString('hex'), '01000030' + '80000118' + '00000000' +
		'00000001' + '00000002' +
		'00000108' + '4000000b' + '68737300' +
		'00000266' + 'c0000010' + '000028af' + '00000001');
});

test('the same code of another vendor is another AVP', () => {
	const avps = [avp([601], 'wrong'), avp(AVP.PUBLIC_IDENTITY, 'right')];
	assert.equal(text(avps, AVP.PUBLIC_IDENTITY), 'right');
	assert.equal(find(avps, AVP.SERVER_NAME), undefined);
	assert.equal(number(avps, AVP.PUBLIC_IDENTITY), undefined);
});

test('messages are found in any cut of the stream', () => {
	const one = encode(message([avp(AVP.USER_NAME, 'a')]));
	const stream = Buffer.concat([one, one, one]);
	for (const size of [1, 3, 4, 19, 21, stream.length]) {
		const framer = new Framer();
		let found = 0;
		for (let at = 0; at < stream.length; at += size)
			found += framer.push(stream.subarray(at, at + size)).length;
		assert.equal(found, 3, `pieces of ${size}`);
	}
});

test('what is not Diameter is refused', () => {
	const refused = (bytes) => assert.throws(
		() => new Framer().push(Buffer.from(bytes)), DiameterError);
	refused([0x16, 0, 0, 40]); // TLS
	refused([1, 0, 0, 16]); // shorter than a header
	refused([1, 0, 0, 22]); // not a multiple of four
	refused([1, (MAX_MESSAGE + 4) >> 16, 0, 4]);
});

test('an AVP that lies about its length is refused', () => {
	const whole = encode(message([avp(AVP.USER_NAME, 'alice')]));
	for (const length of [0, 7, 14, 200]) {
		const bytes = Buffer.from(whole);
		bytes.writeUIntBE(length, 25, 3);
		if (length === 14) // cut off by the end of the message
			assert.throws(() => decodeAvps(bytes.subarray(20, 33)), DiameterError);
		else
			assert.throws(() => decode(bytes), DiameterError, `length ${length}`);
	}
	assert.throws(() => decodeAvps(Buffer.alloc(5)), DiameterError);
});
