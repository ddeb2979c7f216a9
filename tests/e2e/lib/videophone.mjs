// videophone.mjs - a SIP phone with a picture: answers on UDP, plays back each
// RTP packet it gets, and can lose some, change its m-lines and send INFO.
import dgram from 'node:dgram';
import { until } from './process.mjs';

function parse(datagram) {
	const text = datagram.toString('latin1');
	const end = text.indexOf('\r\n\r\n');
	const [start, ...lines] = text.slice(0, end).split('\r\n');
	const headers = lines.map((line) => {
		const colon = line.indexOf(':');
		return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
	});
	const all = (name) => headers.filter(([n]) => n === name).map(([, v]) => v);
	return { start, all, get: (name) => all(name)[0] ?? '', body: text.slice(end + 4) };
}

/** m-lines of a description: kind, port, proto, formats, its own lines. */
export function mediaOf(sdp) {
	return sdp.split(/^m=/m).slice(1).map((part) => {
		const [first, ...lines] = part.split('\r\n');
		const [kind, port, proto, ...formats] = first.split(' ');
		return { kind, port: Number(port), proto, formats, lines };
	});
}

/** Ids of the header extensions of an RTP packet (RFC 8285, the one-byte form). */
function extensionsOf(packet) {
	const ids = [];
	let at = 12 + 4 * (packet[0] & 0x0f);
	if (!(packet[0] & 0x10) || packet.readUInt16BE(at) !== 0xbede)
		return ids;
	const end = at + 4 + 4 * packet.readUInt16BE(at + 2);
	for (at += 4; at < end;) {
		if (!packet[at]) { // padding
			at++;
			continue;
		}
		ids.push(packet[at] >> 4);
		at += 2 + (packet[at] & 0x0f);
	}
	return ids;
}

/** Is there a PLI in an RTCP compound (RFC 4585 6.3.1)? */
function asksForPicture(packet) {
	for (let at = 0; at + 4 <= packet.length;
		at += 4 + 4 * packet.readUInt16BE(at + 2)) {
		if ((packet[at] & 0x1f) === 1 && packet[at + 1] === 206)
			return true;
	}
	return false;
}

/** The direction that answers an m-line's. */
function answerTo({ lines }) {
	if (lines.includes('a=inactive'))
		return 'inactive';
	return lines.includes('a=sendonly') ? 'recvonly' :
		lines.includes('a=recvonly') ? 'sendonly' : 'sendrecv';
}

const isFastUpdate = ({ body }) => body.includes('picture_fast_update');

class VideoPhone {
	requests = []; // what came: { method, message }
	video = { got: 0, played: 0 };
	audio = { got: 0, played: 0 };
	lose = 0; // of the video packets to come
	wantsVideo = true;
	codec = 'VP8/90000';
	fmtp = null; // its own parameters, of a variant with the same profile
	videoPt = 96; // in its own offers: as it was last offered
	takesOrientation = true; // urn:3gpp:video-orientation
	avpf = false; // takes RTP/AVPF where it is a choice
	plis = 0; // that came by RTCP
	extensions = new Set(); // ids of header extensions that came
	#sip = dgram.createSocket('udp4');
	#media = []; // per m-line: { rtp, rtcp, kind, to }
	#dialog = null;
	#cseq = 100;
	#version = 1;
	#waiting = new Map(); // CSeq -> resolve

	constructor({ port, mediaPort, kbps }) {
		Object.assign(this, { port, mediaPort, kbps });
		this.#sip.on('message', (data) => this.#received(parse(data)));
	}

