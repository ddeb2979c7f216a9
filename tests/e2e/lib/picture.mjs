// picture.mjs - cameras and eyes for a Client of client.mjs, in Chromium and in
// Firefox.  A picture counts when frames are decoded, at the size that was
// sent, and when it moves.
import assert from 'node:assert/strict';
import { until } from './process.mjs';

export const WIDTH = 320;
export const HEIGHT = 240;
export const RED = 0;
export const GREEN = 1;
export const BLUE = 2;
export const PAINT = ['rgb(200,0,0)', 'rgb(0,200,0)', 'rgb(0,0,220)'];

// In the page.
function instrument({ width, height }) {
	const { probe } = globalThis;
	// The page is an image, its elements would be none of HTML.
	const element = (name) => document.createElementNS('http://www.w3.org/1999/xhtml', name);
	const microphone = async () => probe.microphone ? probe.microphone().clone() :
		navigator.mediaDevices.getUserMedia({ audio: true });
	/** One track, of a @colour in which something moves. */
	probe.painting = (colour) => {
		const canvas = Object.assign(element('canvas'), { width, height });
		const paint = canvas.getContext('2d');
		let n = 0;
		setInterval(() => {
			paint.fillStyle = colour;
			paint.fillRect(0, 0, width, height);
			paint.fillStyle = n++ % 2 ? 'black' : 'white';
			paint.fillRect(10 * (n % 20), 10, 40, 40);
		}, 66);
		return canvas.captureStream(15).getVideoTracks()[0];
	};
	/** Sound as ever, with the browser's own moving camera, or a painting. */
	probe.camera = async (colour) => {
		const stream = await microphone();
		if (colour) {
			stream.addTrack(probe.painting(colour));
			return stream;
		}
		const video = await navigator.mediaDevices.getUserMedia({
			video: { width, height, frameRate: 15 },
		});
		stream.addTrack(video.getVideoTracks()[0]);
		return stream;
	};
	const screens = new Map(); // track -> element
	const receivers = () => (globalThis.session?.connection?.getTransceivers() ?? [])
		.filter(({ receiver: { track } }) => track.kind === 'video' &&
			track.readyState === 'live')
		.map(({ mid, receiver }) => ({ mid, receiver }));
	/** What is on the screen, of m-line @mid or the first: its size, frames
	 * decoded, and 16 x 12 pixels. */
	probe.look = async (mid) => {
		const found = receivers().find((r) => mid === null || r.mid === mid);
		if (!found)
			return null;
		const { track } = found.receiver;
		if (!screens.has(track)) {
			const screen = Object.assign(element('video'),
				{ muted: true, srcObject: new MediaStream([track]) });
			screen.play().catch(() => {});
			screens.set(track, screen);
		}
		const screen = screens.get(track);
		const all = [...(await found.receiver.getStats()).values()];
		const stats = all.find(({ type }) => type === 'inbound-rtp') ?? {};
		const paint = Object.assign(element('canvas'), { width: 16, height: 12 })
			.getContext('2d', { willReadFrequently: true });
		paint.drawImage(screen, 0, 0, 16, 12);
		const { data } = paint.getImageData(0, 0, 16, 12);
		const mean = [0, 0, 0];
		for (let i = 0; i < data.length; i += 4)
			for (let c = 0; c < 3; c++)
				mean[c] += data[i + c] / (data.length / 4);
		return {
			width: screen.videoWidth, height: screen.videoHeight,
			frames: stats.framesDecoded ?? 0, mean, pixels: [...data],
			codec: all.find(({ id }) => id === stats.codecId)?.mimeType ?? null,
			freezes: stats.freezeCount ?? null,
			frozen: stats.totalFreezesDuration ?? null,
			nacks: stats.nackCount ?? null, plis: stats.pliCount ?? null,
		};
	};
	/** Of what this page sends: the newest figures of its video. */
	probe.sent = async () => [...(await globalThis.session.connection.getStats()).values()]
		.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video') ?? null;
	/** As if this browser had @codecs ("video/VP9") only, best first. */
	probe.onlyCodecs = (codecs) => {
		const wanted = (kind, { mimeType }) => kind !== 'video' || codecs.includes(mimeType);
		for (const name of ['createOffer', 'createAnswer']) {
			const make = RTCPeerConnection.prototype[name];
			RTCPeerConnection.prototype[name] = function (...args) {
				for (const transceiver of this.getTransceivers()) {
					const { kind } = transceiver.receiver.track;
					const all = RTCRtpReceiver.getCapabilities(kind).codecs;
					transceiver.setCodecPreferences(all.filter((c) => wanted(kind, c)));
				}
				return make.apply(this, args);
			};
		}
	};
}

export const giveEyes = (client, size = { width: WIDTH, height: HEIGHT }) =>
	client.do(instrument, size);
export const look = (client, mid = null) => client.do((m) => probe.look(m), mid);
export const sent = (client) => client.do(() => probe.sent());
export const remoteSdp = (client) =>
	client.do(() => session.connection.remoteDescription.sdp);

/** Moving pictures at @client, of the shape that was sent, and new ones.  @full:
 * no smaller, either. */
export async function assertSees(client, { colour, mid = null, full = false,
	timeout = 20_000 } = {}) {
	let first = null;
	let now = null;
	await until(async () => {
		now = await look(client, mid);
		if (!now?.frames || now.width < (full ? WIDTH : 2))
			return false;
		if (colour !== undefined &&
		    now.mean.some((c, i) => i !== colour && c >= now.mean[colour] / 2)) {
			first = null;
			return false;
		}
		first ??= now;
		return now.frames >= first.frames + 5 &&
			now.pixels.some((p, i) => Math.abs(p - first.pixels[i]) > 24);
	}, `pictures that move, colour ${colour}`, timeout).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify({ ...now, pixels: undefined })}`);
	});
	assert.equal(now.width / now.height, WIDTH / HEIGHT);
	assert.ok(now.width <= WIDTH && now.width >= WIDTH / 4, `${now.width} wide`);
	return now;
}

/** No new frame within @ms, though there were some. */
export async function assertStill(client, { mid = null, ms = 1200, timeout = 15_000 } = {}) {
	let last = null;
	let since = Date.now();
	await until(async () => {
		const frames = (await look(client, mid))?.frames ?? 0;
		if (frames !== last)
			since = Date.now();
		last = frames;
		return Date.now() - since >= ms;
	}, 'a picture that stands still', timeout);
}

export const callsWithCamera = (client, target, colour) => client.do(async ([t, c]) => {
	globalThis.ua.call(t, { mediaStream: await probe.camera(c) });
}, [target, colour === undefined ? null : PAINT[colour]]);

export async function answersWithCamera(client, colour) {
	await client.event('newSession');
	await client.do(async (c) => session.answer({ mediaStream: await probe.camera(c) }),
		colour === undefined ? null : PAINT[colour]);
}
