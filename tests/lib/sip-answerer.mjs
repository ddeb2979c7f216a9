// sip-answerer.mjs - a SIP phone in the test's own process: UDP, no RTP.
//
// Answers and places many short calls cheaply.  It keeps RFC 3261's rules that
// matter on a lossy path (retransmissions of both sides, ACK, the CANCEL race),
// and nothing else: no routes, no authentication, no TCP.
//
//	const phone = await SipAnswerer.listen({ port: 26070 });
//	phone.onInvite = (call) => { call.ring(); call.answer(); };   // the default
//	const call = phone.invite('sip:alice@demo.example', { host, port });
//	await call.answered;            // rejects with .status, .headers
//	await call.bye();               // or call.cancel() before the answer
//	await call.ended;               // 'bye' 'bye-received' 'cancelled' or a status
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { deferred, within } from './within.mjs';

const T1 = 500;
const T2 = 4000;
const LIFETIME = 16_000; // of a transaction: 32 T1, loopback loses little
const REASONS = {
	100: 'Trying', 180: 'Ringing', 183: 'Session Progress', 200: 'OK',
	404: 'Not Found', 480: 'Temporarily Unavailable', 481: 'No Such Call',
	486: 'Busy Here', 487: 'Request Terminated', 488: 'Not Acceptable Here',
	501: 'Not Implemented', 503: 'Service Unavailable', 603: 'Decline',
};

const token = () => randomBytes(8).toString('hex');

/** { start, status | method + uri, headers: {name: [values]}, body } or null. */
export function parse(text) {
	const split = text.indexOf('\r\n\r\n');
	if (split < 0)
		return null;
	const lines = text.slice(0, split).replace(/\r\n[ \t]+/g, ' ').split('\r\n');
	const message = { start: lines[0], headers: {}, body: text.slice(split + 4), text };
	for (const line of lines.slice(1)) {
		const colon = line.indexOf(':');
		if (colon < 1)
			return null;
		const name = line.slice(0, colon).trim().toLowerCase();
		(message.headers[name] ??= []).push(line.slice(colon + 1).trim());
	}
	const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(lines[0]);
	const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(lines[0]);
	if (response)
		Object.assign(message, { status: Number(response[1]), reason: response[2] });
	else if (request)
		Object.assign(message, { method: request[1], uri: request[2] });
	else
		return null;
	for (const name of ['via', 'from', 'to', 'call-id', 'cseq'])
		if (!message.headers[name])
			return null;
	message.branch = /;branch=([^;,\s]+)/.exec(message.headers.via[0])?.[1] ?? '';
	message.cseq = message.headers.cseq[0].split(/\s+/);
	return message;
}

const first = (message, name) => message.headers[name]?.[0];
const tagOf = (value) => /;tag=([^;>\s]+)/.exec(value)?.[1];
const uriOf = (value) => /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0];

/** One dialogue; made by SipAnswerer only. */
export class SipCall {
	#phone;
	#invite;             // server side: the INVITE and its transaction
	#transaction;
	#cseq = 1;
	#branch;             // client side: of the INVITE, for CANCEL
	#answered = deferred();
	#ended = deferred();
	#waitingCancel = false;
	#provisional = false;

	constructor(phone, fields) {
		this.#phone = phone;
		Object.assign(this, { state: 'new', localTag: token(), progress: [] }, fields);
	}

