// tone.mjs - is it that tone?  A tone heard is the only proof that a call
// carries audio: packets can flow and be silence, echo or noise.

/** Share of the signal's power that is a sine of @hz: 0 to 1 (Goertzel). */
export function toneShare(samples, rate, hz) {
	const n = samples.length;
	let total = 0;
	for (const s of samples)
		total += s * s;
	if (n === 0 || total / n < 1e-6) // under -60 dBFS is silence
		return 0;
	const w = 2 * Math.PI * hz / rate;
	const coefficient = 2 * Math.cos(w);
	let s1 = 0;
	let s2 = 0;
	for (const s of samples) {
		const s0 = s + coefficient * s1 - s2;
		s2 = s1;
		s1 = s0;
	}
	const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
	return Math.min(1, 2 * power / (n * total));
}

/** The strongest frequency between 100 and 3400 Hz, and its share. */
export function dominant(samples, rate) {
	let best = { hz: 0, share: 0 };
	const look = (from, to, step) => {
		for (let hz = from; hz <= to; hz += step) {
			const share = toneShare(samples, rate, hz);
			if (share > best.share)
				best = { hz, share };
		}
	};
	const step = Math.max(1, rate / samples.length);
	look(100, 3400, step / 2);
	if (best.hz)
		look(best.hz - step, best.hz + step, step / 10);
	return { hz: Math.round(best.hz), share: best.share };
}

/** Is @hz what sounds there, and nothing else to speak of? */
export function isTone({ samples, rate }, hz, atLeast = 0.6) {
	return toneShare(samples, rate, hz) >= atLeast;
}

export function isSilent({ samples }, below = 1e-4) {
	let total = 0;
	for (const s of samples)
		total += s * s;
	return samples.length > 0 && total / samples.length < below;
}

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const DIGITS = ['123A', '456B', '789C', '*0#D'];

/** The DTMF digit that sounds in @samples, or ''. */
export function dtmfDigit(samples, rate) {
	const strongest = (list) => list.map((hz, i) =>
		({ i, share: toneShare(samples, rate, hz) }))
		.sort((a, b) => b.share - a.share)[0];
	const row = strongest(ROWS);
	const column = strongest(COLUMNS);
	return row.share > 0.2 && column.share > 0.2 ? DIGITS[row.i][column.i] : '';
}

export function sine(hz, seconds, rate = 8000, amplitude = 0.5) {
	return Float32Array.from({ length: Math.round(seconds * rate) },
		(_, i) => amplitude * Math.sin(2 * Math.PI * hz * i / rate));
}

/** PCM of a WAV file being written: header lengths are not to be trusted. */
export function readWav(buffer) {
	if (buffer.length < 44 || buffer.toString('latin1', 0, 4) !== 'RIFF')
		return null;
	let at = 12;
	let rate = 8000;
	let channels = 1;
	while (at + 8 <= buffer.length) {
		const id = buffer.toString('latin1', at, at + 4);
		const size = buffer.readUInt32LE(at + 4);
		if (id === 'fmt ') {
			channels = buffer.readUInt16LE(at + 10);
			rate = buffer.readUInt32LE(at + 12);
		} else if (id === 'data') {
			const data = buffer.subarray(at + 8);
			const count = Math.floor(data.length / (2 * channels));
			const samples = new Float32Array(count);
			for (let i = 0; i < count; i++)
				samples[i] = data.readInt16LE(i * 2 * channels) / 32768;
			return { samples, rate };
		}
		at += 8 + size + size % 2;
	}
	return null;
}
