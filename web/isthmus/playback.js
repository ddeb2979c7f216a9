// playback.js - what a person hears of one call: the far side, from the first
// packet on (early media), and ringback of our own while there is none.

export class Playback {
	#session;
	#config;
	#element = null;
	#ringing = 0;
	#tones = new Set();

	/** @config: playback (true, or (session) => HTMLMediaElement), ringback. */
	constructor(session, config) {
		this.#session = session;
		this.#config = config;
		session.on('track', ({ track }) => {
			if (track.kind === 'audio')
				this.play();
		});
		session.on('state', () => this.#ring());
		for (const over of ['ended', 'failed'])
			session.on(over, () => this.stop());
	}

	/** The element that plays; null before there is anything to hear. */
	get element() { return this.#element; }

	/** Again, after a gesture, where the browser had refused to (the
	 * session's playbackblocked event). */
	async play() {
		const { playback } = this.#config;
		this.#element ??= typeof playback === 'function' ?
			playback(this.#session) : new Audio();
		if (this.#element.srcObject !== this.#session.remoteStream)
			this.#element.srcObject = this.#session.remoteStream;
		try {
			await this.#element.play();
			return true;
		} catch (error) {
			if (error.name === 'NotAllowedError' && !this.#session.isEnded())
				this.#session._emit('playbackblocked', {});
			return false;
		}
	}

	/** Another loudspeaker; "" is the default. */
	async setSpeaker(deviceId) {
		await this.#element?.setSinkId?.(deviceId);
	}

	stop() {
		this.#silence();
		if (this.#element)
			this.#element.srcObject = null;
		this.#element = null;
	}

	// It rings there and nobody lets us hear it: as a network would sound.
	#ring() {
		const { state, direction } = this.#session;
		const { ringback } = this.#config;
		const wanted = ringback && direction === 'outgoing' && state === 'alerting';
		if (!wanted) {
			this.#silence();
		} else if (!this.#ringing) {
			this.#burst(ringback);
			this.#ringing = setInterval(() => this.#burst(ringback),
				1000 * (ringback.on + ringback.off));
		}
	}

	#burst({ frequencies, on }) {
		const context = this.#session.ua._audioContext();
		const gain = context.createGain();
		const now = context.currentTime;
		gain.gain.setValueAtTime(0, now);
		gain.gain.linearRampToValueAtTime(0.06, now + 0.02);
		gain.gain.setValueAtTime(0.06, now + on - 0.02);
		gain.gain.linearRampToValueAtTime(0, now + on);
		gain.connect(context.destination);
		for (const frequency of frequencies) {
			const tone = new OscillatorNode(context, { frequency });
			tone.onended = () => {
				this.#tones.delete(tone);
				gain.disconnect();
			};
			this.#tones.add(tone);
			tone.connect(gain);
			tone.start(now);
			tone.stop(now + on);
		}
	}

	/** Does ringback of our own sound now, or between two bursts? */
	get ringing() { return this.#ringing !== 0; }

	#silence() {
		clearInterval(this.#ringing);
		this.#ringing = 0;
		for (const tone of this.#tones)
			tone.stop();
	}
}
