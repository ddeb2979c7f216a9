// path.js - the media path of one call: that it broke (another network, a
// sleeping lid) is noticed, and it is made anew.
import { sleep } from './time.js';

const DOUBT_MS = 600; // without a packet: longer than Opus pauses in silence
const PATIENCE_MS = 2000; // with a path that is "disconnected", and may come back
const RETRY_MS = 5000;

// Packets of media, and answers to checks of the path.
function heard(report) {
	let n = 0;
	for (const stat of report.values())
		n += stat.type === 'inbound-rtp' ? stat.packetsReceived ?? 0 :
			stat.type === 'candidate-pair' ? stat.responsesReceived ?? 0 : 0;
	return n;
}

export class MediaPath {
	#session;
	#owner;
	#timer = 0;
	#recovering = false;
	#doubts = 0; // looks that are still to come

	/** @owner: suspect(), the WebSocket may be broken, too; canAsk(), an offer
	 * would reach the gateway. */
	constructor(session, owner) {
		this.#session = session;
		this.#owner = owner;
	}

	isGone() {
		const state = this.#session.connection?.iceConnectionState;
		return this.#session.isEstablished() &&
			(state === 'failed' || state === 'disconnected');
	}

	/** The state of ICE, or of the call, is another one.  What broke the path
	 * may have broken the WebSocket, which says so later still. */
	watch() {
		clearTimeout(this.#timer);
		if (!this.isGone())
			return;
		this.#owner.suspect();
		if (this.#session.connection.iceConnectionState === 'failed')
			this.recover();
		else
			this.#timer = setTimeout(() => this.recover(), PATIENCE_MS);
	}

	async recover() {
		if (this.#recovering || this.#session.isEnded() || !this.#owner.canAsk())
			return; // who comes back to the gateway comes back to it
		this.#recovering = true;
		try {
			await this.#session.restartIce();
		} catch {
			if (!this.#session.isEnded())
				this.#timer = setTimeout(() => this.watch(), RETRY_MS);
		} finally {
			this.#recovering = false;
		}
	}

	/** The network may be another one.  A browser takes seconds to see that
	 * its path is gone; that nothing comes shows sooner.  Looked at twice after
	 * the last hint: some may still have come at the time of it. */
	async doubt() {
		const session = this.#session;
		if (!session.isEstablished() || !session.connection)
			return;
		const looking = this.#doubts > 0;
		this.#doubts = 2;
		if (looking)
			return;
		try {
			for (; this.#doubts > 0; this.#doubts--) {
				const before = heard(await session.connection.getStats());
				await sleep(DOUBT_MS);
				if (session.isEnded() ||
				    heard(await session.connection.getStats()) !== before)
					continue;
				this.recover();
				break;
			}
		} catch { // closed meanwhile
		} finally {
			this.#doubts = 0;
		}
	}
}
