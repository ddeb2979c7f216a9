// rtp.mjs - a sine in PCMU to an address, 50 packets a second, until stopped;
// and an ear for what comes back.
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { pause } from './process.mjs';

// ITU-T G.711, from 16 bits.
export function mulaw(sample) {
	const sign = sample < 0 ? 0x80 : 0;
	const magnitude = Math.min(32635, Math.abs(sample)) + 132;
	const exponent = Math.floor(Math.log2(magnitude)) - 7;
	const mantissa = magnitude >> (exponent + 3) & 0x0f;
	return ~(sign | exponent << 4 | mantissa) & 0xff;
}

function linear(byte) {
	const value = ~byte & 0xff;
	const magnitude = ((value & 0x0f) << 3 | 0x84) << (value >> 4 & 7);
	return (value & 0x80 ? 132 - magnitude : magnitude - 132) / 32768;
}

/** Where @sdp wants its audio. */
export function audioOf(sdp) {
	return {
		host: /^c=IN IP4 (\S+)/m.exec(sdp)[1],
		port: Number(/^m=audio (\d+)/m.exec(sdp)[1]),
	};
}

/** From 127.0.0.1:@port; stop() ends it.  listen(), watch(): what comes
 * there. */
export async function playTone({ port, to, hz = 1000 }) {
	const socket = dgram.createSocket('udp4');
	await new Promise((done, fail) => {
		socket.once('error', fail);
		socket.bind(port, '127.0.0.1', done);
	});
	socket.on('error', () => {});
	let heard = null; // payloads, while somebody listens
	let watched = null;
	socket.on('message', (packet) => {
		if (packet.length <= 12 || (packet[1] & 0x7f) !== 0)
			return;
		const payload = packet.subarray(12 + 4 * (packet[0] & 0x0f));
		heard?.push(payload);
		watched?.push({ at: performance.now(), time: packet.readUInt32BE(4) / 8,
			samples: Float32Array.from(payload, linear) });
	});
	const ssrc = randomBytes(4).readUInt32BE();
	let sequence = 1;
	let time = 0;
	const began = Date.now();
	let sent = 0;
	let late = 0;
	const timer = setInterval(() => {
		const due = (Date.now() - began) / 20;
		late = Math.max(late, 20 * (due - sent) - 20);
		// As many as are due: a late timer is caught up with.
		for (; sent < due; sent++) {
			const packet = Buffer.alloc(172);
			packet[0] = 0x80;
			packet.writeUInt16BE(sequence++ & 0xffff, 2);
			packet.writeUInt32BE(time >>> 0, 4);
			packet.writeUInt32BE(ssrc, 8);
			for (let i = 0; i < 160; i++)
				packet[12 + i] = mulaw(Math.round(8000 *
					Math.sin(2 * Math.PI * hz * (time + i) / 8000)));
			time += 160;
			socket.send(packet, to.port, to.host);
		}
	}, 10);
	return {
		/** The PCMU of the next @seconds; where nothing comes, silence. */
		async listen(seconds = 0.5) {
			const rate = 8000;
			const samples = new Float32Array(Math.round(seconds * rate));
			heard = [];
			await pause(seconds * 1000);
			const bytes = Buffer.concat(heard).subarray(0, samples.length);
			heard = null;
			bytes.forEach((byte, i) => { samples[i] = linear(byte); });
			return { samples, rate };
		},
		/** From now on each packet, when it came (ms), and its own time. */
		watch() {
			watched = [];
			late = 0;
			return watched;
		},
		/** By how much (ms) a packet of ours was late since watch() at most: the
		 * test's own pause, on a machine that has no time for it. */
		get late() { return late; },
		stop() {
			clearInterval(timer);
			return new Promise((done) => socket.close(done));
		},
	};
}
