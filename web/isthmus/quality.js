// quality.js - posts the summary of getStats() every few seconds, and tells
// the application what the gateway makes of it and of its own counters.
import { Method } from './protocol.js';

// What the gateway takes (docs/protocol.md, quality.isthmus).
function reportOf(stats) {
	const whole = (value) => value >= 0 && value !== null ?
		Math.round(value) : undefined;
	const report = {
		packetsSent: whole(stats.packetsSent),
		packetsReceived: whole(stats.packetsReceived),
		// RFC 3550 A.3: duplicates make it negative
		packetsLost: Math.max(0, Math.round(stats.packetsLost)),
		jitterMs: whole(stats.jitterMs), rttMs: whole(stats.rttMs),
		jitterBufferMs: whole(stats.jitterBufferMs),
	};
	return Object.fromEntries(Object.entries(report).filter(
		([, value]) => typeof value === 'number'));
}

export class QualityReporter {
	#session;
	#timer = 0;
	#busy = false;

	constructor(session) {
		this.#session = session;
	}

	start(every) {
		if (!(every > 0) || this.#timer)
			return;
		this.#timer = setInterval(() => this.#post(), every);
	}

	stop() {
		clearInterval(this.#timer);
		this.#timer = 0;
	}

	async #post() {
		const session = this.#session;
		const { ua } = session;
		if (this.#busy || !ua.isRegistered() || !ua.supports(Method.QUALITY))
			return;
		this.#busy = true;
		try {
			const stats = await session.getStats();
			const { quality } = await ua._request(Method.QUALITY, {
				mediaSessionId: session.id, report: reportOf(stats),
			});
			if (quality && !session.isEnded())
				session._emit('quality', { ...quality, local: stats });
		} catch (error) {
			// Not now, or not there: it is nothing that a call needs.
			if ([405, 501].includes(error.status))
				this.stop();
		} finally {
			this.#busy = false;
		}
	}
}
