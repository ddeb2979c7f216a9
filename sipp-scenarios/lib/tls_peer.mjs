// tls_peer.mjs - an IMS neighbour over TLS, for SIPp here speaks none: as much
// SIP as one call needs, both certificates verified.
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { execFileSync } from 'node:child_process';
import { PORT } from './bench.mjs';

const SDP = 'v=0\r\no=tls 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n' +
	'm=audio 22900 RTP/AVP 8 0\r\n';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const RSA = ['-newkey', 'rsa:2048', '-nodes'];

const opensslIn = (dir) => (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });

/** NAME.key and NAME.crt, signed by the CA of @dir. */
export function makeCertificate(dir, name, names, { days = 2, cn = 'isthmus test', rsa = false } = {}) {
	const openssl = opensslIn(dir);

	openssl('req', ...rsa ? RSA : KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`,
		'-subj', `/CN=${cn}`);
	fs.writeFileSync(`${dir}/ext`, `subjectAltName=${names}`);
	if (days > 0) {
		openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'cafile.pem', '-CAkey', 'ca.key',
			'-CAcreateserial', '-out', `${name}.crt`, '-days', `${days}`, '-extfile', 'ext');
		return;
	}
	// Long past: only "openssl ca" takes dates.
	fs.writeFileSync(`${dir}/index.txt`, '');
	fs.writeFileSync(`${dir}/ca.cnf`, '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\n' +
		'default_md=sha256\nrand_serial=yes\npolicy=p\nnew_certs_dir=.\n[p]\ncommonName=supplied\n');
	openssl('ca', '-batch', '-config', 'ca.cnf', '-cert', 'cafile.pem', '-keyfile', 'ca.key',
		'-in', `${name}.csr`, '-out', `${name}.crt`, '-notext', '-startdate', '20200101000000Z',
		'-enddate', '20200201000000Z', '-extfile', 'ext');
}

/** What the gateway shows from now on, once it has read it. */
export function useCertificate(dir, name) {
	fs.writeFileSync(`${dir}/agent.new`, fs.readFileSync(`${dir}/${name}.crt`) +
		fs.readFileSync(`${dir}/${name}.key`).toString());
	fs.renameSync(`${dir}/agent.new`, `${dir}/agent.pem`);
}

/** A CA, the gateway's agent.pem and cafile.pem, our own certificate, one of
 * another name, one that is over, and one that nobody trusts. */
export function makeCertificates(dir) {
	const openssl = opensslIn(dir);
	const names = 'IP:127.0.0.1,DNS:localhost';

	openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'cafile.pem',
		'-subj', '/CN=test CA', '-days', '2');
	makeCertificate(dir, 'gateway', names);
	makeCertificate(dir, 'peer', names);
	makeCertificate(dir, 'by_uri', 'URI:sip:127.0.0.1');
	makeCertificate(dir, 'by_cn', 'URI:sip:other.example', { cn: '127.0.0.1' });
	makeCertificate(dir, 'misnamed', 'DNS:other.example,URI:sip:other.example');
	makeCertificate(dir, 'expired', names, { days: 0 });
	openssl('req', '-x509', ...KEY, '-keyout', 'stranger.key', '-out', 'stranger.crt',
		'-subj', '/CN=127.0.0.1', '-addext', `subjectAltName=${names}`, '-days', '2');
	useCertificate(dir, 'gateway');
}

const header = (text, name) =>
	new RegExp(`^${name}:\\s*(.*)$`, 'mi').exec(text)?.[1]?.trim();

function credentials(dir, name) {
	return {
		key: fs.readFileSync(`${dir}/${name}.key`), cert: fs.readFileSync(`${dir}/${name}.crt`),
		ca: fs.readFileSync(`${dir}/cafile.pem`),
	};
}

/** Whole messages out of a stream. */
class Stream {
	#buffer = '';
	#inbox = [];
	#wake = [];

	constructor(socket) {
		this.socket = socket;
		socket.on('data', (data) => {
			this.#buffer += data;
			for (;;) {
				this.#buffer = this.#buffer.replace(/^(\r\n)+/, '');
				const end = this.#buffer.indexOf('\r\n\r\n');
				const length = Number(header(this.#buffer.slice(0, end + 2),
					'Content-Length') ?? 0);

				if (end < 0 || this.#buffer.length < end + 4 + length)
					break;
				this.#inbox.push(this.#buffer.slice(0, end + 4 + length));
				this.#buffer = this.#buffer.slice(end + 4 + length);
				this.#wake.splice(0).forEach((wake) => wake());
			}
		});
		socket.on('error', () => {});
	}

	async expect(start, timeout = 6000) {
		const deadline = Date.now() + timeout;

		for (;;) {
			const message = this.#inbox.shift();

			if (message?.startsWith(start))
				return message;
			if (message && !message.startsWith('SIP/2.0 1'))
				throw new Error(`expected ${start}, got ${message.split('\r\n')[0]}`);
			if (message)
				continue;
			if (Date.now() > deadline)
				throw new Error(`no ${start} over TLS`);
			await new Promise((resolve) => {
				this.#wake.push(resolve);
				setTimeout(resolve, 100);
			});
		}
	}

	send(line, headers, body = '') {
		this.socket.write(`${line}\r\n${headers.join('\r\n')}\r\n` +
			(body ? 'Content-Type: application/sdp\r\n' : '') +
			`Content-Length: ${body.length}\r\n\r\n${body}`);
	}

	reply(request, status, body) {
		const to = header(request, 'To');

		this.send(`SIP/2.0 ${status}`, [`Via: ${header(request, 'Via')}`,
			`From: ${header(request, 'From')}`,
			`To: ${to}${to.includes(';tag=') ? '' : ';tag=tls'}`,
			`Call-ID: ${header(request, 'Call-ID')}`, `CSeq: ${header(request, 'CSeq')}`,
			`Contact: <sip:tls@127.0.0.1:${PORT.peer};transport=tls>`], body);
	}
}

/** Answers one call over TLS, showing @name's certificate; done resolves when it
 * has been hung up.  @answered: before the BYE is awaited. */
export async function answerOverTls(dir, name = 'peer', answered = () => {}) {
	const server = tls.createServer({ ...credentials(dir, name), requestCert: true,
		rejectUnauthorized: true });
	const calling = new Promise((resolve) => server.once('secureConnection', resolve));

	await new Promise((open) => server.listen(PORT.peer, '127.0.0.1', open));
	const done = (async () => {
		const socket = await calling;
		const peer = new Stream(socket);
		const invite = await peer.expect('INVITE ');

		if (!/^Contact: <sip:[^>]*;transport=tls>/m.test(invite))
			throw new Error(`the Contact is not for TLS: ${header(invite, 'Contact')}`);
		peer.reply(invite, '180 Ringing');
		peer.reply(invite, '200 OK', SDP);
		await peer.expect('ACK ');
		await answered(socket);
		peer.reply(await peer.expect('BYE '), '200 OK');
		socket.end();
		await new Promise((closed) => server.close(closed));
	})();
	done.catch(() => server.close());
	return { done };
}

/** A listener whose certificate is not liked; resolves with close(). */
export async function listenOverTls(dir, name) {
	const server = tls.createServer({ ...credentials(dir, name), requestCert: true });

	server.on('tlsClientError', () => {});
	server.on('secureConnection', (socket) => socket.on('error', () => {}));
	await new Promise((open) => server.listen(PORT.peer, '127.0.0.1', open));
	return { stop: () => new Promise((closed) => server.close(closed)) };
}

/** The subject of the certificate that the gateway shows now. */
export async function shownCertificate(dir) {
	const socket = tls.connect({ ...credentials(dir, 'peer'), host: '127.0.0.1', port: PORT.tls });

	await new Promise((resolve, reject) => {
		socket.once('secureConnect', resolve);
		socket.once('error', reject);
	});
	const { subject } = socket.getPeerCertificate();
	await new Promise((closed) => {
		socket.once('close', closed);
		socket.end();
	});
	return subject.CN;
}

/** Calls over TLS and hangs up. */
export async function callOverTls(dir) {
	const socket = tls.connect({ ...credentials(dir, 'peer'), host: '127.0.0.1',
		port: PORT.tls });

	await new Promise((resolve, reject) => {
		socket.once('secureConnect', resolve);
		socket.once('error', reject);
	});
	const peer = new Stream(socket);
	const own = (cseq, to = '') => [`Via: SIP/2.0/TLS 127.0.0.1:${PORT.peer};branch=` +
		`z9hG4bK${cseq.replace(' ', '')}`, 'From: <sip:tls@far.example>;tag=t',
	`To: <sip:alice@sipp.example>${to}`, 'Call-ID: over-tls', `CSeq: ${cseq}`,
	`Contact: <sip:tls@127.0.0.1:${PORT.peer};transport=tls>`, 'Max-Forwards: 70'];

	peer.send('INVITE sip:alice@sipp.example SIP/2.0', own('1 INVITE'), SDP);
	const ok = await peer.expect('SIP/2.0 200');
	const tag = /;tag=[^;\s]+/.exec(header(ok, 'To'))[0];
	const target = /<([^>]+)>/.exec(header(ok, 'Contact'))[1];

	peer.send(`ACK ${target} SIP/2.0`, own('1 ACK', tag));
	peer.send(`BYE ${target} SIP/2.0`, own('2 BYE', tag));
	await peer.expect('SIP/2.0 200');
	socket.end();
}

/** True when the gateway serves nobody who shows @name's certificate. */
export async function isTurnedAway(dir, name) {
	const socket = name ?
		tls.connect({ ...credentials(dir, name), rejectUnauthorized: false,
			host: '127.0.0.1', port: PORT.tls }) :
		net.connect(PORT.tls, '127.0.0.1');
	let answered = false;

	socket.on('data', (data) => { answered ||= data.toString().startsWith('SIP/2.0'); });
	socket.on('error', () => {});
	socket.write('OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bKx\r\n' +
		'From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS\r\n' +
		'Content-Length: 0\r\n\r\n');
	await new Promise((resolve) => {
		socket.once('close', resolve);
		setTimeout(resolve, 2000);
	});
	socket.destroy();
	return !answered;
}
