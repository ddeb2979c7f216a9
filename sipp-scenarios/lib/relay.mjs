// relay.mjs - a network that loses every datagram the first time it is sent.
// Whatever is not repeated never arrives.  It stands where the core is, in
// front of a SIPp that listens on PORT.behind.
import dgram from 'node:dgram';
import { PORT } from './bench.mjs';

export async function startRelay() {
	const socket = dgram.createSocket('udp4');
	const seen = new Set();
	let lost = 0;

	socket.on('message', (data, from) => {
		const text = data.toString('latin1');

		if (!seen.has(text)) {
			seen.add(text);
			lost++;
			return;
		}
		socket.send(data, from.port === PORT.sip ? PORT.behind : PORT.sip, '127.0.0.1');
	});
	socket.on('error', () => {});
	await new Promise((open) => socket.bind(PORT.peer, '127.0.0.1', open));
	return {
		lost: () => lost,
		stop: () => new Promise((closed) => socket.close(closed)),
	};
}
