// sounds.js - what the page itself makes to be heard, and how loud others are.

let audio = null; // AudioContext, made by the first gesture

export function audioContext() {
	audio ??= new AudioContext();
	if (audio.state === 'suspended')
		audio.resume().catch(() => {});
	return audio;
}

export class Ringer {
	#timer = 0;

	start(frequencies, onSeconds, everySeconds) {
		if (this.#timer)
			return;
		const burst = () => {
			const context = audioContext();
			const gain = context.createGain();
			const now = context.currentTime;
			gain.gain.setValueAtTime(0, now);
			gain.gain.linearRampToValueAtTime(0.06, now + 0.02);
			gain.gain.setValueAtTime(0.06, now + onSeconds - 0.02);
			gain.gain.linearRampToValueAtTime(0, now + onSeconds);
			gain.connect(context.destination);
			for (const frequency of frequencies) {
				const tone = new OscillatorNode(context, { frequency });
				tone.connect(gain);
				tone.start(now);
				tone.stop(now + onSeconds);
			}
		};
		burst();
		this.#timer = setInterval(burst, everySeconds * 1000);
	}

	stop() {
		clearInterval(this.#timer);
		this.#timer = 0;
	}
}

export class Meter {
	#source;
	#analyser;
	#samples;

	constructor(stream) {
		const context = audioContext();
		this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
		this.#source = context.createMediaStreamSource(stream);
		this.#source.connect(this.#analyser);
		this.#samples = new Float32Array(this.#analyser.fftSize);
	}

	/** 0..1 over 60 dB, as ears count. */
	level() {
		this.#analyser.getFloatTimeDomainData(this.#samples);
		let sum = 0;
		for (const sample of this.#samples)
			sum += sample * sample;
		const db = 10 * Math.log10(sum / this.#samples.length + 1e-9);
		return Math.min(1, Math.max(0, (db + 60) / 60));
	}

	close() {
		this.#source.disconnect();
	}
}
