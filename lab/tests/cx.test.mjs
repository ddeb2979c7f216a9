// The procedures of Cx, without a network: every result a CSCF can get.
import test, { beforeEach } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { avp, find, group, number, text } from '../hss/diameter.mjs';
import { ASSIGNMENT, AVP, COMMAND, CX_RESULT, RESULT } from '../hss/dictionary.mjs';
import { Cx, NOT_REGISTERED, REGISTERED } from '../hss/cx.mjs';
import { milenage, sqnBytes } from '../hss/milenage.mjs';
import { parseSubscribers } from '../hss/subscribers.mjs';

const K = '000102030405060708090a0b0c0d0e0f';
const OPC = '101112131415161718191a1b1c1d1e1f';
const USERS = `
alice@ims.test digest:secret web sip:alice@ims.test tel:+1 sip:+1@ims.test
erin@ims.test aka:${K}:${OPC}:8000 - sip:erin@ims.test
`;
const SCSCF = 'sip:scscf.test';
let cx;

beforeEach(() => {
	cx = new Cx(parseSubscribers(USERS), { scscf: SCSCF });
});

const names = (user, impu = `sip:${user}@ims.test`) =>
	[avp(AVP.USER_NAME, `${user}@ims.test`), avp(AVP.PUBLIC_IDENTITY, impu)];

function assign(type, user = 'alice', more = []) {
	return cx.answer(COMMAND.SA, [...names(user), avp(AVP.SERVER_NAME, SCSCF),
		avp(AVP.ORIGIN_HOST, 'scscf'), avp(AVP.SERVER_ASSIGNMENT_TYPE, type), ...more]);
}

const mar = (user, item = [], count = 1) => cx.answer(COMMAND.MA, [...names(user),
	avp(AVP.SIP_NUMBER_AUTH_ITEMS, count), avp(AVP.SIP_AUTH_DATA_ITEM, item)]);

const code = (avps) => number(avps, AVP.RESULT_CODE);
const cxCode = (avps) => number(group(avps, AVP.EXPERIMENTAL_RESULT) ?? [],
	AVP.EXPERIMENTAL_RESULT_CODE);
const stateOf = (user) => cx.records.get(`${user}@ims.test`).state;

test('UAR: the first registration is given an S-CSCF', () => {
	const answer = cx.answer(COMMAND.UA, names('alice'));
	assert.equal(cxCode(answer), CX_RESULT.FIRST_REGISTRATION);
	assert.equal(text(answer, AVP.SERVER_NAME), SCSCF);
	assert.equal(stateOf('alice'), NOT_REGISTERED);
});

test('UAR: a later one is sent to the same', () => {
	assign(ASSIGNMENT.REGISTRATION);
	assert.equal(cxCode(cx.answer(COMMAND.UA, names('alice'))),
		CX_RESULT.SUBSEQUENT_REGISTRATION);
});

test('UAR: strangers, other people\'s IMPUs and missing names are refused', () => {
	assert.equal(cxCode(cx.answer(COMMAND.UA, names('mallory'))), CX_RESULT.USER_UNKNOWN);
	assert.equal(cxCode(cx.answer(COMMAND.UA, names('alice', 'sip:nobody@ims.test'))),
		CX_RESULT.USER_UNKNOWN);
	assert.equal(cxCode(cx.answer(COMMAND.UA, names('alice', 'sip:erin@ims.test'))),
		CX_RESULT.IDENTITIES_DONT_MATCH);
	const answer = cx.answer(COMMAND.UA, [avp(AVP.USER_NAME, 'alice@ims.test')]);
	assert.equal(code(answer), RESULT.MISSING_AVP);
	assert.ok(find(group(answer, AVP.FAILED_AVP), AVP.PUBLIC_IDENTITY));
});

test('UAR: de-registration needs a registration', () => {
	const dereg = [...names('alice'), avp(AVP.USER_AUTHORIZATION_TYPE, 1)];
	assert.equal(cxCode(cx.answer(COMMAND.UA, dereg)), CX_RESULT.IDENTITY_NOT_REGISTERED);
	assign(ASSIGNMENT.REGISTRATION);
	assert.equal(code(cx.answer(COMMAND.UA, dereg)), RESULT.SUCCESS);
});

test('LIR: finds the S-CSCF by every IMPU of the set, and nobody else\'s', () => {
	const lir = (impu) => cx.answer(COMMAND.LI, [avp(AVP.PUBLIC_IDENTITY, impu)]);
	assert.equal(cxCode(lir('tel:+1')), CX_RESULT.IDENTITY_NOT_REGISTERED);
	assign(ASSIGNMENT.REGISTRATION);
	for (const impu of ['sip:alice@ims.test', 'tel:+1', 'sip:+1@ims.test'])
		assert.equal(text(lir(impu), AVP.SERVER_NAME), SCSCF);
	assert.equal(cxCode(lir('sip:nobody@ims.test')), CX_RESULT.USER_UNKNOWN);
});

test('MAR: SIP Digest carries H(A1), and no password', () => {
	const answer = mar('alice');
	assert.equal(code(answer), RESULT.SUCCESS);
	const digest = group(group(answer, AVP.SIP_AUTH_DATA_ITEM), AVP.SIP_DIGEST_AUTHENTICATE);
	assert.equal(text(digest, AVP.DIGEST_HA1),
		createHash('md5').update('alice@ims.test:ims.test:secret').digest('hex'));
	assert.equal(text(answer, AVP.USER_NAME), 'alice@ims.test');
	assert.equal(text(answer, AVP.PUBLIC_IDENTITY), 'sip:alice@ims.test');
});