	get answered() { return within(this.#answered.promise, `call ${this.id} is answered`); }
	get ended() { return within(this.#ended.promise, `the end of call ${this.id}`); }

	static incoming(phone, request, peer, transaction) {
		const call = new SipCall(phone, {
			id: first(request, 'call-id'), peer, outgoing: false,
			remote: first(request, 'from'), local: first(request, 'to'),
			target: uriOf(first(request, 'contact') ?? ''), offer: request.body,
			headers: request.headers, uri: request.uri,
		});
		call.#invite = request;
		call.#transaction = transaction;
		call.local += `;tag=${call.localTag}`;
		return call;
	}

	/** { status, headers }: what further offers of the peer get; null: an answer. */
	refusal = null;

	/** What it says of its media; may be replaced. */
	sdp() {
		return this.#phone.sdp();
	}

	// ---- called ----

	#respond(status, body, headers = []) {
		this.#phone.respond(this.#invite, this.#transaction, status, {
			to: this.local, body, headers: [this.#phone.contact, ...headers],
		});
	}

	/** A provisional response; with @body, an early answer. */
	ring(status = 180, headers = [], body = '') {
		if (this.state === 'new')
			this.#respond(status, body, headers);
	}

	/** 200 with SDP; resolves when the ACK has come, as `answered` does. */
	answer(body = this.sdp(), headers = []) {
		if (this.state === 'new') {
			this.state = 'answered';
			this.#respond(200, body, headers);
		}
		return this.answered;
	}

	refuse(status, headers = []) {
		if (this.state !== 'new')
			return;
		this.#respond(status, '', headers);
		this.end(status);
	}

	/** For the phone: a request of the peer in this dialogue. */
	take(request, transaction) {
		switch (request.method) {
		case 'ACK':
			if (this.state === 'answered') {
				this.state = 'up';
				this.#answered.resolve(this);
			}
			return;
		case 'CANCEL':
			this.#phone.respond(request, transaction, 200, { to: this.local });
			if (this.state === 'new') {
				this.#respond(487);
				this.end('cancelled');
			}
			return;
		case 'BYE':
			this.#phone.respond(request, transaction, 200, { to: this.local });
			this.end('bye-received', request);
			return;
		case 'INVITE':
			this.reinvites = (this.reinvites ?? 0) + 1;
			if (this.refusal?.status) {
				this.#phone.respond(request, transaction, this.refusal.status,
					{ to: this.local, headers: this.refusal.headers });
				return;
			}
			this.offer = request.body || this.offer;
			this.#phone.respond(request, transaction, 200, {
				to: this.local, body: this.sdp(),
				headers: [this.#phone.contact, ...this.timer ?? []],
			});
			return;
		case 'UPDATE': // a refresh, where this.timer has Session-Expires
			this.updates = (this.updates ?? 0) + 1;
			this.#phone.respond(request, transaction, this.timer ? 200 : 501,
				{ to: this.local, headers: [this.#phone.contact, ...this.timer ?? []] });
			return;
		case 'NOTIFY':
			(this.notifies ??= []).push(request);
			this.#phone.respond(request, transaction, 200, { to: this.local });
			return;
		default:
			this.#phone.respond(request, transaction,
				['INFO', 'OPTIONS'].includes(request.method) ? 200 : 501,
				{ to: this.local });
		}
	}

	// ---- calls ----

	static outgoing(phone, uri, peer, { from, headers = [], body }) {
		const call = new SipCall(phone, {
			id: token(), peer, outgoing: true, target: uri, remote: `<${uri}>`,
		});
		call.local = `<${from}>;tag=${call.localTag}`;
		call.state = 'calling';
		call.#branch = `z9hG4bK${token()}`;
		call.#phone.request('INVITE', call, {
			branch: call.#branch, cseq: call.#cseq, body: body ?? phone.sdp(),
			headers: [phone.contact, ...headers],
			onResponse: (response) => call.#invited(response),
			onTimeout: () => {
				call.end(408);
			},
		});
		return call;
	}

	#invited(response) {
		const { status } = response;
		if (status < 200) {
			this.progress.push(status);
			this.onProgress?.(response);
			this.#provisional = true;
			if (this.#waitingCancel)
				this.#sendCancel();
			return;
		}
		if (status >= 300) {
			this.#phone.ack(this, this.#branch, this.#cseq, response, this.inviteUri);
			this.end(status, response);
			return;
		}
		const again = this.state === 'up' || this.state === 'ended';
		this.remote = first(response, 'to');
		this.target = uriOf(first(response, 'contact') ?? this.target);
		this.#phone.ack(this, `z9hG4bK${token()}`, 1, response, this.target); // its CSeq
		if (again)
			return;
		this.state = 'up';
		this.answer200 = response;
		this.#answered.resolve(this);
		if (this.#waitingCancel) // it crossed our CANCEL
			this.bye().catch(() => {});
	}

	cancel() {
		if (this.state !== 'calling' || this.#waitingCancel)
			return this.ended;
		this.#waitingCancel = true;
		if (this.#provisional) // RFC 3261 9.1: not before a 1xx
			this.#sendCancel();
		return this.ended;
	}

	#sendCancel() {
		if (this.cancelled)
			return;
		this.cancelled = true;
		this.#phone.request('CANCEL', this, {
			branch: this.#branch, cseq: this.#cseq, uri: this.inviteUri,
			onResponse() {}, onTimeout() {},
		});
	}

	// ---- both ----

	/** PRACK of the reliable @response; its final response. */
	prack(response) {
		this.remote = first(response, 'to');
		this.target = uriOf(first(response, 'contact'));
		return this.request('PRACK', { headers: [
			`RAck: ${first(response, 'rseq')} ${first(response, 'cseq')}`] });
	}

	/** A request in the dialogue; its final response, acknowledged. */
	request(method, { body = '', type, headers = [] } = {}) {
		const done = deferred();
		const branch = `z9hG4bK${token()}`;
		const cseq = ++this.#cseq;
		this.#phone.request(method, this, {
			branch, cseq, body, type, headers,
			onResponse: (response) => {
				if (response.status < 200)
					return;
				if (method === 'INVITE')
					this.#phone.ack(this, response.status < 300 ? `z9hG4bK${token()}` : branch,
						cseq, response, this.target);
				done.resolve(response);
			},
			onTimeout: () => done.reject(new Error(`${method} of ${this.id}: no answer`)),
		});
		return done.promise;
	}

	async bye() {
		if (this.state === 'ended')
			return;
		this.end('bye');
		await this.request('BYE');
	}

	end(why, message) {
		if (this.state === 'ended')
			return;
		this.state = 'ended';
		this.endMessage = message;
		this.#phone.forget(this);
		this.#ended.resolve(why);
		const status = typeof why === 'number' ? why : 0;
		this.#answered.reject(Object.assign(new Error(`call ${this.id}: ${why}`),
			{ status, headers: message?.headers ?? {} }));
	}
}

