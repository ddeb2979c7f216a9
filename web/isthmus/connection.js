// connection.js - one WebSocket: envelope, transaction ids, retransmissions.
import { CloseCode, PROTOCOL } from './protocol.js';
import { IsthmusError, causeOf, failureOf, problem } from './errors.js';

const REQUEST_TIMEOUT_MS = 20_000;
const SERVED_MAX = 128; // responses kept for retransmitted requests

export class Connection {
	#ws;
	#nextId = 0; // ours are even: we opened the WebSocket
	#pending = new Map(); // our requests, by id
	#served = new Map(); // responses to the peer's requests, by id
	#handlers;
	#done = false;
	lastHeard = Date.now();

	constructor(config, handlers) {
		this.#handlers = handlers;
		this.#ws = new config.WebSocket(config.endpoint, PROTOCOL);
		const timer = setTimeout(() => this.drop(1006, 'connect timeout'),
			config.connectTimeout);
		this.#ws.onopen = () => {
			clearTimeout(timer);
			this.lastHeard = Date.now();
			if (!this.#done)
				handlers.opened();
		};
		this.#ws.onmessage = (event) => this.#receive(event.data);
		this.#ws.onclose = (event) => {
			clearTimeout(timer);
			this.#finish(event.code, event.reason);
		};
		this.#ws.onerror = () => {}; // a close event always follows
	}

	get open() {
		return !this.#done && this.#ws.readyState === 1;
	}

	request(method, params, timeout = REQUEST_TIMEOUT_MS) {
		if (!this.open)
			return Promise.reject(new IsthmusError('disconnected',
				'not connected to the gateway'));
		const transactionId = this.#nextId;
		this.#nextId += 2;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#pending.delete(String(transactionId));
				reject(new IsthmusError('timeout',
					`the gateway did not answer ${method}`,
					{ status: 408 }));
			}, timeout);
			this.#pending.set(String(transactionId),
				{ method, resolve, reject, timer });
			this.#send({
				messageType: 'request', method, transactionId, ...params,
			});
		});
	}

	close(code = CloseCode.NORMAL, reason = '') {
		try {
			this.#ws.close(code, reason);
		} catch {
			this.#finish(1006, reason);
		}
	}

	// Gone for us now, whatever the network still thinks of the socket.
	drop(code, reason) {
		try {
			this.#ws.close();
		} catch { /* was never open */ }
		this.#finish(code, reason);
	}

	#finish(code, reason) {
		if (this.#done)
			return;
		this.#done = true;
		for (const { method, reject, timer } of this.#pending.values()) {
			clearTimeout(timer);
			reject(new IsthmusError('disconnected',
				`the connection was lost before ${method} was answered`));
		}
		this.#pending.clear();
		this.#handlers.closed(code, reason);
	}

	#send(message) {
		const text = JSON.stringify(message);
		if (this.open)
			this.#ws.send(text);
		this.#handlers.traffic('sent', message);
		return text;
	}

	#receive(text) {
		this.lastHeard = Date.now();
		let message;
		try {
			message = JSON.parse(text);
		} catch {
			message = null;
		}
		if (message === null || typeof message !== 'object' ||
		    Array.isArray(message)) {
			this.#handlers.protocolError('a message that is no JSON object');
			return;
		}
		this.#handlers.traffic('received', message);
		if (message.messageType === 'response')
			this.#response(message);
		else
			this.#request(message);
	}

	#response(message) {
		const key = String(message.transactionId);
		const entry = this.#pending.get(key);
		if (!entry) {
			this.#handlers.protocolError(`a response to unknown request ${key}`);
			return;
		}
		this.#pending.delete(key);
		clearTimeout(entry.timer);
		if (message.success !== true)
			entry.reject(failureOf(message));
		else if (this.#handlers.unknownExtensions(message).length)
			entry.reject(new IsthmusError('refused',
				'the gateway requires an unknown extension',
				{ status: 420, response: message }));
		else
			entry.resolve(message);
	}

	async #request(message) {
		const { transactionId, method } = message;
		const key = String(transactionId);
		if (!/^[0-9]{1,20}$/.test(key)) {
			this.#handlers.protocolError('a request without transactionId');
			return;
		}
		if (this.#served.has(key)) {
			// A retransmission: the same response again, once there is one.
			const response = this.#served.get(key);
			if (response)
				this.#send(response);
			return;
		}
		this.#served.set(key, null);
		if (this.#served.size > SERVED_MAX)
			this.#served.delete(this.#served.keys().next().value);

		const response = { messageType: 'response', method, transactionId };
		let after = null;
		try {
			if (Number(BigInt(key) % 2n) !== 1)
				throw problem(400, 'the gateway counts in odd transaction ids');
			if (message.messageType !== 'request' || typeof method !== 'string')
				throw problem(400, 'messageType or method is missing');
			const result = await this.#handlers.request(message) ?? {};
			after = result.after ?? null;
			Object.assign(response, { success: true }, result.members);
		} catch (error) {
			const status = error.status || 500;
			response.success = false;
			if (message.mediaSessionId !== undefined)
				response.mediaSessionId = message.mediaSessionId;
			if (error.retryAfter !== null && error.retryAfter !== undefined)
				response.retryAfter = error.retryAfter;
			if (error.members)
				Object.assign(response, error.members);
			response.problemDetails = {
				type: 'about:blank', title: causeOf(status), status,
				detail: String(error.message).slice(0, 200),
			};
		}
		if (this.#served.has(key))
			this.#served.set(key, response);
		this.#send(response);
		after?.();
	}
}
