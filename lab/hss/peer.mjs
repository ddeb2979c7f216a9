// peer.mjs - one Diameter connection: capabilities, watchdog, disconnection
// (RFC 6733 5.3 to 5.5), and requests handed to whoever serves them.
import { DiameterError, ERROR, Framer, PROXIABLE, REQUEST, avp, encode, find,
	group, number, text } from './diameter.mjs';
import { AVP, COMMAND, COMMAND_NAME, CX, DISCONNECT_REBOOTING, NO_STATE_MAINTAINED,
	RELAY, RESULT, VENDOR_3GPP } from './dictionary.mjs';

const ANSWER_MS = 5000;
const GOOD_BYE_MS = 1000;

export const cxApplication = () => avp(AVP.VENDOR_SPECIFIC_APPLICATION_ID, [
	avp(AVP.VENDOR_ID, VENDOR_3GPP), avp(AVP.AUTH_APPLICATION_ID, CX)]);

let sequence = (Date.now() & 0xfff) << 20 >>> 0; // RFC 6733 3: end-to-end ids

export class Peer {
	host = ''; // its Origin-Host, once it has introduced itself
	#framer = new Framer();
	#waiting = new Map(); // hop-by-hop id -> { resolve, timer }

	/**
	 * @serve(request) gives the AVPs of an answer, null for an unknown command,
	 * or undefined for silence; @ours is { host, realm, address }.
	 */
	constructor(socket, { serve, ours, log, closed }) {
		Object.assign(this, { socket, serve, ours, log });
		socket.setNoDelay(true);
		socket.on('data', (chunk) => this.#data(chunk));
		socket.on('error', (error) => this.log(`${this}: ${error.message}`));
		socket.on('close', () => {
			for (const { resolve, timer } of this.#waiting.values()) {
				clearTimeout(timer);
				resolve(null);
			}
			closed(this);
		});
		this.address = `${socket.remoteAddress}:${socket.remotePort}`;
	}

	toString() {
		return this.host || this.address;
	}

	#data(chunk) {
		try {
			for (const message of this.#framer.push(chunk))
				this.#message(message);
		} catch (error) {
			if (!(error instanceof DiameterError))
				throw error;
			this.log(`${this}: not Diameter: ${error.message}; closed`);
			this.socket.destroy();
		}
	}

	#message(message) {
		if (!(message.flags & REQUEST)) {
			const waiting = this.#waiting.get(message.hopByHop);
			this.#waiting.delete(message.hopByHop);
			clearTimeout(waiting?.timer);
			waiting?.resolve(message);
			return;
		}
		switch (message.command) {
		case COMMAND.CE: this.#capabilities(message); break;
		case COMMAND.DW: this.#answer(message, [success()]); break;
		case COMMAND.DP:
			this.#answer(message, [success()]);
			this.socket.end();
			break;
		default: this.#request(message); break;
		}
	}

	#capabilities(request) {
		const { avps } = request;
		const applications = [avps, ...avps
			.filter((a) => a.code === AVP.VENDOR_SPECIFIC_APPLICATION_ID[0])
			.map((a) => group([a], AVP.VENDOR_SPECIFIC_APPLICATION_ID))]
			.map((list) => number(list, AVP.AUTH_APPLICATION_ID));
		const common = applications.some((id) => id === CX || id === RELAY);
		this.host = text(avps, AVP.ORIGIN_HOST) ?? '';
		this.#answer(request, [
			avp(AVP.RESULT_CODE, common ? RESULT.SUCCESS :
				RESULT.NO_COMMON_APPLICATION),
			avp(AVP.HOST_IP_ADDRESS, Buffer.from([0, 1,
				...this.ours.address.split('.').map(Number)])),
			avp(AVP.VENDOR_ID, VENDOR_3GPP),
			avp(AVP.PRODUCT_NAME, 'Isthmus lab HSS', false),
			avp(AVP.SUPPORTED_VENDOR_ID, VENDOR_3GPP),
			cxApplication(),
		]);
		this.log(`${this}: ${common ? 'connected' : 'no common application'}` +
			` from ${this.address}`);
		if (!common)
			this.socket.end();
	}

	#request(request) {
		if (!this.host) {
			this.log(`${this}: a request before its capabilities; closed`);
			this.socket.destroy();
			return;
		}
		if (request.application !== CX) {
			this.#answer(request, [avp(AVP.RESULT_CODE,
				RESULT.APPLICATION_UNSUPPORTED)], ERROR);
			return;
		}
		const avps = this.serve(this, request);
		if (avps === null)
			this.#answer(request, [avp(AVP.RESULT_CODE,
				RESULT.COMMAND_UNSUPPORTED)], ERROR);
		else if (avps !== undefined)
			this.#answer(request, [cxApplication(),
				avp(AVP.AUTH_SESSION_STATE, NO_STATE_MAINTAINED), ...avps]);
	}

	// RFC 6733 6.2: the request's Session-Id first, its Proxy-Info back.
	#answer(request, avps, flags = 0) {
		const session = find(request.avps, AVP.SESSION_ID);
		const proxies = request.avps.filter((a) => a.code === AVP.PROXY_INFO[0]);
		this.socket.write(encode({
			...request,
			flags: (request.flags & PROXIABLE) | flags,
			avps: [...(session ? [session] : []), ...this.#origin(), ...avps,
				...proxies],
		}));
	}

	#origin() {
		return [avp(AVP.ORIGIN_HOST, this.ours.host),
			avp(AVP.ORIGIN_REALM, this.ours.realm)];
	}

	/** The answer to a request of ours, or null when none came. */
	request({ command, application, avps, before = [] }, ms = ANSWER_MS) {
		const id = ++sequence >>> 0;
		this.socket.write(encode({
			flags: REQUEST | (application ? PROXIABLE : 0),
			command, application, hopByHop: id, endToEnd: id,
			avps: [...before, ...this.#origin(), ...avps],
		}));
		return new Promise((resolve) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(id);
				this.log(`${this}: no answer to ${COMMAND_NAME[command]}R`);
				resolve(null);
			}, ms);
			this.#waiting.set(id, { resolve, timer });
		});
	}

	/** Says good-bye, waits for its answer, and closes. */
	async disconnect() {
		if (this.host)
			await this.request({ command: COMMAND.DP, application: 0,
				avps: [avp(AVP.DISCONNECT_CAUSE, DISCONNECT_REBOOTING)] }, GOOD_BYE_MS);
		this.socket.destroy();
	}
}

function success() {
	return avp(AVP.RESULT_CODE, RESULT.SUCCESS);
}
