// negotiation.js - offers and answers of one call (JSEP, RFC 8829; glare as
// RFC 3261 14.1).  Operations never overlap; a description of ours is set as
// local only with its answer, so a refused one leaves no trace.
import { IsthmusError, problem } from './errors.js';
import { sleep } from './time.js';

const ANSWER_TIMEOUT_MS = 32_000; // a SIP transaction's life, 64*T1
const GLARE_RETRIES = 5;

function newExchange(offer) {
	const exchange = { offer };
	exchange.done = new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new IsthmusError('timeout',
			'the offer was not answered', { status: 408 })), ANSWER_TIMEOUT_MS);
		exchange.resolve = () => { clearTimeout(timer); resolve(); };
		exchange.reject = (error) => { clearTimeout(timer); reject(error); };
	});
	exchange.done.catch(() => {}); // read by whoever waits
	exchange.settled = new Promise((done) => { exchange.settle = done; });
	return exchange;
}

// Senders of several encodings (simulcast), with the best of these.
function sendersOfSeveral(pc) {
	return pc.getSenders().map((sender) => {
		const { encodings = [] } = sender.getParameters();
		const [best] = [...encodings].sort((a, b) =>
			(a.scaleResolutionDownBy ?? 1) - (b.scaleResolutionDownBy ?? 1));
		return { sender, several: encodings.length > 1, best };
	}).filter(({ several }) => several);
}

// The gateway takes one stream.  A browser whose simulcast is not taken (RFC
// 8853 5.3.2) keeps its first encoding, which as a rule is the smallest.
async function sendBest(senders) {
	for (const { sender, best } of senders) {
		const parameters = sender.getParameters();
		if (parameters.encodings?.length !== 1)
			continue;
		const [only] = parameters.encodings;
		only.scaleResolutionDownBy = best.scaleResolutionDownBy ?? 1;
		for (const name of ['active', 'maxBitrate', 'maxFramerate']) {
			if (best[name] === undefined)
				delete only[name];
			else
				only[name] = best[name];
		}
		// What cannot be changed is sent as it is.
		await sender.setParameters(parameters).catch(() => {});
	}
}

export class Negotiation {
	#owner;
	#gatherTimeout;
	#pc = null;
	#chain = Promise.resolve(); // operations, one after the other
	#preOffer = null; // made, not yet set: the gateway may want its own
	#exchange = null; // our offer that waits for its answer

	/**
	 * @owner: isEnded(), request(members): an mupdate of ours,
	 * untilRegistered(), agreed(sdp): what the other side's description says
	 * is in force.
	 */
	constructor(owner, gatherTimeout) {
		this.#owner = owner;
		this.#gatherTimeout = gatherTimeout;
	}