export class SipAnswerer {
	#socket;
	#calls = new Map();   // Call-ID -> SipCall; ended ones linger for late 200s
	#servers = new Map(); // branch + method -> {last, timer}
	#clients = new Map(); // branch + method -> {timer, ...}
	#sdpVersion = 0;

	static async listen({ port, host = '127.0.0.1', user = 'phone' }) {
		const phone = new SipAnswerer();
		phone.host = host;
		phone.port = port;
		phone.contact = `Contact: <sip:${user}@${host}:${port}>`;
		phone.identity = `sip:${user}@${host}:${port}`;
		phone.onInvite = (call) => {
			call.ring();
			call.answer();
		};
		phone.received = []; // start lines, in order; bounded
		phone.#socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
		phone.#socket.on('message', (data, peer) => phone.#message(data, peer));
		await new Promise((done, fail) => {
			phone.#socket.once('error', fail);
			phone.#socket.bind(port, host, done);
		});
		return phone;
	}

	/** Dialogues that live. */
	get live() {
		return [...this.#calls.values()].filter((call) => call.state !== 'ended').length;
	}

	close() {
		for (const entry of [...this.#servers.values(), ...this.#clients.values()])
			clearTimeout(entry.timer);
		this.#servers.clear();
		this.#clients.clear();
		return new Promise((done) => this.#socket.close(done));
	}

	/** What a phone that speaks PCMU says. */
	sdp() {
		const version = ++this.#sdpVersion;
		return ['v=0', `o=phone 1 ${version} IN IP4 ${this.host}`, 's=-',
			`c=IN IP4 ${this.host}`, 't=0 0',
			`m=audio ${this.rtpPort ?? 26998} RTP/AVP 0 101`,
			'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000',
			'a=fmtp:101 0-15', 'a=ptime:20', 'a=sendrecv', ''].join('\r\n');
	}

	/** A call to @uri through @peer {host, port}. */
	invite(uri, peer, { from = this.identity, headers, body } = {}) {
		const call = SipCall.outgoing(this, uri, { address: peer.host ?? '127.0.0.1',
			port: peer.port }, { from, headers, body });
		this.#calls.set(call.id, call);
		return call;
	}

	/** A MESSAGE of @text to @uri; its final response. */
	message(uri, peer, text, { from = this.identity, headers = [], type = 'text/plain' } = {}) {
		const done = deferred();
		this.request('MESSAGE', {
			id: token(), local: `<${from}>;tag=${token()}`, remote: `<${uri}>`, target: uri,
			peer: { address: peer.host ?? '127.0.0.1', port: peer.port },
		}, {
			branch: `z9hG4bK${token()}`, cseq: 1, body: text, type, headers,
			onResponse: (response) => response.status >= 200 && done.resolve(response),
			onTimeout: () => done.reject(new Error('MESSAGE: no answer')),
		});
		return within(done.promise, 'the answer to a MESSAGE');
	}

	// ---- for SipCall ----

	forget(call) {
		setTimeout(() => this.#calls.delete(call.id), LIFETIME).unref();
	}

	#send(text, peer) {
		if (text)
			this.#socket.send(text, peer.port, peer.address);
	}

	#via(branch) {
		return `Via: SIP/2.0/UDP ${this.host}:${this.port};branch=${branch}`;
	}

	request(method, call, { branch, cseq, body = '', type = 'application/sdp', headers = [],
		uri = call.target, onResponse, onTimeout }) {
		if (method === 'INVITE' && !call.inviteUri)
			call.inviteUri = uri;
		const text = [`${method} ${uri} SIP/2.0`, this.#via(branch), 'Max-Forwards: 70',
			`From: ${call.local}`, `To: ${call.remote}`, `Call-ID: ${call.id}`,
			`CSeq: ${cseq} ${method}`, ...headers,
			...(body ? [`Content-Type: ${type}`] : []),
			`Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
		const key = `${branch} ${method}`;
		const entry = { onResponse, provisional: false };
		const began = Date.now();
		let wait = T1;
		const again = () => {
			if (Date.now() - began > LIFETIME) {
				this.#clients.delete(key);
				if (!entry.final)
					onTimeout();
				return;
			}
			if (!entry.final && !(entry.provisional && method === 'INVITE'))
				this.#send(text, call.peer);
			entry.timer = setTimeout(again, wait);
			entry.timer.unref();
			wait = Math.min(2 * wait, T2);
		};
		this.#clients.set(key, entry);
		again();
	}

	ack(call, branch, cseq, response, uri) {
		this.#send([`ACK ${uri} SIP/2.0`, this.#via(branch), 'Max-Forwards: 70',
			`From: ${call.local}`, `To: ${first(response, 'to')}`,
			`Call-ID: ${call.id}`, `CSeq: ${cseq} ACK`, 'Content-Length: 0', '', ''].join('\r\n'),
		call.peer);
	}

	respond(request, transaction, status, { to, body = '', headers = [] } = {}) {
		const lines = [`SIP/2.0 ${status} ${REASONS[status] ?? 'Refused'}`];
		for (const via of request.headers.via)
			lines.push(`Via: ${via}`);
		for (const route of request.headers['record-route'] ?? [])
			lines.push(`Record-Route: ${route}`);
		lines.push(`From: ${first(request, 'from')}`, `To: ${to ?? first(request, 'to')}`,
			`Call-ID: ${first(request, 'call-id')}`, `CSeq: ${first(request, 'cseq')}`,
			...headers);
		if (body)
			lines.push('Content-Type: application/sdp');
		lines.push(`Content-Length: ${Buffer.byteLength(body)}`, '', body);
		transaction.last = lines.join('\r\n');
		this.#send(transaction.last, transaction.peer);
		if (request.method === 'INVITE' && status >= 200)
			this.#untilAck(transaction, T1);
	}

	/** A final response to INVITE goes on until its ACK (RFC 3261 13.3.1.4). */
	#untilAck(transaction, wait) {
		clearTimeout(transaction.repeat);
		transaction.repeat = setTimeout(() => {
			if (transaction.acked || transaction.gone)
				return;
			this.#send(transaction.last, transaction.peer);
			this.#untilAck(transaction, Math.min(2 * wait, T2));
		}, wait);
		transaction.repeat.unref();
	}

	// ---- from the wire ----

	#message(data, peer) {
		const message = parse(data.toString('utf8'));
		if (!message || this.loses?.(message)) // a packet that the path lost
			return;
		this.received.push(message.start);
		if (this.received.length > 1000)
			this.received.shift();
		if (message.status)
			this.#response(message);
		else
			this.#request(message, peer);
	}

	#response(message) {
		const entry = this.#clients.get(`${message.branch} ${message.cseq[1]}`);
		if (!entry)
			return;
		entry.provisional = true;
		if (message.status >= 200)
			entry.final = true;
		entry.onResponse(message);
	}

	#request(message, peer) {
		const call = this.#calls.get(first(message, 'call-id'));
		if (message.method === 'ACK') {
			for (const entry of this.#servers.values())
				if (entry.callId === first(message, 'call-id') &&
				    entry.cseq === message.cseq[0] && entry.method === 'INVITE')
					entry.acked = true;
			call?.take(message);
			return;
		}
		const key = `${message.branch} ${message.method}`;
		const known = this.#servers.get(key);
		if (known) {
			this.#send(known.last, peer);
			return;
		}
		const transaction = { peer, method: message.method, cseq: message.cseq[0],
			callId: first(message, 'call-id') };
		transaction.timer = setTimeout(() => {
			transaction.gone = true;
			this.#servers.delete(key);
		}, LIFETIME);
		transaction.timer.unref();
		this.#servers.set(key, transaction);
		this.#dispatch(message, peer, transaction, call);
	}

	#dispatch(message, peer, transaction, call) {
		if (call && (call.state !== 'ended' || message.method === 'CANCEL')) {
			call.take(message, transaction);
		} else if (message.method === 'INVITE' && !tagOf(first(message, 'to'))) {
			const made = SipCall.incoming(this, message, peer, transaction);
			this.#calls.set(made.id, made);
			this.onInvite(made);
		} else {
			// onRequest: a status for what belongs to no call
			this.respond(message, transaction, this.onRequest?.(message) ??
				(message.method === 'OPTIONS' ? 200 : 481));
		}
	}
}
