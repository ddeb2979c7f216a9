// forking-core.mjs - a core that forks every call to two phones which describe
// themselves in reliable 183s, with preconditions; a test says what comes when.
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { parse } from '../../lib/sip-answerer.mjs';
import { until } from './process.mjs';

const QOS = ['a=curr:qos local sendrecv', 'a=curr:qos remote none',
	'a=des:qos mandatory local sendrecv', 'a=des:qos mandatory remote sendrecv',
	'a=conf:qos remote sendrecv'];

export class ForkingCore {
	#socket = dgram.createSocket('udp4');
	#peer;
	#rseq = 10;
	#cseq = 1;

	static async listen(port) {
		const core = new ForkingCore();
		core.port = port;
		core.got = []; // requests and responses that came, each once
		core.#socket.on('message', (data, peer) => core.#message(data, peer));
		await new Promise((open) => core.#socket.bind(port, '127.0.0.1', open));
		return core;
	}

	close() { return new Promise((closed) => this.#socket.close(closed)); }

	#send(lines, body = '') {
		const text = [...lines, ...(body ? ['Content-Type: application/sdp'] : []),
			`Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
		this.#socket.send(text, this.#peer.port, this.#peer.address);
	}

	#message(data, peer) {
		const message = parse(data.toString('utf8'));
		this.#peer = peer;
		if (!message || this.got.some((m) => m.text === message.text))
			return;
		this.got.push(message);
		if (message.method === 'INVITE')
			this.invite = message;
		else if (message.method && message.method !== 'ACK')
			this.#reply(message);
	}

	#reply(message) {
		const offer = message.method === 'UPDATE' && message.body;
		const tag = /;tag=([^;\s]+)/.exec(message.headers.to[0])?.[1];

		this.#send(['SIP/2.0 200 OK', `Via: ${message.headers.via[0]}`,
			`From: ${message.headers.from[0]}`, `To: ${message.headers.to[0]}`,
			`Call-ID: ${message.headers['call-id'][0]}`, `CSeq: ${message.headers.cseq[0]}`,
			this.contact], offer ? this.sdp(tag, 2) : '');
	}

	get contact() { return `Contact: <sip:ue@127.0.0.1:${this.port}>`; }

	/** Of the phone @tag; this.rtp says where each listens. */
	sdp(tag, version = 1) {
		return ['v=0', `o=${tag} 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1',
			't=0 0', `m=audio ${this.rtp[tag]} RTP/AVP 0 101`, 'a=rtpmap:0 PCMU/8000',
			'a=rtpmap:101 telephone-event/8000', 'a=ptime:20', 'a=sendrecv', ...QOS, '']
			.join('\r\n');
	}

	respond(status, tag, { reliable = false, body = '', headers = [] } = {}) {
		const { headers: h } = this.invite;

		this.#send([`SIP/2.0 ${status} Whatever`, `Via: ${h.via[0]}`, `From: ${h.from[0]}`,
			`To: ${h.to[0]};tag=${tag}`, `Call-ID: ${h['call-id'][0]}`, `CSeq: ${h.cseq[0]}`,
			this.contact, 'Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE',
			...(reliable ? ['Require: 100rel', `RSeq: ${++this.#rseq * (tag === 'one' ? 1 : 7)}`] : []),
			...headers], body);
	}

	/** In the dialog of @tag, as who was called; its final response. */
	async request(method, tag, { body = '', headers = [] } = {}) {
		const { headers: h } = this.invite;
		const cseq = ++this.#cseq;
		const send = (name, branch) => this.#send([
			`${name} ${/<([^>]+)>/.exec(h.contact[0])[1]} SIP/2.0`,
			`Via: SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${branch}`,
			`From: ${h.to[0]};tag=${tag}`, `To: ${h.from[0]}`, `Call-ID: ${h['call-id'][0]}`,
			`CSeq: ${cseq} ${name}`, 'Max-Forwards: 70', this.contact,
			...(name === 'ACK' ? [] : headers)], name === 'ACK' ? '' : body);

		send(method, randomBytes(6).toString('hex'));
		const response = await this.until(`the answer to ${method}`, (m) => m.status >= 200 &&
			m.cseq[0] === String(cseq) && m.cseq[1] === method);
		if (method === 'INVITE')
			send('ACK', randomBytes(6).toString('hex'));
		return response;
	}

	async until(what, matches) {
		await until(() => this.got.some(matches), what);
		return this.got.find(matches);
	}

	/** The request @method in the dialog of @tag. */
	received(method, tag) {
		return this.until(`${method} to ${tag}`, (m) => m.method === method &&
			m.headers.to[0].includes(`tag=${tag}`));
	}
}
