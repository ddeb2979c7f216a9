// script-wire.mjs - how the phones of random scripts reach their gateway: UDP,
// or one connection each way of TCP or TLS (RFC 3261 18), found again when lost.
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { execFileSync } from 'node:child_process';

const HOST = '127.0.0.1';

/** A CA, and one certificate for both ends, as sip.tls_dir wants them. */
export function certificates(dir) {
	const at = (name) => path.join(dir, name);
	const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe', cwd: dir });
	fs.mkdirSync(dir, { recursive: true });
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
		'-days', '2', '-subj', '/CN=random CA', '-keyout', 'ca.key', '-out', 'cafile.pem');
	openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
		'-subj', '/CN=random', '-keyout', 'agent.key', '-out', 'agent.csr');
	fs.writeFileSync(at('ext'), `subjectAltName=IP:${HOST}\n`);
	openssl('x509', '-req', '-in', 'agent.csr', '-CA', 'cafile.pem', '-CAkey', 'ca.key',
		'-CAcreateserial', '-days', '2', '-extfile', 'ext', '-out', 'agent.crt');
	fs.writeFileSync(at('agent.pem'), fs.readFileSync(at('agent.crt'), 'utf8') +
		fs.readFileSync(at('agent.key'), 'utf8'));
	return dir;
}

/** Messages of @socket, each with where its answers go. */
function frame(socket, onText) {
	let have = '';
	socket.setEncoding('latin1');
	socket.on('data', (data) => {
		have += data;
		for (;;) {
			have = have.replace(/^[\r\n]+/, '');
			const head = have.indexOf('\r\n\r\n');
			if (head < 0)
				return;
			const length = Number(/\r\n(?:Content-Length|l) *: *(\d+)/i.exec(have)?.[1] ?? 0);
			const end = head + 4 + length;
			if (have.length < end)
				return;
			onText(have.slice(0, end), socket);
			have = have.slice(end);
		}
	});
	socket.on('error', () => {}); // close follows
}

class Datagrams {
	reliable = false;
	#socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });

	constructor(fields) { Object.assign(this, fields); }

	open(onText) {
		this.#socket.on('message', (data) => onText(data.toString(), null));
		return new Promise((done) => this.#socket.bind(this.port, HOST, done));
	}

	send(text) { this.#socket.send(text, this.gatewayPort, HOST); }
	junk(text) { this.send(text); }
	close() { return new Promise((done) => this.#socket.close(done)); }
}

class Streams {
	reliable = true;
	#server;
	#out = null; // for our requests
	#taken = new Set();
	#onText;

	constructor(fields) { Object.assign(this, fields); }

	get #files() {
		const read = (name) => fs.readFileSync(path.join(this.dir, name));
		return { ca: read('cafile.pem'), cert: read('agent.pem'), key: read('agent.pem') };
	}

	open(onText) {
		const taken = (socket) => {
			this.#taken.add(socket);
			socket.on('close', () => this.#taken.delete(socket));
			frame(socket, onText);
		};
		this.#onText = onText;
		this.#server = this.kind === 'tls' ?
			tls.createServer({ ...this.#files, requestCert: true }, taken) :
			net.createServer(taken);
		this.#server.on('tlsClientError', () => {});
		return new Promise((done) => this.#server.listen(this.port, HOST, done));
	}

	#connected() {
		if (this.#out && !this.#out.destroyed)
			return this.#out;
		const to = { host: HOST, port: this.gatewayPort };
		const socket = this.kind === 'tls' ? tls.connect({ ...to, ...this.#files }) : net.connect(to);
		frame(socket, this.#onText);
		this.#out = socket;
		return socket;
	}

	/** A response goes where its request came from, @via. */
	send(text, via) {
		const socket = via && !via.destroyed ? via : this.#connected();
		socket.write(text, 'latin1');
	}

	/** On a connection of its own, which may not survive it. */
	junk(text) {
		const to = { host: HOST, port: this.gatewayPort };
		const socket = this.kind === 'tls' ? tls.connect({ ...to, ...this.#files }) : net.connect(to);
		socket.on('error', () => {});
		socket.resume();
		socket.end(text);
	}

	async close() {
		this.#out?.destroy();
		for (const socket of this.#taken)
			socket.destroy();
		await new Promise((done) => this.#server.close(done));
	}
}

/** @kind: udp, tcp or tls; @dir: of certificates(). */
export const wire = (fields) => (fields.kind === 'udp' ? new Datagrams(fields) : new Streams(fields));
