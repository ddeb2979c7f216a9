// dns.mjs - a name server for tests: UDP, a zone that is a plain object, no
// compression, no recursion.  What it does not know does not exist.
//
//	const dns = await startDns('127.0.0.60', {
//		'ims.test NAPTR': [{ order: 10, preference: 10, service: 'SIP+D2U',
//			replacement: '_sip._udp.ims.test' }],
//		'_sip._udp.ims.test SRV': [{ priority: 10, weight: 1, port: 5060, target: 'a.ims.test' }],
//		'a.ims.test A': ['127.0.0.41'],
//	});
//	dns.asked;              // ['ims.test NAPTR', ...]
//	await dns.stop();
import dgram from 'node:dgram';

const TYPES = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' };
const TTL = 60;

const u16 = (...values) => Buffer.from(values.flatMap((v) => [v >> 8 & 255, v & 255]));
const u32 = (value) => u16(value >>> 16, value & 0xffff);
const text = (value = '') => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
const name = (value) => Buffer.concat([...value.split('.').filter(Boolean).map(text),
	Buffer.from([0])]);

const DATA = {
	A: (address) => Buffer.from(address.split('.').map(Number)),
	SRV: ({ priority, weight, port, target }) =>
		Buffer.concat([u16(priority, weight, port), name(target)]),
	NAPTR: ({ order, preference, service, replacement }) =>
		Buffer.concat([u16(order, preference), text('s'), text(service), text(), name(replacement)]),
};

/** { id, question (its bytes), name, type } of a query, or null. */
function read(query) {
	const labels = [];
	let at = 12;

	while (query[at]) {
		labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
		at += query[at] + 1;
		if (at + 5 > query.length)
			return null;
	}
	return { id: query.readUInt16BE(0), question: query.subarray(12, at + 5),
		name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)] };
}

function reply({ id, question, type }, owner, records) {
	const answers = records.map((record) => {
		const data = DATA[type](record);

		return Buffer.concat([name(owner), question.subarray(-4), u32(TTL), u16(data.length), data]);
	});

	// QR, AA; with no record: NXDOMAIN.
	return Buffer.concat([u16(id, 0x8400 | (records.length ? 0 : 3), 1, answers.length, 0, 0),
		question, ...answers]);
}

export async function startDns(address, zone, port = 53) {
	const socket = dgram.createSocket('udp4');
	const asked = [];

	socket.on('message', (query, from) => {
		const q = query.length >= 17 ? read(query) : null;

		if (!q)
			return;
		asked.push(`${q.name} ${q.type}`);
		socket.send(reply(q, q.name, zone[`${q.name} ${q.type}`] ?? []), from.port, from.address);
	});
	await new Promise((resolve, reject) => {
		socket.once('error', reject);
		socket.bind(port, address, resolve);
	});
	return { asked, stop: () => new Promise((done) => socket.close(done)) };
}
