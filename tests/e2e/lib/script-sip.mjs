// script-sip.mjs - the SIP side of calls of random scripts: a SIP stack that
// keeps the rules it must (retransmission, ACK, one dialog a To tag) and breaks
// those a script tells it to.  What the gateway owes it, and does not give, is a
// fault of the call: an answer to each request, an ACK to each final response.
import { randomBytes } from 'node:crypto';
import { parse } from '../../lib/sip-answerer.mjs';
import { qosOf, sipAnswer, sipOffer, withQos } from './script-sdp.mjs';
import { wire } from './script-wire.mjs';

const T1 = 100;
const T2 = 400;
const OWED_MS = 10_000; // an answer, or an ACK: more than the gateway's 64*T1
const LINGER_MS = 10_000; // of ended calls, for what comes late
const ALLOW = 'Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO, REFER, NOTIFY, OPTIONS, MESSAGE';

const hex = () => randomBytes(8).toString('hex');
const first = (message, name) => message.headers[name]?.[0];
const tagOf = (value) => /;tag=([^;>\s]+)/.exec(value ?? '')?.[1];
const uriOf = (value) => /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0];
const has = (message, name, token) =>
	(message.headers[name] ?? []).join(',').toLowerCase().includes(token);

/** All that one early or confirmed dialog knows. */
class Dialog {
	state = 'early'; // confirmed, ended
	cseq = 1;
	reliable = null; // our 18x that no PRACK has come for
	rseq = 0;
	described = false; // our answer, or offer, went out reliably
	media = [{ kind: 'audio', on: true }];
	offering = false;

	constructor(fields) { Object.assign(this, fields); }
}

/** One INVITE and its dialogs, either way. */
export class Leg {
	dialogs = new Map(); // by the To tag
	#servers = new Map();
	#clients = new Map();
	#version = 0;
	answered = false; // the INVITE has its final response
	ended = false;
	said = false; // we have responded to the INVITE at all
	heard = 0; // branches of the INVITE that have rung here

	constructor(party, call, fields) {
		Object.assign(this, { party, call, port: 20000 }, fields);
	}

	/** Nothing of it lives, as far as this side knows. */
	get over() {
		return this.ended && [...this.dialogs.values()].every(({ state }) => state === 'ended');
	}

	get live() {
		return [...this.dialogs.values()].filter(({ state }) => state === 'confirmed');
	}

	end(why) {
		if (this.ended)
			return;
		this.ended = true;
		this.call.note('sip', `leg ${this.number} ends: ${why}`);
		for (const dialog of this.dialogs.values())
			if (dialog.state === 'early')
				dialog.state = 'ended';
	}

