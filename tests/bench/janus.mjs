// janus.mjs CONTROL_PORT WS_PORT - Janus' NoSIP plugin under the control
// protocol that rtpengine has: offer, answer, delete, as many as come at once.
// A process of its own, on the load's core: what it costs is not Janus'.
import dgram from 'node:dgram';
import process from 'node:process';
import WebSocket from 'ws';

const [controlPort, wsPort] = process.argv.slice(2).map(Number);
const control = dgram.createSocket('udp4');
const calls = new Map();     // call-id -> handle, what was answered
const handles = new Map();   // handle id -> who waits for its event
const waiting = new Map();   // transaction -> who waits for its reply
let ws;
let session;
let number = 0;

// ---- bencoding (strings, integers, lists, dictionaries) ----

function decode(data, at = 0) {
	const what = String.fromCharCode(data[at]);
	if (what === 'i') {
		const end = data.indexOf('e', at);
		return [Number(data.toString('latin1', at + 1, end)), end + 1];
	}
	if (what === 'l' || what === 'd') {
		const items = [];
		let next = at + 1;
		while (data[next] !== 0x65) {
			const [value, after] = decode(data, next);
			items.push(value);
			next = after;
		}
		if (what === 'l')
			return [items, next + 1];
		const pairs = items.flatMap((key, i) => i % 2 ? [] : [[key, items[i + 1]]]);
		return [Object.fromEntries(pairs), next + 1];
	}
	const colon = data.indexOf(':', at);
	const end = colon + 1 + Number(data.toString('latin1', at, colon));
	if (colon < 0 || !(end <= data.length))
		throw new Error('not bencoded');
	return [data.toString('utf8', colon + 1, end), end];
}

const encode = (o) => `d${Object.entries(o).map(([key, value]) =>
	`${key.length}:${key}${Buffer.byteLength(value)}:${value}`).join('')}e`;

// ---- Janus ----

function ask(message) {
	const transaction = `t${number++}`;
	const reply = new Promise((resolve, reject) => {
		waiting.set(transaction, { resolve, reject });
	});
	ws.send(JSON.stringify({ ...message, transaction, ...session ? { session_id: session } : {} }));
	return reply;
}

/** A message to the plugin, and the event that it answers with. */
function tell(handle, body, jsep) {
	const event = new Promise((resolve, reject) => handles.set(handle, { resolve, reject }));
	ask({ janus: 'message', handle_id: handle, body, ...jsep ? { jsep } : {} })
		.catch((error) => handles.get(handle)?.reject(error));
	return event;
}

function heard(text) {
	const message = JSON.parse(text);
	const { transaction } = message;

	if (message.janus === 'event' && handles.has(message.sender)) {
		const { error, result } = message.plugindata.data;
		// What else the plugin says (hangup) is nobody's answer.
		if (error)
			handles.get(message.sender).reject(new Error(error));
		else if (result?.event === 'generated' || result?.event === 'processed')
			handles.get(message.sender).resolve({ ...result, jsep: message.jsep });
	}
	const who = waiting.get(transaction);
	if (!who)
		return;
	waiting.delete(transaction);
	if (message.janus === 'error')
		who.reject(new Error(message.error.reason));
	else
		who.resolve(message);
}

async function offer(id, sdp) {
	const call = { state: 'offer' };
	calls.set(id, call);
	call.handle = (await ask({ janus: 'attach', plugin: 'janus.plugin.nosip' })).data.id;
	// The plain description for the phone.
	const made = await tell(call.handle, { request: 'generate' }, { type: 'offer', sdp });
	return made.sdp;
}

async function answer(call, sdp) {
	const made = await tell(call.handle, { request: 'process', type: 'answer', sdp });
	return made.jsep.sdp;
}

async function remove(id, call) {
	calls.delete(id);
	handles.delete(call.handle);
	// As rtpengine does, answered once it is gone.
	await ask({ janus: 'detach', handle_id: call.handle });
}

async function serve(request) {
	const id = request['call-id'];
	const call = calls.get(id);

	switch (request.command) {
	case 'ping':
		return { result: session ? 'pong' : undefined };
	case 'offer':
		// Asked again: the answer is on its way.
		return call ? {} : { result: 'ok', sdp: await offer(id, request.sdp) };
	case 'answer':
		if (!call || call.answered)
			return {};
		call.answered = true;
		return { result: 'ok', sdp: await answer(call, request.sdp) };
	case 'delete':
		if (call)
			await remove(id, call);
		return { result: 'ok' };
	default:
		return { result: 'error', 'error-reason': 'unknown command' };
	}
}

control.on('message', async (data, from) => {
	const blank = data.indexOf(' ');
	let reply;

	try {
		const [request] = decode(data, blank + 1);
		reply = await serve(request);
	} catch (error) {
		reply = { 'result': 'error', 'error-reason': error.message };
	}
	if (reply.result)
		control.send(`${data.toString('latin1', 0, blank)} ${encode(reply)}`, from.port, from.address);
});

/** Janus listens when it listens: tried again until then. */
function open() {
	return new Promise((resolve) => {
		const attempt = () => {
			const socket = new WebSocket(`ws://127.0.0.1:${wsPort}`, 'janus-protocol',
				{ perMessageDeflate: false });
			socket.once('open', () => resolve(socket));
			socket.once('error', () => setTimeout(attempt, 50));
		};
		attempt();
	});
}

process.on('SIGTERM', () => process.exit(0));
control.bind(controlPort, '127.0.0.1');
ws = await open();
ws.on('message', heard);
ws.on('close', () => process.exit(1));
session = (await ask({ janus: 'create' })).data.id;
setInterval(() => ask({ janus: 'keepalive' }).catch(() => {}), 20000);
