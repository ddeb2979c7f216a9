// lossy.mjs - a bad line between browsers and a gateway that is ICE-lite: a UDP
// relay in front of its port, which loses what it is told to.
import dgram from 'node:dgram';
import { Random } from '../../lib/random.mjs';

const bound = (socket, port, host) => new Promise((done, fail) => {
	socket.once('error', fail);
	socket.bind(port, host, done);
});

class LossyLine {
	loss = 0; // of 1, each way
	lost = 0;
	carried = 0;
	#front = dgram.createSocket('udp4');
	#behind = new Map(); // browser's address -> its socket towards the gateway

	/** From @port to @to of the same @host. */
	constructor({ host, port, to, seed }) {
		this.random = new Random(seed);
		Object.assign(this, { host, port, to });
	}

	async open() {
		await bound(this.#front, this.port, this.host);
		this.#front.on('error', () => {});
		this.#front.on('message', async (packet, { address, port }) => {
			if (this.#loses())
				return;
			(await this.#socketOf(address, port)).send(packet, this.to, this.host);
		});
		return this;
	}

	#loses() {
		const loses = this.random.chance(this.loss);
		this[loses ? 'lost' : 'carried']++;
		return loses;
	}

	#socketOf(address, port) {
		const key = `${address} ${port}`;
		if (!this.#behind.has(key)) {
			const socket = dgram.createSocket('udp4');
			socket.on('message', (packet) => {
				if (!this.#loses())
					this.#front.send(packet, port, address);
			});
			this.#behind.set(key, bound(socket, 0, this.host).then(() => {
				socket.on('error', () => {});
				return socket;
			}));
		}
		return this.#behind.get(key);
	}

	async close() {
		const sockets = [this.#front, ...await Promise.all(this.#behind.values())];
		await Promise.all(sockets.map((s) => new Promise((done) => s.close(done))));
	}
}

export const startLossyLine = (options) => new LossyLine(options).open();

/** In the page: candidates at port @from are taken for ones at @to. */
export function redirect([from, to]) {
	const { setRemoteDescription } = RTCPeerConnection.prototype;
	RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
		return setRemoteDescription.call(this, {
			type, sdp: sdp?.replaceAll(` ${from} typ host`, ` ${to} typ host`),
		});
	};
}