	async open() {
		await new Promise((done) => this.#sip.bind(this.port, '127.0.0.1', done));
		for (let i = 0; i < 2; i++) {
			const line = { to: null, rtp: dgram.createSocket('udp4'), rtcp: dgram.createSocket('udp4') };
			line.rtp.on('message', (packet) => this.#played(line, packet));
			line.rtcp.on('message', (packet) => this.#feedback(line, packet));
			await new Promise((done) => line.rtp.bind(this.mediaPort + 2 * i, '127.0.0.1', done));
			await new Promise((done) => line.rtcp.bind(this.mediaPort + 2 * i + 1, '127.0.0.1', done));
			this.#media.push(line);
		}
		return this;
	}

	async close() {
		const sockets = [this.#sip, ...this.#media.flatMap(({ rtp, rtcp }) => [rtp, rtcp])];
		await Promise.all(sockets.map((s) => new Promise((done) => s.close(done))));
	}

	#played(line, packet) {
		if (packet.length < 12 || packet[1] >= 192 && packet[1] <= 223 || !line.to)
			return;
		for (const id of extensionsOf(packet))
			this.extensions.add(id);
		const counts = this[line.kind];
		counts.got++;
		line.ssrc = packet.readUInt32BE(8);
		if (line.kind === 'video' && this.lose > 0) {
			this.lose--;
			return;
		}
		counts.played++;
		line.rtp.send(packet, line.to, '127.0.0.1');
	}

	// A mirror makes no pictures: who stands before it does.
	#feedback(line, packet) {
		if (!asksForPicture(packet))
			return;
		this.plis++;
		if (!line.to || !line.ssrc)
			return;
		const ask = Buffer.alloc(20);
		ask.writeUInt32BE(0x80c90001, 0); // an empty receiver report ...
		ask.writeUInt32BE(7, 4);
		ask.writeUInt32BE(0x81ce0002, 8); // ... and PLI
		ask.writeUInt32BE(7, 12);
		ask.writeUInt32BE(line.ssrc, 16);
		line.rtcp.send(ask, line.to + 1, '127.0.0.1');
	}

	#send(text) {
		this.#sip.send(Buffer.from(text, 'latin1'), this.#dialog.remotePort, '127.0.0.1');
	}

	#describe(sdp) {
		const lines = ['v=0', `o=- 7 ${this.#version++} IN IP4 127.0.0.1`, 's=-',
			'c=IN IP4 127.0.0.1', 't=0 0'];
		mediaOf(sdp).forEach((m, i) => {
			const codec = m.kind === 'audio' ? 'PCMU/8000' : this.codec;
			const fmtp = (pt) => m.lines.filter((l) => l.startsWith(`a=fmtp:${pt} `));
			const own = m.kind === 'video' ? this.fmtp : null;
			const profile = /profile-level-id=..../.exec(own)?.[0] ?? '';
			const map = m.lines.map((line) => /^a=rtpmap:(\d+) (\S+)/.exec(line))
				.find((found) => found?.[2] === codec && (!codec.startsWith('H264') ||
					fmtp(found[1]).join().includes('packetization-mode=1')) &&
					fmtp(found[1]).join().includes(profile));
			const line = this.#media[i];
			const live = m.port && map && line && (m.kind === 'audio' || this.wantsVideo);
			if (line)
				Object.assign(line, { kind: m.kind, to: live ? m.port : null });
			if (live && m.kind === 'video')
				this.videoPt = Number(map[1]);
			const avpf = live && this.avpf && m.lines.includes('a=pcfg:1 t=1');
			lines.push(`m=${m.kind} ${live ? this.mediaPort + 2 * i : 0} RTP/AVP${
				avpf ? 'F' : ''} ${map?.[1] ?? m.formats[0]}`);
			if (avpf)
				lines.push('a=acfg:1 t=1', `a=rtcp-fb:${map[1]} nack pli`);
			if (live)
				lines.push(`b=AS:${m.kind === 'video' ? this.kbps : 80}`,
					`a=rtpmap:${map[1]} ${codec}`, `a=${answerTo(m)}`,
					...own ? [`a=fmtp:${map[1]} ${own}`] : fmtp(map[1]),
					...m.lines.filter((l) => this.takesOrientation &&
						l.includes('urn:3gpp:video-orientation')));
		});
		return `${lines.join('\r\n')}\r\n`;
	}

