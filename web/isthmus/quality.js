// quality.js - posts the summary of getStats() every few seconds, and tells
// the application what the gateway makes of it and of its own counters.
import { Method } from './protocol.js';

const MAX_VIDEOS = 8; // m-lines of a report

// What is known, in whole numbers; RFC 3550 A.3: duplicates make losses negative.
function wholeNumbers(stats) {
	const known = Object.entries(stats).filter(([, value]) => Number.isFinite(value));
	return Object.fromEntries(known.map(([name, value]) =>
		[name, Math.max(0, Math.round(value))]));
}

// What the gateway takes (docs/protocol.md, quality.isthmus).
function reportOf({ packetsSent, packetsReceived, packetsLost, jitterMs, rttMs,
	jitterBufferMs, videos }) {
	const report = wholeNumbers({ packetsSent, packetsReceived, packetsLost, jitterMs,
		rttMs, jitterBufferMs });
	if (videos.length)
		report.video = videos.slice(0, MAX_VIDEOS).map(({ mid, ...video }) =>
			({ mid, ...wholeNumbers({ ...video, rttMs }) }));
	return report;
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
