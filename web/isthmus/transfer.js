// transfer.js - another party is to take a place in the call (RFC 3515, RFC
// 5589): the other side's, or ours.  One at a time.
import { IsthmusError, causeOf, failureOf } from './errors.js';

const TIMEOUT_MS = 200_000; // the gateway gives ringing up before

export class Transfer {
	#tell; // an event 'transfer'
	#pending = null;

	constructor(tell) {
		this.#tell = tell;
	}

	/** Asks for it by @request(); resolves when @uri has answered.  @leaves: it
	 * is our place, and the call ends next. */
	async move(uri, leaves, request) {
		if (this.#pending)
			throw new IsthmusError('state', 'a transfer is under way');
		const pending = this.#pending = { leaves, uri };
		const done = new Promise((resolve, reject) => {
			Object.assign(pending, { resolve, reject });
			pending.timer = setTimeout(() => reject(new IsthmusError('timeout',
				'the transfer was not decided', { status: 408 })), TIMEOUT_MS);
		});
		done.catch(() => {});
		try {
			this.#tell({ state: 'trying', target: uri });
			await request();
			await done;
		} catch (error) {
			this.#tell({
				state: 'failed', target: uri, status: error.status ?? 0,
				cause: causeOf(error.status || 500), message: error.message,
			});
			throw error;
		} finally {
			clearTimeout(pending.timer);
			this.#pending = null;
		}
	}

	/** The party that is to come rings. */
	progressed(state) {
		if (this.#pending && ['proceeding', 'alerting'].includes(state))
			this.#tell({ state, target: this.#pending.uri });
	}

	/** What @message says became of it; true: of a transfer of ours. */
	decided(message) {
		if (message.problemDetails) {
			this.#pending?.reject(failureOf(message));
			return true;
		}
		if (!this.#pending)
			return false;
		const { leaves, uri } = this.#pending;
		this.#pending.resolve();
		if (leaves) // the end comes next
			this.#tell({ state: 'done', target: uri });
		return true;
	}

	/** The call has ended: nothing is awaited any more. */
	end(error) {
		this.#pending?.reject(error);
	}
}