	#confirm(dialog) {
		dialog.state = 'confirmed';
		this.call.since ??= Date.now();
	}

	#send(text, via) { this.party.send(text, this.call, via); }

	describe(offer, dialog) {
		const version = ++this.#version;
		const sdp = offer ? sipAnswer(offer, { version, port: this.port, takes: this.call.sipTakes }) :
			sipOffer(dialog?.media ?? [{ kind: 'audio', on: true }], { version, port: this.port });
		const { qos } = this.call.plan;
		if (!qos || (offer && !qosOf(offer)))
			return sdp;
		return withQos(sdp, { local: qos === 'ready' || this.met ? 'sendrecv' : 'none',
			remote: this.theirs, confirm: this.theirs !== 'sendrecv', odd: qos === 'odd' });
	}

	/** Our resources are there, some time after a first answer; or never. */
	#reserve(dialog) {
		if (this.call.plan.qos !== 'later' || this.met)
			return;
		this.met = true;
		setTimeout(() => {
			if (dialog.state !== 'ended')
				this.ask('UPDATE', dialog, { body: this.describe(null, dialog) });
		}, this.call.random.int(0, 200)).unref();
	}

	// ---- called ----

	static incoming(party, call, request) {
		const leg = new Leg(party, call, { id: first(request, 'call-id'), uas: true, request });
		leg.#servers.set(`${request.branch} INVITE`, { request });
		leg.#heard(request);
		return leg;
	}

	/** For Replaces, as the gateway knows @dialog (RFC 3891 3). */
	replaces(dialog) {
		return `${this.id};to-tag=${tagOf(dialog.remote)};from-tag=${tagOf(dialog.local)}`;
	}

	dialog(tag) {
		let dialog = this.dialogs.get(tag);
		if (!dialog && this.uas) {
			dialog = new Dialog({ tag, local: `${first(this.request, 'to')};tag=${tag}`,
				remote: first(this.request, 'from'),
				target: uriOf(first(this.request, 'contact')), offer: this.request.body });
			this.dialogs.set(tag, dialog);
		}
		return dialog;
	}

	/** A response to the INVITE in the dialog @tag. */
	progress(status, tag, { reliable = false, body = false, headers = [] } = {}) {
		if (this.answered || this.ended)
			return;
		const dialog = this.dialog(`${tag}-${this.number}`);
		const able = has(this.request, 'supported', '100rel') || has(this.request, 'require', '100rel');
		const sure = reliable && able && !dialog.reliable && status > 100;
		const extra = [`Contact: ${this.party.contact}`, ALLOW, ...headers];
		// Where the INVITE has no offer, only what is reliable may bring it.
		const sdp = body && (dialog.offer || (sure && !dialog.described)) ?
			this.describe(dialog.offer, dialog) : '';
		this.said = true;
		if (!sure) {
			this.respond(this.request, status, { to: dialog.local, body: sdp, headers: extra });
			return;
		}
		dialog.rseq = dialog.rseq ? dialog.rseq + 1 : this.call.random.int(1, 100_000);
		dialog.described ||= Boolean(sdp);
		const text = this.respond(this.request, status, { to: dialog.local, body: sdp, keep: false,
			headers: [...extra, 'Require: 100rel', `RSeq: ${dialog.rseq}`] });
		dialog.reliable = { rseq: dialog.rseq };
		this.#repeat(text, () => !dialog.reliable || this.answered || this.ended ||
			dialog.state === 'ended', this.request.from);
	}

	/** 2xx in the dialog @tag; of several, each is another phone's. */
	answer(tag) {
		if (this.ended)
			return;
		const dialog = this.dialog(`${tag}-${this.number}`);
		if (dialog.state !== 'early' || (dialog.reliable && dialog.described))
			return; // RFC 3262 3: not before the PRACK
		this.#confirm(dialog);
		this.answered = this.said = true;
		const body = dialog.described ? '' : this.describe(dialog.offer, dialog);
		this.#final(this.request, 200, { to: dialog.local, body, tag: dialog.tag,
			headers: [`Contact: ${this.party.contact}`, ALLOW, ...this.#timer(this.request)] });
	}

	/** What a 2xx says of the session timer that @request asks for (RFC 4028). */
	#timer(request) {
		const { timer } = this.call.plan;
		const asked = /^(\d+)\s*(?:;\s*refresher=(\w+))?/.exec(first(request, 'session-expires') ?? '');
		if (!timer || !asked)
			return [];
		return [`Session-Expires: ${Math.min(timer.expires, asked[1])};refresher=${
			asked[2] ?? timer.refresher}`, 'Require: timer'];
	}

	refuse(status, why = `refused ${status}`, headers = []) {
		if (this.answered || this.ended)
			return;
		this.answered = this.said = true;
		this.#final(this.request, status, { to: this.dialog(`r-${this.number}`).local, headers });
		this.end(why);
	}

	#final(request, status, options) {
		const entry = this.#servers.get(`${request.branch} INVITE`);
		const wait = { acked: false, status, cseq: request.cseq[0] };
		(entry.finals ??= []).push(wait);
		const text = this.respond(request, status, { ...options, keep: true });
		this.#repeat(text, () => wait.acked, request.from);
		wait.tag = options.tag;
		this.#owed(() => wait.acked, `ACK to ${status}`);
	}

	/** The gateway owes us @what until @done. */
	#owed(done, what) {
		const debt = { done };
		this.party.debts.add(debt);
		setTimeout(() => {
			this.party.debts.delete(debt);
			if (!done())
				this.call.fault(`leg ${this.number}: no ${what}`);
		}, OWED_MS).unref();
	}

	#repeat(text, done, via) {
		let wait = T1;
		const began = Date.now();
		const again = () => {
			if (done() || Date.now() - began > OWED_MS)
				return;
			this.#send(text, via);
			wait = Math.min(2 * wait, T2);
			setTimeout(again, wait).unref();
		};
		setTimeout(again, wait).unref();
	}

	respond(request, status, { to, body = '', headers = [], keep = true, type } = {}) {
		const text = [`SIP/2.0 ${status} Scripted`, ...request.headers.via.map((v) => `Via: ${v}`),
			`From: ${first(request, 'from')}`, `To: ${to ?? first(request, 'to')}`,
			`Call-ID: ${this.id}`, `CSeq: ${first(request, 'cseq')}`, ...headers,
			...(body ? [`Content-Type: ${type ?? 'application/sdp'}`] : []),
			`Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
		const entry = this.#servers.get(`${request.branch} ${request.method}`);
		if (entry && keep)
			entry.last = text;
		this.call.note('sip>', `${status} ${first(request, 'cseq')}${body ? ' sdp' : ''} leg ${this.number}`);
		this.#send(text, request.from);
		return text;
	}

	// ---- calls ----

	/** INVITE to @uri; @offer: with a description. */
	static outgoing(party, call, uri, { from, offer, headers }) {
		const leg = new Leg(party, call, { id: hex(), uas: false, uri, offer,
			local: `<${from}>;tag=${hex()}`, said: true });
		leg.branch = `z9hG4bK${hex()}`;
		leg.body = offer ? leg.describe(null, null) : '';
		leg.extra = [`Contact: ${party.contact}`, ALLOW, ...headers];
		return leg;
	}

	invite() {
		this.#transact('INVITE', { uri: this.uri, to: `<${this.uri}>`, local: this.local,
			branch: this.branch, cseq: 1, body: this.body, headers: this.extra },
		(response) => this.#invited(response));
	}

	/** Behind the INVITE at once, in a dialog that is not there. */
	hasty(method) {
		if (method === 'ACK') {
			this.#send(this.#print('ACK', { uri: this.uri, to: `<${this.uri}>`, local: this.local,
				branch: this.branch, cseq: 1 }));
			return;
		}
		if (method === 'CANCEL') {
			this.provisional = true; // it may overtake
			this.cancel();
			return;
		}
		const headers = method === 'PRACK' ? ['RAck: 1 1 INVITE'] : [];
		this.#transact(method, { uri: this.uri, local: this.local, branch: `z9hG4bK${hex()}`, cseq: 2,
			to: `<${this.uri}>${this.call.random.chance(0.5) ? `;tag=${hex()}` : ''}`,
			headers: [`Contact: ${this.party.contact}`, ...headers],
			body: method === 'UPDATE' ? this.describe(null, null) : '' }, () => {});
	}

	#invited(response) {
		const tag = tagOf(first(response, 'to'));
		this.provisional = true;
		if (this.cancelling && !this.answered)
			this.cancel();
		if (response.status === 100)
			return;
		if (response.status >= 300) {
			this.answered = true;
			this.end(`INVITE got ${response.status}`);
			return;
		}
		let dialog = this.dialogs.get(tag);
		if (!dialog) {
			dialog = new Dialog({ tag, local: this.local, remote: first(response, 'to'),
				target: uriOf(first(response, 'contact') ?? this.uri), offer: '' });
			this.dialogs.set(tag, dialog);
		}
		if (response.status < 200) {
			if (has(response, 'require', '100rel'))
				this.#prack(response, dialog);
			return;
		}
		this.answered = true;
		if (dialog.state === 'early' && !this.ended)
			this.#confirm(dialog);
		const late = this.call.plan.ackLate;
		const ack = () => this.#ack(dialog, 1, response, !this.offer && !dialog.described);
		if (dialog.ack || !late)
			ack();
		else
			setTimeout(ack, late);
		if (this.cancelling && dialog.state === 'confirmed') // it crossed our CANCEL
			this.bye(dialog);
	}

	#ack(dialog, cseq, response, answers) {
		if (dialog.ack?.cseq !== cseq) {
			const body = answers && response.body ? this.describe(response.body, dialog) : '';
			dialog.ack = { cseq, text: this.#print('ACK', { uri: dialog.target, to: dialog.remote,
				local: dialog.local, branch: `z9hG4bK${hex()}`, cseq, body }) };
		}
		this.#send(dialog.ack.text);
	}

	#prack(response, dialog) {
		const rseq = Number(first(response, 'rseq'));
		if (dialog.heard?.has(rseq))
			return;
		(dialog.heard ??= new Set()).add(rseq);
		const { prack } = this.call.plan;
		if (prack === 'never')
			return;
		const asked = !this.offer && response.body && !dialog.described;
		dialog.described ||= Boolean(asked);
		const send = () => this.ask('PRACK', dialog, { answered: () => this.#reserve(dialog), headers: [`RAck: ${rseq} ${first(response, 'cseq')}`],
			body: asked ? this.describe(response.body, dialog) : '' });
		setTimeout(send, prack === 'late' ? 150 : 0);
	}

	cancel() {
		this.cancelling = true;
		if (this.answered || !this.provisional || this.cancelled) // RFC 3261 9.1
			return;
		this.cancelled = true;
		this.#transact('CANCEL', { uri: this.uri, to: `<${this.uri}>`, local: this.local,
			branch: this.branch, cseq: 1 }, () => {});
	}

	// ---- both ----

	/** A phone that was called should wait for the ACK (RFC 3261 15); ours need not. */
	bye(dialog, headers = []) {
		if (dialog.state === 'ended')
			return;
		dialog.state = 'ended';
		this.ask('BYE', dialog, { headers });
		if (!this.live.length)
			this.end('BYE sent');
	}

	/** A request in @dialog. */
	ask(method, dialog, { body = '', type, headers = [], answered, cseq } = {}) {
		const number = cseq ?? ++dialog.cseq;
		this.#transact(method, { uri: dialog.target, to: dialog.remote, local: dialog.local,
			branch: `z9hG4bK${hex()}`, cseq: number, body, type,
			headers: [`Contact: ${this.party.contact}`, ...headers] }, (response) => {
			if (response.status < 200)
				return;
			if (method === 'INVITE' && response.status < 300)
				this.#ack(dialog, number, response, !body);
			answered?.(response);
		});
	}

	#print(method, { uri, to, local, branch, cseq, body = '', type = 'application/sdp', headers = [] }) {
		this.call.note('sip>', `${method} ${cseq}${body ? ' body' : ''} leg ${this.number}`);
		return [`${method} ${uri} SIP/2.0`,
			`Via: SIP/2.0/${this.party.kind.toUpperCase()} 127.0.0.1:${this.party.port};branch=${branch}`, 'Max-Forwards: 70',
			`From: ${local}`, `To: ${to}`, `Call-ID: ${this.id}`, `CSeq: ${cseq} ${method}`,
			...headers, ...(body ? [`Content-Type: ${type}`] : []),
			`Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
	}

	#transact(method, parts, onResponse) {
		const text = this.#print(method, parts);
		const entry = { onResponse, parts };
		this.#clients.set(`${parts.branch} ${method}`, entry);
		this.#send(text);
		if (!this.party.reliable)
			this.#repeat(text, () => entry.final || (entry.provisional && method === 'INVITE'));
		if (method !== 'INVITE')
			this.#owed(() => entry.final, `answer to ${method} ${parts.cseq}`);
	}

	// ---- from the wire ----

	response(message) {
		const method = message.cseq[1];
		const entry = this.#clients.get(`${message.branch} ${method}`);
		if (!entry) {
			this.call.fault(`leg ${this.number}: a response to nothing: ${message.start}`);
			return;
		}
		this.call.note('sip<', `${message.status} ${first(message, 'cseq')} leg ${this.number}`);
		this.#heard(message);
		entry.provisional = true;
		if (message.status >= 300 && method === 'INVITE')
			this.#send(this.#print('ACK', { uri: entry.parts.uri, to: first(message, 'to'),
				local: entry.parts.local, branch: entry.parts.branch, cseq: entry.parts.cseq }));
		if (entry.final && !(method === 'INVITE' && message.status < 300))
			return;
		entry.final ||= message.status >= 200;
		entry.onResponse(message);
	}

	#heard({ body }) {
		this.theirs = qosOf(body) ?? this.theirs;
		this.mediaPort = Number(/^m=\w+ ([1-9]\d*) /m.exec(body ?? '')?.[1] ?? this.mediaPort);
	}

	#dialogOf(request) {
		return this.dialogs.get(tagOf(first(request, 'to'))) ??
			this.dialogs.get(tagOf(first(request, 'from')));
	}

	take(request) {
		const { method } = request;
		const dialog = this.#dialogOf(request);
		if (method === 'ACK') {
			this.#acked(request);
			return;
		}
		const key = `${request.branch} ${method}`;
		const known = this.#servers.get(key);
		if (known) {
			if (known.last)
				this.#send(known.last, request.from);
			return;
		}
		this.call.note('sip<', `${first(request, 'cseq')}${request.body ? ' body' : ''} leg ${this.number}`);
		this.#heard(request);
		this.#servers.set(key, { request });
		if (method === 'CANCEL')
			this.#cancelled(request);
		else if (!dialog || (dialog.state === 'ended' && method !== 'BYE'))
			this.#gone(request);
		else
			this.#inDialog(request, dialog);
	}

	#acked(request) {
		for (const { finals = [] } of this.#servers.values())
			for (const wait of finals)
				if (wait.cseq === request.cseq[0] && (!wait.tag || wait.tag === tagOf(first(request, 'to')) ||
				    wait.tag === tagOf(first(request, 'from')))) {
					wait.acked = true;
					if (wait.tag)
						this.dialogs.get(wait.tag).acked = true;
				}
	}

	#cancelled(request) {
		this.respond(request, 200);
		this.refuse(487, 'cancelled');
	}

	#gone(request) {
		if (request.method === 'INVITE')
			this.#final(request, 481, {});
		else
			this.respond(request, 481);
	}

	#inDialog(request, dialog) {
		switch (request.method) {
		case 'BYE':
			this.respond(request, 200);
			dialog.state = 'ended';
			dialog.told = true;
			if (this.answered && !this.live.length)
				this.end('BYE');
			return;
		case 'PRACK':
			this.#pracked(request, dialog);
			return;
		case 'INVITE':
		case 'UPDATE':
			this.#offered(request, dialog);
			return;
		default:
			this.respond(request, this.call.random.chance(0.9) ? 200 : 415);
		}
	}

	#pracked(request, dialog) {
		const { pracked } = this.call.plan;
		if (Number(first(request, 'rack')?.split(/\s+/)[0]) !== dialog.rseq) {
			this.respond(request, 481);
			return;
		}
		dialog.reliable = null;
		const reply = () => this.respond(request, 200, {
			body: request.body && dialog.offer ? this.describe(request.body, dialog) : '',
			headers: [`Contact: ${this.party.contact}`] });
		if (pracked === 'late')
			setTimeout(reply, 200);
		else if (pracked !== 'never')
			reply();
		if (dialog.described)
			this.#reserve(dialog);
	}

	/** An offer of the gateway, or a refresh. */
	#offered(request, dialog) {
		const { random } = this.call;
		const invite = request.method === 'INVITE';
		const how = random.number();
		const headers = [`Contact: ${this.party.contact}`, ALLOW, ...this.#timer(request)];
		if (has(request, 'session-expires', 'refresher=uac'))
			this.refreshed = true;
		const reply = (status) => {
			const body = status === 200 && (request.body || invite) ?
				this.describe(request.body, dialog) : '';
			if (invite)
				this.#final(request, status, { body, headers });
			else
				this.respond(request, status, { body, headers });
		};
		if (this.call.plan.slow) {
			reply(200);
			return;
		}
		if (invite && !this.call.ending && how < 0.1)
			return; // silence; whoever ends the call ends it
		if (how < 0.3)
			reply(random.pick(488, 491, 500, 603));
		else if (how < 0.5)
			setTimeout(() => reply(dialog.state === 'ended' ? 487 : 200), random.int(20, 300));
		else
			reply(200);
	}
}

