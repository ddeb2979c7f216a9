// script-sdp.mjs - descriptions of both sides for calls of random scripts:
// audio, video, m-lines that come and go.  Nobody is behind them.
const DIRECTIONS = { sendonly: 'recvonly', recvonly: 'sendonly' };

/** The m-lines of @sdp: { kind, port, proto, formats, attributes, direction }. */
export function linesOf(sdp) {
	const lines = [];
	for (const text of (sdp ?? '').split(/\r?\n/)) {
		const m = /^m=(\w+) (\d+) (\S+) (.*)$/.exec(text);
		if (m)
			lines.push({ kind: m[1], port: Number(m[2]), proto: m[3],
				formats: m[4].trim().split(' '), attributes: [], direction: 'sendrecv' });
		else if (lines.length && text.startsWith('a='))
			lines.at(-1).attributes.push(text);
		const direction = /^a=(sendrecv|sendonly|recvonly|inactive)$/.exec(text)?.[1];
		if (direction && lines.length)
			lines.at(-1).direction = direction;
	}
	return lines;
}

const mirrored = (direction) => DIRECTIONS[direction] ?? direction;
const print = (lines) => `${lines.join('\r\n')}\r\n`;

// ---- SIP ----

const CODECS = {
	audio: { formats: '0 101', lines: ['a=rtpmap:0 PCMU/8000',
		'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=ptime:20'] },
	video: { formats: '96', lines: ['a=rtpmap:96 VP8/90000'] },
};

const sipHead = (version) => ['v=0', `o=phone 1 ${version} IN IP4 127.0.0.1`, 's=-',
	'c=IN IP4 127.0.0.1', 't=0 0'];

/** An offer of @media: [{ kind, on }]. */
export function sipOffer(media, { version, port, direction = 'sendrecv' }) {
	return print([...sipHead(version), ...media.flatMap(({ kind, on }, i) => [
		`m=${kind} ${on ? port + 2 * i : 0} RTP/AVP ${CODECS[kind].formats}`,
		...CODECS[kind].lines, `a=${direction}`])]);
}

/** An answer to @offer; @takes: which kinds. */
export function sipAnswer(offer, { version, port, takes = ['audio', 'video'] }) {
	return print([...sipHead(version), ...linesOf(offer).flatMap((line, i) => {
		const on = line.port !== 0 && takes.includes(line.kind);
		const chosen = line.formats.filter((pt, n) => n === 0 ||
			line.attributes.some((a) => a.startsWith(`a=rtpmap:${pt} telephone-event`)));
		return [`m=${line.kind} ${on ? port + 2 * i : 0} ${line.proto} ${chosen.join(' ')}`,
			...line.attributes.filter((a) => chosen.some((pt) =>
				a.startsWith(`a=rtpmap:${pt} `) || a.startsWith(`a=fmtp:${pt} `))),
			`a=${mirrored(line.direction)}`];
	})]);
}

// ---- preconditions (RFC 3312) ----

/** What @sdp says of its writer's resources; undefined: nothing. */
export const qosOf = (sdp) => /^a=curr:qos local (\w+)/m.exec(sdp ?? '')?.[1];

/** @sdp with the lines of one who has @local, and knows that the peer has
 * @remote; @odd: of a kind that no gateway can meet. */
export function withQos(sdp, { local, remote = 'none', confirm = false, odd = false }) {
	const lines = odd ? ['a=curr:qos e2e none', 'a=des:qos mandatory e2e sendrecv'] :
		[`a=curr:qos local ${local}`, `a=curr:qos remote ${remote}`,
			'a=des:qos mandatory local sendrecv', 'a=des:qos mandatory remote sendrecv',
			...(confirm ? ['a=conf:qos remote sendrecv'] : [])];
	return sdp.split(/^(?=m=)/m).map((section) => (/^m=\w+ [1-9]/.test(section) ?
		section + print(lines) : section)).join('');
}

// ---- browsers ----

const WEB_CODECS = {
	audio: { formats: '111 0 8 110', lines: ['a=rtpmap:111 opus/48000/2',
		'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtpmap:0 PCMU/8000',
		'a=rtpmap:8 PCMA/8000', 'a=rtpmap:110 telephone-event/48000'] },
	video: { formats: '96 97', lines: ['a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 nack',
		'a=rtcp-fb:96 nack pli', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96'] },
};

function webHead(own, mids) {
	return ['v=0', `o=- ${own.session} ${++own.version} IN IP4 127.0.0.1`, 's=-', 't=0 0',
		`a=group:BUNDLE ${mids.join(' ')}`, 'a=msid-semantic: WMS s'];
}

const webTransport = (own, setup) => ['c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0',
	`a=ice-ufrag:${own.ufrag}`, `a=ice-pwd:${own.pwd}`, 'a=ice-options:trickle',
	`a=fingerprint:sha-256 ${own.fingerprint}`, `a=setup:${setup}`, 'a=rtcp-mux'];

/** A browser's offer of @media; @own: identity() of web-phone.mjs. */
export function webOffer(own, media, { direction = 'sendrecv' } = {}) {
	const mids = media.flatMap(({ on }, i) => (on ? [i] : []));
	return print([...webHead(own, mids), ...media.flatMap(({ kind, on }, i) => [
		`m=${kind} ${on ? 9 : 0} UDP/TLS/RTP/SAVPF ${WEB_CODECS[kind].formats}`,
		...webTransport(own, 'actpass'), `a=mid:${i}`, ...WEB_CODECS[kind].lines,
		`a=${on ? direction : 'inactive'}`, 'a=msid:s t',
		`a=ssrc:${(own.ssrc + i) >>> 0} cname:${own.ufrag}`])]);
}

/** Its answer to @offer. */
export function webAnswer(own, offer, { takes = ['audio', 'video'] } = {}) {
	const lines = linesOf(offer).map((line, i) => ({ ...line,
		mid: line.attributes.find((a) => a.startsWith('a=mid:'))?.slice(6) ?? String(i),
		on: line.port !== 0 && takes.includes(line.kind) }));
	return print([...webHead(own, lines.filter(({ on }) => on).map(({ mid }) => mid)),
		...lines.flatMap((line, i) => {
			const chosen = line.formats.slice(0, 1);
			return [`m=${line.kind} ${line.on ? 9 : 0} ${line.proto} ${chosen.join(' ')}`,
				...webTransport(own, 'active'), `a=mid:${line.mid}`,
				...line.attributes.filter((a) => chosen.some((pt) =>
					a.startsWith(`a=rtpmap:${pt} `) || a.startsWith(`a=fmtp:${pt} `))),
				`a=${mirrored(line.direction)}`, 'a=msid:s t',
				`a=ssrc:${(own.ssrc + i) >>> 0} cname:${own.ufrag}`];
		})]);
}
