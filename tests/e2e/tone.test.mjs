// The ears of the other suites: a tone is told from silence, noise, another
// tone, an echo of one's own and two at once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { dominant, dtmfDigit, isSilent, isTone, readWav, sine, toneShare } from './lib/tone.mjs';

const RATE = 8000;
const add = (a, b) => a.map((s, i) => s + b[i]);

test('a tone is found at its frequency', () => {
	for (const hz of [300, 440, 1000, 2500]) {
		const samples = sine(hz, 0.5, RATE);
		assert.ok(isTone({ samples, rate: RATE }, hz));
		assert.ok(Math.abs(dominant(samples, RATE).hz - hz) <= 2);
	}
});

test('another tone is not taken for it', () => {
	const samples = sine(700, 0.5, RATE);
	assert.ok(!isTone({ samples, rate: RATE }, 440));
	assert.ok(toneShare(samples, RATE, 440) < 0.01);
});

test('silence holds no tone', () => {
	const samples = new Float32Array(4000);
	assert.ok(isSilent({ samples }));
	assert.ok(!isTone({ samples, rate: RATE }, 440));
	assert.equal(dominant(samples, RATE).share, 0);
});

test('noise holds no tone and is not silence', () => {
	let seed = 1;
	const samples = Float32Array.from({ length: 4000 }, () => {
		seed = (seed * 16807) % 2147483647;
		return seed / 2147483647 - 0.5;
	});
	assert.ok(!isTone({ samples, rate: RATE }, 440));
	assert.ok(!isSilent({ samples }));
});

test('a tone with an equal echo of another is not taken for pure', () => {
	const samples = add(sine(440, 0.5, RATE, 0.3), sine(1000, 0.5, RATE, 0.3));
	assert.ok(!isTone({ samples, rate: RATE }, 440));
	assert.ok(toneShare(samples, RATE, 1000) > 0.4);
});

test('dual tones are read as digits', () => {
	const keys = { 1: [697, 1209], 5: [770, 1336], '#': [941, 1477], D: [941, 1633] };
	for (const [digit, [row, column]] of Object.entries(keys))
		assert.equal(dtmfDigit(add(sine(row, 0.1, RATE, 0.3),
			sine(column, 0.1, RATE, 0.3)), RATE), digit);
	assert.equal(dtmfDigit(sine(697, 0.1, RATE), RATE), '');
});

test('a wave file that is still written can be read', () => {
	const header = Buffer.alloc(44);
	header.write('RIFF', 0);
	header.write('WAVEfmt ', 8);
	header.writeUInt32LE(16, 16);
	header.writeUInt16LE(1, 20);
	header.writeUInt16LE(1, 22);
	header.writeUInt32LE(8000, 24);
	header.writeUInt16LE(16, 34);
	header.write('data', 36); // its length is still 0
	const wav = readWav(Buffer.concat([header, Buffer.from([0, 0x40, 0, 0xc0])]));
	assert.deepEqual([...wav.samples], [0.5, -0.5]);
	assert.equal(wav.rate, 8000);
	assert.equal(readWav(Buffer.from('no wave file')), null);
});