	attach(pc) { this.#pc = pc; }
	get offering() { return this.#exchange !== null; }

	/** Overlapping operations go badly (a 200 right behind a 183). */
	serial(operation) {
		const result = this.#chain.then(() => {
			if (this.#owner.isEnded())
				throw new IsthmusError('ended', 'the call ended', { status: 481 });
			return operation();
		});
		this.#chain = result.catch(() => {});
		return result;
	}

	end() {
		this.#exchange?.reject(new IsthmusError('ended', 'the call ended'));
	}

	/** The far side did not take our offer. */
	refused(error) {
		this.#exchange?.reject(error);
	}

	/** An offer of ours that is kept back; its SDP. */
	preOffer() {
		return this.serial(async () => {
			this.#preOffer = await this.#pc.createOffer();
			return this.#preOffer.sdp;
		});
	}

	/** The first offer of the gateway; our answer's SDP. */
	firstAnswer(sdp) {
		return this.serial(async () => {
			await this.#pc.setRemoteDescription({ type: 'offer', sdp });
			return this.#makeAnswer();
		});
	}

	/** A later offer of the gateway; our answer's SDP. */
	takeOffer(sdp) {
		return this.serial(() => this.#takeOffer(sdp));
	}

	takeAnswer(sdp) {
		return this.serial(() => this.#takeAnswer(sdp));
	}

	/** One offer of ours, from createOffer to the answer in place.  Glare and
	 * a lost connection are waited out. */
	async offer(options = {}) {
		for (let tries = 1; ; tries++) {
			try {
				await this.#offerOnce(options);
				return;
			} catch (error) {
				if (this.#owner.isEnded() || error.status === 481 ||
				    tries >= GLARE_RETRIES)
					throw error;
				if (error.code === 'disconnected') {
					if (!await this.#owner.untilRegistered())
						throw error;
				} else if (error.status === 491) {
					// RFC 3261 14.1: who does not own the call waits 0-2 s
					const seconds = error.retryAfter ?? 0;
					await sleep(seconds * 1000 + 100 + Math.random() * 900);
				} else {
					throw error;
				}
			}
		}
	}

	// Answers only: the gateway learns our address from the checks anyway.
	async #gathered() {
		const pc = this.#pc;
		if (pc.iceGatheringState !== 'complete' && this.#gatherTimeout > 0)
			await new Promise((done) => {
				const name = 'icegatheringstatechange';
				const finish = () => {
					clearTimeout(timer);
					pc.removeEventListener(name, changed);
					done();
				};
				const changed = () => {
					if (pc.iceGatheringState === 'complete')
						finish();
				};
				const timer = setTimeout(finish, this.#gatherTimeout);
				pc.addEventListener(name, changed);
			});
		return pc.localDescription.sdp;
	}

	async #makeAnswer() {
		const pc = this.#pc;
		await pc.setLocalDescription(await pc.createAnswer());
		this.#owner.agreed(pc.remoteDescription.sdp);
		return this.#gathered();
	}

	async #takeOffer(sdp) {
		const pc = this.#pc;
		if (this.#exchange)
			throw problem(491, 'our own offer is under way',
				Math.floor(Math.random() * 3));
		// A pre-offer was never set, so there is nothing to roll back: the
		// gateway's offer simply takes its place.
		this.#preOffer = null;
		try {
			await pc.setRemoteDescription({ type: 'offer', sdp });
			return await this.#makeAnswer();
		} catch (error) {
			if (pc.signalingState === 'have-remote-offer')
				await pc.setRemoteDescription({ type: 'rollback' }).catch(() => {});
			throw problem(488, error.message);
		}
	}

	async #takeAnswer(sdp) {
		const pc = this.#pc;
		if (this.#exchange) {
			const exchange = this.#exchange;
			try {
				await this.#setBoth(exchange.offer, sdp);
				this.#owner.agreed(sdp);
				exchange.resolve();
			} catch (error) {
				if (pc.signalingState === 'have-local-offer')
					await pc.setLocalDescription({ type: 'rollback' })
						.catch(() => {});
				exchange.reject(error);
			}
			return;
		}
		if (!this.#preOffer)
			return; // said already
		// An early answer is the answer: the gateway gives a session one
		// (docs/protocol.md), and Firefox has no provisional ones.
		const offer = this.#preOffer;
		this.#preOffer = null;
		await this.#setBoth(offer, sdp);
		this.#owner.agreed(sdp);
	}

	async #setBoth(offer, sdp) {
		const pc = this.#pc;
		const several = sendersOfSeveral(pc);
		await pc.setLocalDescription(offer);
		await pc.setRemoteDescription({ type: 'answer', sdp });
		await sendBest(several);
	}

	async #offerOnce(options) {
		while (this.#exchange) // hold() while an ICE restart is under way
			await this.#exchange.settled;
		const pc = this.#pc;
		const exchange = await this.serial(async () => {
			if (this.#exchange)
				throw problem(491, 'another offer is under way', 0);
			// Set only with its answer: a refused offer then needs no rollback,
			// after which Chromium's receivers may stay deaf for good.
			const offer = await pc.createOffer(options);
			const started = this.#exchange = newExchange(offer);
			try {
				const response = await this.#owner.request({ sdpOffer: offer.sdp });
				// An answer in the response is as good as one that follows.
				if (typeof response.sdpAnswer === 'string')
					await this.#takeAnswer(response.sdpAnswer);
			} catch (error) {
				this.#settle(started);
				throw error;
			}
			return started;
		});
		try {
			await exchange.done;
		} finally {
			this.#settle(exchange);
		}
	}

	#settle(exchange) {
		if (this.#exchange === exchange)
			this.#exchange = null;
		exchange.resolve(); // stops its timer
		exchange.settle();
	}
}
