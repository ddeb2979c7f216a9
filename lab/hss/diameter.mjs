// diameter.mjs - Diameter messages (RFC 6733) to objects and back.  No I/O.
//
// An AVP is { code, vendor, mandatory, data }.  A message is { flags, command,
// application, hopByHop, endToEnd, avps }.

export const REQUEST = 0x80;
export const PROXIABLE = 0x40;
export const ERROR = 0x20;

/** No message of Cx comes near it; whoever announces more is not served. */
export const MAX_MESSAGE = 64 * 1024;

const HEADER = 20;
const AVP_VENDOR = 0x80;
const AVP_MANDATORY = 0x40;

export class DiameterError extends Error {}

const padded = (length) => (length + 3) & ~3;

/** AVP with @data: a Buffer, a string, an unsigned 32-bit number, or AVPs. */
export function avp([code, vendor = 0], data, mandatory = true) {
	let bytes = data;
	if (typeof data === 'string')
		bytes = Buffer.from(data);
	else if (typeof data === 'number')
		(bytes = Buffer.alloc(4)).writeUInt32BE(data);
	else if (Array.isArray(data))
		bytes = Buffer.concat(data.map(encodeAvp));
	return { code, vendor, mandatory, data: bytes };
}

function encodeAvp({ code, vendor, mandatory, data }) {
	const header = vendor ? 12 : 8;
	const out = Buffer.alloc(padded(header + data.length));
	out.writeUInt32BE(code, 0);
	out.writeUInt32BE(header + data.length, 4); // the flags share this word
	out[4] = (vendor ? AVP_VENDOR : 0) | (mandatory ? AVP_MANDATORY : 0);
	if (vendor)
		out.writeUInt32BE(vendor, 8);
	data.copy(out, header);
	return out;
}

/** The AVPs in @bytes: of a message, or of the data of a grouped AVP. */
export function decodeAvps(bytes) {
	const avps = [];
	let at = 0;
	while (at < bytes.length) {
		if (bytes.length - at < 8)
			throw new DiameterError('AVP cut off');
		const flags = bytes[at + 4];
		const header = flags & AVP_VENDOR ? 12 : 8;
		const length = bytes.readUIntBE(at + 5, 3);
		if (length < header || at + length > bytes.length)
			throw new DiameterError(`AVP of length ${length}`);
		avps.push({
			code: bytes.readUInt32BE(at),
			vendor: flags & AVP_VENDOR ? bytes.readUInt32BE(at + 8) : 0,
			mandatory: (flags & AVP_MANDATORY) !== 0,
			data: bytes.subarray(at + header, at + length),
		});
		at += padded(length);
	}
	return avps;
}

export function encode({ flags, command, application, hopByHop, endToEnd, avps }) {
	const body = Buffer.concat(avps.map(encodeAvp));
	const header = Buffer.alloc(HEADER);
	header.writeUInt32BE(HEADER + body.length, 0);
	header[0] = 1;
	header.writeUInt32BE(command, 4);
	header[4] = flags;
	header.writeUInt32BE(application, 8);
	header.writeUInt32BE(hopByHop, 12);
	header.writeUInt32BE(endToEnd, 16);
	return Buffer.concat([header, body]);
}

export function decode(bytes) {
	return {
		flags: bytes[4],
		command: bytes.readUIntBE(5, 3),
		application: bytes.readUInt32BE(8),
		hopByHop: bytes.readUInt32BE(12),
		endToEnd: bytes.readUInt32BE(16),
		avps: decodeAvps(bytes.subarray(HEADER)),
	};
}

/** Cuts a stream of bytes into messages. */
export class Framer {
	#held = Buffer.alloc(0);

	/** The messages that @chunk completes; throws when it is not Diameter. */
	push(chunk) {
		const messages = [];
		let bytes = this.#held.length ? Buffer.concat([this.#held, chunk]) : chunk;
		while (bytes.length >= 4) {
			const length = bytes.readUIntBE(1, 3);
			if (bytes[0] !== 1 || length < HEADER || length % 4 ||
			    length > MAX_MESSAGE)
				throw new DiameterError(
					`version ${bytes[0]}, length ${length}`);
			if (bytes.length < length)
				break;
			messages.push(decode(bytes.subarray(0, length)));
			bytes = bytes.subarray(length);
		}
		this.#held = bytes;
		return messages;
	}
}

export function find(avps, [code, vendor = 0]) {
	return avps.find((a) => a.code === code && a.vendor === vendor);
}

export function text(avps, id) {
	return find(avps, id)?.data.toString();
}

export function number(avps, id) {
	const data = find(avps, id)?.data;
	return data?.length === 4 ? data.readUInt32BE() : undefined;
}

export function group(avps, id) {
	const found = find(avps, id);
	return found ? decodeAvps(found.data) : undefined;
}
