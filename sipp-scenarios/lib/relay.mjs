// relay.mjs - networks that lose datagrams.  They stand where the core is, in
// front of a SIPp that listens on PORT.behind.
import dgram from 'node:dgram';
import { PORT } from './bench.mjs';

const callOf = (text) => /^Call-ID:\s*(\S+)/mi.exec(text)?.[1];

/**
 * Passes on what it does not @lose(text, ours, reply): ours when the gateway
 * sent it, and reply() answers the gateway in place of who is behind.
 */
async function start(lose) {
	const socket = dgram.createSocket('udp4');
	const reply = (text) => socket.send(text, PORT.sip, '127.0.0.1');

	socket.on('message', (data, from) => {
		const ours = from.port === PORT.sip;

		if (!lose(data.toString('latin1'), ours, reply))
			socket.send(data, ours ? PORT.behind : PORT.sip, '127.0.0.1');
	});
	socket.on('error', () => {});
	await new Promise((open) => socket.bind(PORT.peer, '127.0.0.1', open));
	return { stop: () => new Promise((closed) => socket.close(closed)) };
}

/** Every datagram is lost the first time: what is not repeated never arrives. */
export async function startRelay() {
	const seen = new Set();
	const relay = await start((text) => !seen.has(text) && seen.add(text));

	return { ...relay, lost: () => seen.size };
}

/** "BYE" of a request, "200 BYE" of a response. */
function nameOf(text) {
	const method = /^CSeq:\s*\d+ (\S+)/mi.exec(text)?.[1];
	const status = /^SIP\/2\.0 (\d{3})/.exec(text)?.[1];

	return status ? `${status} ${method}` : method;
}

/**
 * Of the n-th call, the first datagram that is called as the n-th of @messages
 * is lost; all else arrives.
 */
export async function startSievingRelay(messages) {
	const left = [...messages];
	const loses = new Map(); // Call-ID -> name, until it was lost
	const relay = await start((text) => {
		const id = callOf(text);

		if (!loses.has(id))
			loses.set(id, left.shift());
		if (loses.get(id) !== nameOf(text))
			return false;
		loses.set(id, null);
		return true;
	});

	/** What was to be lost and never came. */
	return { ...relay, missed: () => [...left, ...loses.values()].filter(Boolean) };
}

/** A 200 to the request @text. */
function ok(text, { tag, contact, body = '' } = {}) {
	const header = (name) => new RegExp(`^${name}:.*$`, 'mi').exec(text)[0].trim();
	const to = header('To');

	return ['SIP/2.0 200 OK', header('Via'), header('From'),
		!tag || /;tag=/.test(to) ? to : `${to};tag=${tag}`, header('Call-ID'), header('CSeq'),
		...contact ? [`Contact: ${contact}`] : [],
		...body ? ['Content-Type: application/sdp'] : [],
		`Content-Length: ${body.length}`, '', body].join('\r\n');
}

/** A third phone, which a call is handed over to: it is there at once. */
class Third {
	#calls = new Set();

	get calls() { return this.#calls.size; }

	/** Is @text for it?  Then it has been answered. */
	takes(text, id, reply) {
		const invited = /^INVITE sip:third@/.test(text);

		if (invited)
			this.#calls.add(id);
		if (!this.#calls.has(id))
			return false;
		if (!/^(ACK|SIP)/.test(text))
			reply(ok(text, { tag: 'third', contact: `<sip:third@127.0.0.1:${PORT.peer}>`,
				body: invited ? 'v=0\r\no=third 1 1 IN IP4 127.0.0.1\r\ns=-\r\n' +
					'c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 22904 RTP/AVP 8\r\n' : '' }));
		return true;
	}
}

/**
 * learn(): what the calls from now on consist of, each message once, as
 * [["> INVITE 1", ...], ...]: who sent it (> the gateway), what it is, and the
 * how manieth of its kind.  lose(messages): of the calls from now on each loses
 * one of @messages, once; missed() then has those that never came.
 *
 * NOTIFYs are answered here: each is repeated for itself, and SIPp only takes
 * them in the order that its scenario has.
 */
export async function startLearningRelay() {
	const third = new Third();
	let calls = new Map(); // Call-ID -> { kinds, messages, loses, told }
	let left = [];

	function messageOf(call, text, ours) {
		const kind = `${ours ? '>' : '<'} ${nameOf(text)}`;
		const cseq = /^CSeq:\s*(\d+)/mi.exec(text)?.[1];
		const seen = call.kinds[kind] ??= [];

		if (!seen.includes(cseq))
			seen.push(cseq);
		return `${kind} ${seen.indexOf(cseq) + 1}`;
	}

	function isLost(call, text, ours) {
		const message = messageOf(call, text, ours);

		if (!call.messages.includes(message))
			call.messages.push(message);
		if (call.loses !== message)
			return false;
		call.loses = null;
		return true;
	}

	const relay = await start((text, ours, reply) => {
		const id = callOf(text);

		if (ours && third.takes(text, id, reply))
			return true;
		if (!calls.has(id))
			calls.set(id, { kinds: {}, messages: [], loses: left.shift(), told: new Set() });
		const call = calls.get(id);
		if (isLost(call, text, ours))
			return true;
		if (!ours || !/^NOTIFY /.test(text))
			return false;
		call.told.add(/^SIP\/2\.0 (\d+)/m.exec(text)?.[1]);
		const answer = ok(text);
		if (!isLost(call, answer, false))
			reply(answer);
		return true;
	});

	return {
		...relay,
		learn() { calls = new Map(); },
		learnt: () => [...calls.values()].map(({ messages }) => messages),
		lose(messages) { calls = new Map(); left = [...messages]; },
		missed: () => [...left, ...[...calls.values()].map(({ loses }) => loses)].filter(Boolean),
		thirds: () => third.calls,
		/** What the NOTIFYs of each call have told. */
		told: () => [...calls.values()].map(({ told }) => [...told]),
	};
}
