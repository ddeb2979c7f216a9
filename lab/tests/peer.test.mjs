// A Diameter peer over TCP: capabilities, watchdog, requests, disconnection.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { ERROR, Framer, REQUEST, avp, encode, number, text } from '../hss/diameter.mjs';
import { AVP, COMMAND, CX, RESULT } from '../hss/dictionary.mjs';
import { Peer } from '../hss/peer.mjs';

let server;
let peers;

before(async () => {
	peers = [];
	server = net.createServer((socket) => peers.push(new Peer(socket, {
		ours: { host: 'hss', realm: 'ims.test', address: '127.0.0.1' },
		log() {}, closed() {},
		serve: (peer, { command }) => (command === COMMAND.UA ?
			[avp(AVP.RESULT_CODE, RESULT.SUCCESS)] : null),
	})));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
});

after(() => server.close());

class Client {
	#messages = [];
	#wake = null;

	static async connect() {
		const client = new Client();
		client.socket = net.connect(server.address().port, '127.0.0.1');
		const framer = new Framer();
		client.socket.on('error', () => {});
		client.socket.on('data', (chunk) => {
			client.#messages.push(...framer.push(chunk));
			client.#wake?.();
		});
		client.closed = once(client.socket, 'close');
		await once(client.socket, 'connect');
		return client;
	}

	send(command, avps = [], application = 0, flags = REQUEST) {
		this.socket.write(encode({ flags, command, application, hopByHop: 11,
			endToEnd: 12, avps: [avp(AVP.SESSION_ID, 'the;session'), ...avps] }));
	}

	async receive() {
		while (!this.#messages.length)
			await new Promise((resolve) => { this.#wake = resolve; });
		return this.#messages.shift();
	}

	async introduce(application = CX) {
		this.send(COMMAND.CE, [avp(AVP.ORIGIN_HOST, 'scscf'),
			avp(AVP.VENDOR_SPECIFIC_APPLICATION_ID,
				[avp(AVP.AUTH_APPLICATION_ID, application)])]);
		return number((await this.receive()).avps, AVP.RESULT_CODE);
	}
}

test('capabilities, a request, the watchdog and disconnection', async () => {
	const client = await Client.connect();
	assert.equal(await client.introduce(), RESULT.SUCCESS);
	client.send(COMMAND.UA, [], CX);
	const answer = await client.receive();
	assert.equal(answer.flags & REQUEST, 0);
	assert.deepEqual([answer.hopByHop, answer.endToEnd], [11, 12]);
	assert.equal(text(answer.avps, AVP.SESSION_ID), 'the;session');
	assert.equal(number(answer.avps, AVP.RESULT_CODE), RESULT.SUCCESS);
	client.send(COMMAND.DW);
	assert.equal(number((await client.receive()).avps, AVP.RESULT_CODE), RESULT.SUCCESS);
	client.send(COMMAND.DP);
	assert.equal((await client.receive()).command, COMMAND.DP);
	await client.closed;
});

test('unknown commands and applications are refused with the E bit', async () => {
	const client = await Client.connect();
	await client.introduce();
	client.send(999, [], CX);
	let answer = await client.receive();
	assert.equal(number(answer.avps, AVP.RESULT_CODE), RESULT.COMMAND_UNSUPPORTED);
	assert.ok(answer.flags & ERROR);
	client.send(COMMAND.UA, [], 4);
	answer = await client.receive();
	assert.equal(number(answer.avps, AVP.RESULT_CODE), RESULT.APPLICATION_UNSUPPORTED);
	client.socket.destroy();
});

test('a peer without Cx is told so and sent away', async () => {
	const client = await Client.connect();
	assert.equal(await client.introduce(4), RESULT.NO_COMMON_APPLICATION);
	await client.closed;
});

test('a request before the capabilities, and noise, end the connection', async () => {
	const early = await Client.connect();
	early.send(COMMAND.UA, [], CX);
	await early.closed;
	const noise = await Client.connect();
	noise.socket.write('REGISTER sip:ims.test SIP/2.0\r\n\r\n');
	await noise.closed;
});

test('a request of ours gets its answer, or null when the peer goes', async () => {
	const client = await Client.connect();
	await client.introduce();
	const peer = peers.at(-1);
	const asked = peer.request({ command: COMMAND.RT, application: CX, avps: [] });
	const { hopByHop } = await client.receive();
	client.socket.write(encode({ flags: 0, command: COMMAND.RT, application: CX,
		hopByHop, endToEnd: 0, avps: [avp(AVP.RESULT_CODE, RESULT.SUCCESS)] }));
	assert.equal(number((await asked).avps, AVP.RESULT_CODE), RESULT.SUCCESS);
	const left = peer.request({ command: COMMAND.RT, application: CX, avps: [] });
	await client.receive();
	client.socket.destroy();
	assert.equal(await left, null);
});