/** The socket, and which leg a message belongs to. */
export class ScriptParty {
	#legs = new Map();
	#wire;
	strays = [];
	debts = new Set(); // what the gateway may still owe us

	/** @fields: of wire(). */
	static async listen(fields) {
		const party = new ScriptParty();
		const { kind, port } = fields;
		Object.assign(party, { kind, port, gatewayPort: fields.gatewayPort,
			contact: `<sip:phone@127.0.0.1:${port}${kind === 'udp' ? '' : `;transport=${kind}`}>` });
		party.#wire = wire(fields);
		await party.#wire.open((text, from) => party.#message(text, from));
		return party;
	}

	get reliable() { return this.#wire.reliable; }

	close() { return this.#wire.close(); }

	/** What the path of @call does to @text is the call's dice. */
	send(text, call, via) {
		for (let copies = call && !this.reliable ? call.copies(text) : 1; copies > 0; copies--)
			this.#wire.send(text, via);
	}

	/** OPTIONS that nobody waits for. */
	greet() {
		this.send([`OPTIONS sip:127.0.0.1:${this.gatewayPort} SIP/2.0`,
			`Via: SIP/2.0/${this.kind.toUpperCase()} 127.0.0.1:${this.port};branch=z9hG4bK${hex()}`,
			'Max-Forwards: 70', `From: <sip:core@127.0.0.1>;tag=${hex()}`, 'To: <sip:127.0.0.1>',
			`Call-ID: ${hex()}`, 'CSeq: 1 OPTIONS', 'Content-Length: 0', '', ''].join('\r\n'));
	}

	junk(text) { this.#wire.junk(text); }

	add(leg) { this.#legs.set(leg.id, leg); }

	/** Nothing is owed to us, or it was called a fault. */
	get settled() { return [...this.debts].every(({ done }) => done()); }

	forget(legs) {
		setTimeout(() => {
			for (const { id } of legs)
				this.#legs.delete(id);
		}, LINGER_MS).unref();
	}

	#message(text, from) {
		const message = parse(text);
		if (!message) {
			this.strays.push(text);
			return;
		}
		message.from = from;
		const leg = this.#legs.get(first(message, 'call-id'));
		if (leg && !this.reliable && leg.call.copies(text) === 0)
			return;
		if (leg) {
			if (message.status)
				leg.response(message);
			else
				leg.take(message);
		} else if (message.method === 'INVITE' && this.onInvite(message)) {
			return;
		} else if (message.method && message.method !== 'ACK') {
			this.#stateless(message);
		}
	}

	#stateless(request) {
		const status = { MESSAGE: 200, OPTIONS: 200, INVITE: 404 }[request.method] ?? 481;
		this.send([`SIP/2.0 ${status} Scripted`, ...request.headers.via.map((v) => `Via: ${v}`),
			`From: ${first(request, 'from')}`, `To: ${first(request, 'to')};tag=none`,
			`Call-ID: ${first(request, 'call-id')}`, `CSeq: ${first(request, 'cseq')}`,
			'Content-Length: 0', '', ''].join('\r\n'), null, request.from);
	}
}