// What a UE does with a vector.
function checked(answer) {
	const item = group(answer, AVP.SIP_AUTH_DATA_ITEM);
	const challenge = find(item, AVP.SIP_AUTHENTICATE).data;
	const rand = challenge.subarray(0, 16);
	const autn = challenge.subarray(16);
	const key = { k: Buffer.from(K, 'hex'), opc: Buffer.from(OPC, 'hex'), rand };
	const { ak } = milenage(key);
	const sqn = Buffer.from(autn.subarray(0, 6).map((b, i) => b ^ ak[i]));
	const m = milenage({ ...key, sqn, amf: autn.subarray(6, 8) });
	assert.deepEqual(autn.subarray(8), m.macA);
	assert.deepEqual(find(item, AVP.SIP_AUTHORIZATION).data, m.res);
	assert.deepEqual(find(item, AVP.CONFIDENTIALITY_KEY).data, m.ck);
	assert.deepEqual(find(item, AVP.INTEGRITY_KEY).data, m.ik);
	return { sqn, key };
}

test('MAR: AKA vectors verify at the UE, each with a higher number', () => {
	const first = checked(mar('erin')).sqn;
	const second = checked(mar('erin')).sqn;
	assert.ok(Buffer.compare(second, first) > 0);
	const many = mar('erin', [], 3);
	assert.equal(many.filter((a) => a.code === AVP.SIP_AUTH_DATA_ITEM[0]).length, 3);
	assert.equal(mar('erin', [], 1000).filter(
		(a) => a.code === AVP.SIP_AUTH_DATA_ITEM[0]).length, 5);
});

function auts({ key }, sqn) {
	const { akStar } = milenage(key);
	const { macS } = milenage({ ...key, sqn, amf: Buffer.alloc(2) });
	return Buffer.concat([key.rand, sqn.map((b, i) => b ^ akStar[i]), macS]);
}

test('MAR: AUTS moves the sequence number behind the terminal\'s', () => {
	const ms = sqnBytes(0x700000000000n);
	const authorization = auts(checked(mar('erin')), ms);
	const { sqn } = checked(mar('erin', [avp(AVP.SIP_AUTHORIZATION, authorization)]));
	assert.equal(BigInt(`0x${sqn.toString('hex')}`) >> 5n, (0x700000000000n >> 5n) + 1n);
});

test('MAR: a forged or short AUTS moves nothing', () => {
	const authorization = auts(checked(mar('erin')), sqnBytes(0x700000000000n));
	authorization[29] ^= 1;
	for (const bad of [authorization, authorization.subarray(0, 29)]) {
		const { sqn } = checked(mar('erin', [avp(AVP.SIP_AUTHORIZATION, bad)]));
		assert.ok(sqn[0] < 0x70);
	}
});

test('MAR: a scheme the user has no key for is refused, with both names', () => {
	const answer = mar('alice', [avp(AVP.SIP_AUTHENTICATION_SCHEME, 'Digest-AKAv1-MD5')]);
	assert.equal(cxCode(answer), CX_RESULT.AUTH_SCHEME_NOT_SUPPORTED);
	assert.equal(text(answer, AVP.USER_NAME), 'alice@ims.test');
	assert.equal(code(mar('alice', [avp(AVP.SIP_AUTHENTICATION_SCHEME, 'SIP Digest')])),
		RESULT.SUCCESS);
	assert.equal(text(mar('mallory'), AVP.USER_NAME), 'mallory@ims.test');
});

test('SAR: registration stores the server and gives the profile', () => {
	const answer = assign(ASSIGNMENT.REGISTRATION);
	assert.equal(code(answer), RESULT.SUCCESS);
	assert.match(text(answer, AVP.USER_DATA), /<Identity>tel:\+1<\/Identity>/);
	assert.equal(stateOf('alice'), REGISTERED);
	const again = assign(ASSIGNMENT.RE_REGISTRATION, 'alice',
		[avp(AVP.USER_DATA_ALREADY_AVAILABLE, 1)]);
	assert.equal(find(again, AVP.USER_DATA), undefined);
});

test('SAR: every way to de-register forgets the server', () => {
	for (const type of [ASSIGNMENT.TIMEOUT_DEREGISTRATION, ASSIGNMENT.USER_DEREGISTRATION,
		ASSIGNMENT.ADMINISTRATIVE_DEREGISTRATION]) {
		assign(ASSIGNMENT.REGISTRATION);
		assert.equal(code(assign(type)), RESULT.SUCCESS);
		assert.equal(stateOf('alice'), NOT_REGISTERED);
		assert.equal(cx.records.get('alice@ims.test').serverName, '');
	}
});

test('SAR: who fails to authenticate as alice does not de-register her', () => {
	assign(ASSIGNMENT.REGISTRATION);
	assign(ASSIGNMENT.AUTHENTICATION_FAILURE);
	assign(ASSIGNMENT.AUTHENTICATION_TIMEOUT);
	assert.equal(stateOf('alice'), REGISTERED);
});

test('SAR: the server name may be kept, and a wrong type is refused', () => {
	assign(ASSIGNMENT.REGISTRATION);
	assign(ASSIGNMENT.USER_DEREGISTRATION_STORE_SERVER_NAME);
	assert.equal(cx.records.get('alice@ims.test').serverName, SCSCF);
	assert.equal(cxCode(assign(99)), CX_RESULT.IN_ASSIGNMENT_TYPE);
});

test('a command that is not of Cx has no answer here', () => {
	assert.equal(cx.answer(999, []), null);
});
