// scenario.mjs - SIPp scenarios that are put together from steps, for what is
// tried in many orders.  The phone calls the browser, or is called by it; what
// is said in the dialog is the same.

/** Of the phone; @version counts up. */
export const audio = (version = 1, direction = 'sendrecv') => `v=0
o=sipp 5300 ${version} IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 22900 RTP/AVP 8 0 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=${direction}`;

const SDP = 'application/sdp';
const CONTACT = 'Contact: <sip:ims@127.0.0.1:22020>';
const ALLOW = 'Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO, REFER, NOTIFY';
const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const indent = (text) => text.split('\n').map((line) => line && `      ${line}`).join('\n');

export class Scenario {
	#name;
	#calling;
	#steps = [];
	#variables = [];
	#cseq = 0;

	/** @calling: the phone calls; else it is called. */
	constructor(name, calling) {
		this.#name = name;
		this.#calling = calling;
	}

	#add(step) {
		this.#steps.push(step);
		return this;
	}

	#variable(name = `v${this.#variables.length}`) {
		this.#variables.push(name);
		return name;
	}

	#send(lines, { retrans, next, body, type = SDP } = {}) {
		const attributes = `${retrans ? ' retrans="100"' : ''}${next ? ` next="${next}"` : ''}`;
		const text = [...lines, ...body ? [`Content-Type: ${type}`] : [],
			`Content-Length: ${body ? '[len]' : '0'}`, '', ...body ? [body, ''] : []].join('\n');

		return this.#add(`<send${attributes}>\n    <![CDATA[\n\n${indent(text)}\n    ]]>\n  </send>`);
	}

	pause(ms) {
		return this.#add(`<pause milliseconds="${ms}"/>`);
	}

	label(id) {
		return this.#add(`<label id="${id}"/>`);
	}

	/**
	 * A request by its name, or a response by its number; @has: in its text.
	 * @within: [ms, where to go on without it].
	 */
	recv(what, { optional = false, next, within, has = [], keep = {} } = {}) {
		const kind = typeof what === 'number' ? 'response' : 'request';
		const actions = [
			...has.map((regexp) => `<ereg regexp="${escape(regexp)}" search_in="msg" ` +
				`check_it="true" assign_to="${this.#variable()}"/>`),
			...Object.entries(keep).map(([name, [header, regexp]]) =>
				`<ereg regexp="${escape(regexp)}" search_in="hdr" header="${header}:" ` +
				`check_it="true" assign_to="${this.#variable(name)}"/>`)];

		return this.#add(`<recv ${kind}="${what}"${optional ? ' optional="true"' : ''}` +
			`${next ? ` next="${next}"` : ''}` +
			`${within ? ` timeout="${within[0]}" ontimeout="${within[1]}"` : ''}${what === 200 ? ' rrs="true"' : ''}` +
			(actions.length ? `>\n    <action>\n      ${actions.join('\n      ')}\n` +
				'    </action>\n  </recv>' : '/>'));
	}

	/** The INVITE that makes the call, and whom later requests go to. */
	invited(options) {
		return this.recv('INVITE', { ...options, keep: { ivia: ['Via', '.*'],
			ifrom: ['From', '.*'], ito: ['To', '.*'], icseq: ['CSeq', '.*'],
			icontact: ['Contact', 'sip:[^>]*'] } });
	}

	/** To that INVITE, whatever came since. */
	answer(status, options = {}) {
		return this.#send([`SIP/2.0 ${status} As Written`, 'Via:[$ivia]', 'From:[$ifrom]',
			'To:[$ito];tag=[pid]T[call_number]', 'Call-ID: [call_id]', 'CSeq:[$icseq]',
			CONTACT, ALLOW], { retrans: status >= 200, ...options });
	}

	/** To what came last. */
	reply(status, { tag = false, ...options } = {}) {
		return this.#send([`SIP/2.0 ${status} As Written`, '[last_Via:]', '[last_From:]',
			`[last_To:]${tag ? ';tag=[pid]T[call_number]' : ''}`, '[last_Call-ID:]',
			'[last_CSeq:]', CONTACT, ALLOW], options);
	}

	#request(method, { first = false, headers = [], via, cseq, ...options } = {}) {
		const fresh = first || !this.#calling ? '' : '[peer_tag_param]';
		const target = first ? 'sip:alice@sipp.example' :
			this.#calling ? '[next_url]' : '[$icontact]';
		const ends = this.#calling ?
			['From: "Bob" <sip:bob@far.example>;tag=[pid]F[call_number]',
				`To: <sip:alice@sipp.example>${fresh}`] :
			['From:[$ito];tag=[pid]T[call_number]', 'To:[$ifrom]'];

		return this.#send([`${method} ${target} SIP/2.0`,
			via ?? 'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport',
			...ends, 'Call-ID: [call_id]', `CSeq: ${cseq ?? this.#cseq} ${method}`,
			'Max-Forwards: 70', CONTACT, ALLOW, ...headers], options);
	}

	/** A request of the phone, repeated until something comes. */
	ask(method, options = {}) {
		this.#cseq++;
		return this.#request(method, { retrans: true, ...options });
	}

	/** The INVITE that makes the call. */
	invite(options) {
		return this.ask('INVITE', { first: true, headers: [
			'P-Asserted-Identity: "Bob" <sip:bob@far.example>'], ...options });
	}

	cancel() {
		return this.#request('CANCEL', { first: true, retrans: true, via: '[last_Via:]' });
	}

	/** Of a 2xx; @body: the answer. */
	ack(options) {
		return this.#request('ACK', options);
	}

	/** Of a refusal: a part of its INVITE. */
	ackRefusal({ first = false } = {}) {
		const ends = first ? 'sip:alice@sipp.example' :
			this.#calling ? '[next_url]' : '[$icontact]';

		return this.#send([`ACK ${ends} SIP/2.0`, '[last_Via:]', '[last_From:]', '[last_To:]',
			'Call-ID: [call_id]', `CSeq: ${this.#cseq} ACK`, 'Max-Forwards: 70']);
	}

	/** What is repeated still finds the call. */
	end(ms = 700) {
		this.#add(`<timewait milliseconds="${ms}"/>`);
		if (this.#variables.length)
			this.#add(`<Reference variables="${this.#variables.join(',')}"/>`);
		return this;
	}

	text() {
		return `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="${this.#name}">\n  ` +
			`${this.#steps.join('\n  ')}\n</scenario>\n`;
	}
}
