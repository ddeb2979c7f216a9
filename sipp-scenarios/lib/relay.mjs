// relay.mjs - networks that lose datagrams.  They stand where the core is, in
// front of a SIPp that listens on PORT.behind.
import dgram from 'node:dgram';
import { PORT } from './bench.mjs';

/** Passes on what it does not @lose. */
async function start(lose) {
	const socket = dgram.createSocket('udp4');

	socket.on('message', (data, from) => {
		if (!lose(data.toString('latin1')))
			socket.send(data, from.port === PORT.sip ? PORT.behind : PORT.sip, '127.0.0.1');
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
		const id = /^Call-ID:\s*(\S+)/mi.exec(text)?.[1];

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
