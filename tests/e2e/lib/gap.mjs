// gap.mjs - for how long a tone was away, by what was heard: recorded in a page,
// or in the packets that came to a phone.
import { toneShare } from './tone.mjs';

const RATE = 8000;
const HOP = RATE / 100;
const WINDOW = 2 * HOP; // 20 ms, a packet

// In the page.  Chromium feeds a remote track only while an element plays it.
function begin() {
	const tracks = globalThis.session.connection.getReceivers().map(({ track }) => track)
		.filter(({ kind, readyState }) => kind === 'audio' && readyState === 'live');
	const stream = new MediaStream([tracks.at(-1)]);
	const element = new Audio();
	element.srcObject = stream;
	element.muted = true;
	element.play().catch(() => {});
	const recorder = new MediaRecorder(stream);
	const recorded = new Promise((done) => {
		recorder.ondataavailable = ({ data }) => done(data);
	});
	const begun = new Promise((done) => {
		recorder.onstart = () => done();
	});
	recorder.start();
	globalThis.halt = () => recorder.state === 'inactive' || recorder.stop();
	globalThis.tape = async (rate) => {
		globalThis.halt();
		const sound = await new OfflineAudioContext(1, 1, rate)
			.decodeAudioData(await (await recorded).arrayBuffer());
		element.srcObject = null;
		return [...sound.getChannelData(0)].map((s) => Math.round(s * 32767));
	};
	return begun;
}

const has = (samples, from, tones) => {
	const part = samples.subarray(from, from + WINDOW);
	return tones.reduce((sum, hz) => sum + toneShare(part, RATE, hz), 0) >= 0.6;
};

/** Of @samples: the longest time (ms) without any of @tones between the first
 * and the last of them, where it begins, and how long it all sounded. */
export function longestGap(samples, tones) {
	let first = -1;
	let last = -1;
	let gap = 0;
	let where = 0;
	for (let at = 0; at + WINDOW <= samples.length; at += HOP) {
		if (!has(samples, at, tones))
			continue;
		if (first < 0)
			first = at;
		else if (at - last - HOP > gap)
			[gap, where] = [at - last - HOP, last];
		last = at;
	}
	const ms = (n) => n * 1000 / RATE;
	return { gap: ms(gap), at: ms(where), ms: ms(last - first) };
}

/** What the page of @who hears from now on. */
export async function record(who) {
	await who.do(begin);
	return {
		/** Until now; what follows, the reckoning, keeps the machine busy. */
		halt: () => who.do(() => { globalThis.halt(); }),
		/** longestGap() of it. */
		async stop(...tones) {
			const samples = await who.do((rate) => globalThis.tape(rate), RATE);
			return longestGap(Float32Array.from(samples, (s) => s / 32767), tones);
		},
	};
}

/** The same of @packets, of tone.watch() (rtp.mjs): as a jitter buffer has it,
 * by their own time; with 'at', by when they came. */
export function longestPause(packets, hz, by = 'time') {
	const good = packets.filter(({ samples }) => toneShare(samples, RATE, hz) >= 0.6);
	let gap = 0;
	for (let i = 1; i < good.length; i++)
		gap = Math.max(gap, good[i][by] - good[i - 1][by] - 20);
	return { gap, ms: good.length ? good.at(-1).at - good[0].at : 0 };
}