	#reply(message, status, body = '') {
		const to = message.get('to');
		this.#sip.send(Buffer.from([`SIP/2.0 ${status}`,
			...message.all('via').map((v) => `Via: ${v}`),
			...message.all('record-route').map((v) => `Record-Route: ${v}`),
			`From: ${message.get('from')}`,
			`To: ${to.includes('tag=') ? to : `${to};tag=phone`}`,
			`Call-ID: ${message.get('call-id')}`, `CSeq: ${message.get('cseq')}`,
			`Contact: <sip:phone@127.0.0.1:${this.port}>`, 'Allow: INVITE, ACK, BYE, INFO, UPDATE',
			...body ? ['Content-Type: application/sdp'] : [],
			`Content-Length: ${body.length}`, '', body].join('\r\n'), 'latin1'),
		Number(/:(\d+)/.exec(message.get('via').split(';')[0])?.[1] ?? 5060), '127.0.0.1');
	}

	#received(message) {
		if (message.start.startsWith('SIP/2.0 ')) {
			const status = Number(message.start.split(' ')[1]);
			const cseq = message.get('cseq');
			if (status < 200)
				return;
			if (cseq.endsWith('INVITE'))
				this.#ack(Number(cseq.split(' ')[0]), status);
			this.#waiting.get(cseq)?.({ status, body: message.body });
			this.#waiting.delete(cseq);
			return;
		}
		const method = message.start.split(' ')[0];
		this.requests.push({ method, message });
		if (method === 'INVITE') {
			const contact = /<(sip:[^>]+)>/.exec(message.get('contact'))[1];
			this.#dialog = {
				target: contact, remotePort: Number(/:(\d+)/.exec(contact.slice(4))[1]),
				callId: message.get('call-id'), remote: message.get('from'),
				local: `${message.get('to').replace(/;tag=.*/, '')};tag=phone`,
			};
			this.offer = message.body;
			this.#reply(message, '200 OK', this.#describe(message.body));
		} else if (method === 'BYE') {
			this.#media.forEach((line) => { line.to = null; });
			this.#reply(message, '200 OK');
		} else if (method !== 'ACK') {
			this.#reply(message, '200 OK');
			// A mirror makes no pictures: who stands before it does.
			if (method === 'INFO' && isFastUpdate(message))
				this.fastUpdate();
		}
	}

	#request(method, cseq, body, type, transaction = method) {
		const d = this.#dialog;
		this.#send([`${method} ${d.target} SIP/2.0`,
			`Via: SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${cseq}${
				transaction}${this.port}`,
			'Max-Forwards: 70', `From: ${d.local}`, `To: ${d.remote}`,
			`Call-ID: ${d.callId}`, `CSeq: ${cseq} ${method}`,
			`Contact: <sip:phone@127.0.0.1:${this.port}>`,
			...body ? [`Content-Type: ${type}`] : [],
			`Content-Length: ${body?.length ?? 0}`, '', body ?? ''].join('\r\n'));
	}

	// Of what failed it belongs to the INVITE (RFC 3261 17.1.1.3).
	#ack(cseq, status) {
		this.#request('ACK', cseq, '', '', status < 300 ? 'ACK' : 'INVITE');
	}

	#ask(method, body, type) {
		const cseq = this.#cseq++;
		return new Promise((done) => {
			this.#waiting.set(`${cseq} ${method}`, done);
			this.#request(method, cseq, body, type);
		});
	}

	/** An offer within the session, with video or with its m-line at port 0. */
	async change({ video, direction = 'sendrecv' }) {
		const line = this.#media[1];
		const answer = await this.#ask('INVITE', [
			'v=0', `o=- 7 ${this.#version++} IN IP4 127.0.0.1`, 's=-',
			'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${this.mediaPort} RTP/AVP 0`,
			`m=video ${video ? this.mediaPort + 2 : 0} RTP/AVP ${this.videoPt}`,
			...video ? [`b=AS:${this.kbps}`, `a=rtpmap:${this.videoPt} VP8/90000`,
				`a=${direction}`] : [], '',
		].join('\r\n'), 'application/sdp');
		const [audio, theirs] = mediaOf(answer.body);
		this.#media[0].to = audio?.port || null;
		Object.assign(line, { kind: 'video', to: theirs?.port || null });
		return answer;
	}

	/** An offer within the session: sound, if it is to be, and @lines at the end. */
	changeTo({ audio = true, video = false, lines }) {
		return this.#ask('INVITE', ['v=0', `o=- 7 ${this.#version++} IN IP4 127.0.0.1`,
			's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
			`m=audio ${audio ? this.mediaPort : 0} RTP/AVP 0`,
			`m=video ${video ? this.mediaPort + 2 : 0} RTP/AVP ${this.videoPt}`,
			`a=rtpmap:${this.videoPt} VP8/90000`, ...lines, ''].join('\r\n'),
		'application/sdp');
	}

	/** INFO: send a key frame (RFC 5168). */
	fastUpdate() {
		return this.#ask('INFO', '<?xml version="1.0" encoding="utf-8" ?>\n' +
			'<media_control><vc_primitive><to_encoder><picture_fast_update/>' +
			'</to_encoder></vc_primitive></media_control>',
		'application/media_control+xml');
	}

	fastUpdates() {
		return this.requests.filter(({ method, message }) => method === 'INFO' &&
			isFastUpdate(message)).length;
	}

	ended() {
		return until(() => this.requests.some(({ method }) => method === 'BYE'), 'a BYE');
	}
}

export const startVideoPhone = (options) => new VideoPhone({ kbps: 400, ...options }).open();
