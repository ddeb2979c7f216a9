// browser.mjs - Debian's Chromium under Playwright, pages whose microphone is
// a sine of a chosen frequency, and ears for what they hear.
import fs from 'node:fs';
import os from 'node:os';
import { chromium } from 'playwright-core';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run',
	'--disable-background-networking', '--disable-component-update',
	'--disable-sync', '--use-fake-ui-for-media-stream',
	'--use-fake-device-for-media-stream', '--ignore-certificate-errors',
	'--autoplay-policy=no-user-gesture-required'];

// Browsers do not gather loopback candidates unless told; a machine that has
// nothing else needs it, and a test gets a second interface by it.
export const LOOPBACK = '--allow-loopback-in-peer-connection';
export const onlyLoopback = !Object.values(os.networkInterfaces()).flat()
	.some((address) => !address.internal && address.family === 'IPv4');

export function launchBrowser(options = {}) {
	return chromium.launch({
		executablePath: options.program ?? CHROMIUM,
		headless: true,
		args: [...FLAGS, ...onlyLoopback ? [LOOPBACK] : [], ...options.args ?? []],
	});
}

// Runs in the page before anything else: the microphone is a sine, and remote
// tracks can be listened to.
function instrument({ hz }) {
	const state = globalThis.probe = { peers: [], hz, tracks: [], sockets: [] };
	const NativeSocket = globalThis.WebSocket;
	globalThis.WebSocket = class extends NativeSocket {
		constructor(...args) {
			super(...args);
			state.sockets.push(this);
		}
	};
	let context = null;
	const audio = () => context ??= new AudioContext({ sampleRate: 48000 });
	let output = null;
	const Native = globalThis.RTCPeerConnection;
	globalThis.RTCPeerConnection = class extends Native {
		constructor(...args) {
			super(...args);
			state.peers.push(this);
			this.addEventListener('track', ({ track }) => {
				if (track.kind === 'audio')
					state.tracks.push(track);
			});
		}
	};
	state.microphone = (frequency = state.hz) => {
		if (!output) {
			output = audio().createMediaStreamDestination();
			const gain = new GainNode(audio(), { gain: 0.5 });
			state.oscillator = new OscillatorNode(audio(), { frequency });
			state.oscillator.connect(gain).connect(output);
			state.oscillator.start();
		}
		return output.stream;
	};
	if (hz && navigator.mediaDevices) {
		const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
		navigator.mediaDevices.getUserMedia = async (constraints) => {
			if (constraints.video)
				return native(constraints);
			const copy = state.microphone().clone();
			return copy;
		};
	}
	// @seconds of what the newest remote track plays, mono at 48 kHz.
	state.record = async (seconds) => {
		const track = state.tracks.filter((t) => t.readyState === 'live').at(-1);
		if (!track)
			return null;
		const stream = new MediaStream([track]);
		// Chromium feeds remote tracks to WebAudio only while an element
		// plays them, too.
		const element = new Audio();
		element.srcObject = stream;
		element.muted = true;
		await element.play().catch(() => {});
		const source = audio().createMediaStreamSource(stream);
		const analyser = new AnalyserNode(audio(), { fftSize: 16384 });
		source.connect(analyser);
		await new Promise((done) => setTimeout(done, seconds * 1000));
		const samples = new Float32Array(analyser.fftSize);
		analyser.getFloatTimeDomainData(samples);
		source.disconnect();
		element.srcObject = null;
		return [...samples];
	};
}

/** A WebSocket of @page carried @payload. */
export function keepTraffic(page, dir, payload, record = true) {
	let msg;
	try {
		msg = JSON.parse(String(payload));
	} catch {
		return;
	}
	page.traffic.push({ dir, msg, at: Date.now() });
	if (record && process.env.ISTHMUS_TRAFFIC)
		fs.appendFileSync(process.env.ISTHMUS_TRAFFIC, `${JSON.stringify({ dir, msg })}\n`);
}

/**
 * A page at @url whose microphone plays @hz.  page.traffic is every RESPECT
 * message of its WebSockets; with ISTHMUS_TRAFFIC set they are also appended
 * to that file, one JSON object a line.
 */
export async function openPage(browser, url, { hz = 440, context, viewport,
	colorScheme, permissions = true, record = true } = {}) {
	const ctx = context ?? await browser.newContext({
		ignoreHTTPSErrors: true, viewport, colorScheme,
		permissions: permissions ? ['microphone', 'camera'] : [],
	});
	const page = await ctx.newPage();
	page.traffic = [];
	page.problems = [];
	page.on('pageerror', (error) => page.problems.push(String(error)));
	page.on('console', (message) => {
		if (message.type() === 'error')
			page.problems.push(message.text());
	});
	page.on('websocket', (socket) => {
		const keep = (dir) => ({ payload }) => keepTraffic(page, dir, payload, record);
		socket.on('framesent', keep('c2s'));
		socket.on('framereceived', keep('s2c'));
	});
	await page.addInitScript(instrument, { hz });
	await page.goto(url);
	return page;
}

/** Samples of what @page hears now. */
export async function listen(page, seconds = 0.6) {
	const samples = await page.evaluate((s) => globalThis.probe.record(s), seconds);
	return samples ? { samples: Float32Array.from(samples), rate: 48000 } : null;
}
