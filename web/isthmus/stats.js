// stats.js - RTCPeerConnection.getStats() as one flat summary.

const EMPTY = {
	packetsSent: 0, packetsReceived: 0, packetsLost: 0, bytesSent: 0,
	bytesReceived: 0, jitterMs: null, rttMs: null, codec: null,
	audioLevel: null, localAudioLevel: null, jitterBufferMs: null,
	concealedPercent: null, video: null, videos: [],
};

const EMPTY_VIDEO = {
	packetsSent: 0, packetsReceived: 0, packetsLost: 0, framesDecoded: 0,
	framesPerSecond: null, width: null, height: null, codec: null,
};

// Of one m-line of video.
const EMPTY_PICTURE = {
	mid: '', packetsSent: 0, packetsReceived: 0, packetsLost: 0, jitterMs: null,
	framesDecoded: 0, framesDropped: null, keyFramesDecoded: null, freezes: null,
	frozenMs: null, framesPerSecond: null, width: null, height: null, sentWidth: null,
	sentHeight: null, sentFramesPerSecond: null,
};

function inboundAudio(out, s) {
	out.packetsReceived += s.packetsReceived;
	out.packetsLost += s.packetsLost;
	out.bytesReceived += s.bytesReceived;
	out.jitterMs = s.jitter * 1000;
	out.audioLevel = s.audioLevel ?? null;
	if (s.jitterBufferEmittedCount > 0)
		out.jitterBufferMs =
			1000 * s.jitterBufferDelay / s.jitterBufferEmittedCount;
	if (s.totalSamplesReceived > 0)
		out.concealedPercent =
			100 * s.concealedSamples / s.totalSamplesReceived;
}

function inboundVideo(out, s) {
	out.packetsReceived += s.packetsReceived;
	out.packetsLost += s.packetsLost;
	out.framesDecoded += s.framesDecoded ?? 0;
	out.framesPerSecond = s.framesPerSecond ?? out.framesPerSecond;
	out.width = s.frameWidth ?? out.width;
	out.height = s.frameHeight ?? out.height;
}

function inboundPicture(out, s) {
	out.packetsReceived = s.packetsReceived ?? 0;
	out.packetsLost = s.packetsLost ?? 0;
	out.jitterMs = s.jitter === undefined ? null : s.jitter * 1000;
	out.framesDecoded = s.framesDecoded ?? 0;
	out.framesDropped = s.framesDropped ?? null;
	out.keyFramesDecoded = s.keyFramesDecoded ?? null;
	out.freezes = s.freezeCount ?? null;
	out.frozenMs = s.totalFreezesDuration === undefined ? null :
		s.totalFreezesDuration * 1000;
	out.framesPerSecond = s.framesPerSecond ?? null;
	out.width = s.frameWidth ?? null;
	out.height = s.frameHeight ?? null;
}

// Of several encodings the largest is told.
function outboundPicture(out, s) {
	out.packetsSent += s.packetsSent ?? 0;
	if ((s.frameWidth ?? 0) < (out.sentWidth ?? 0))
		return;
	out.sentWidth = s.frameWidth ?? null;
	out.sentHeight = s.frameHeight ?? null;
	out.sentFramesPerSecond = s.framesPerSecond ?? null;
}

// By m-line; not every browser says it in its statistics.
function pictures(all, transceivers) {
	const out = new Map();
	const midOf = (s) => {
		const track = s.trackIdentifier ??
			all.find((source) => source.id === s.mediaSourceId)?.trackIdentifier;
		return s.mid ?? transceivers.find(({ sender, receiver }) => track &&
			[sender.track?.id, receiver.track.id].includes(track))?.mid;
	};
	for (const s of all) {
		if (s.kind !== 'video' || !['inbound-rtp', 'outbound-rtp'].includes(s.type))
			continue;
		const mid = midOf(s);
		if (!mid)
			continue;
		if (!out.has(mid))
			out.set(mid, { ...EMPTY_PICTURE, mid });
		(s.type === 'inbound-rtp' ? inboundPicture : outboundPicture)(out.get(mid), s);
	}
	return [...out.values()];
}

/** @report: RTCStatsReport, or null. */
export function summarize(report, transceivers = []) {
	const out = { ...EMPTY };
	const all = [...report?.values() ?? []];
	out.videos = pictures(all, transceivers);
	const codec = (s) => all.find((c) => c.type === 'codec' && c.id === s.codecId)?.mimeType;
	for (const s of all) {
		if (s.type === 'inbound-rtp' && s.kind === 'audio') {
			inboundAudio(out, s);
			out.codec = codec(s) ?? out.codec;
		} else if (s.type === 'outbound-rtp' && s.kind === 'audio') {
			out.packetsSent += s.packetsSent;
			out.bytesSent += s.bytesSent;
			out.codec ??= codec(s) ?? null;
		} else if (s.type === 'inbound-rtp' && s.kind === 'video') {
			out.video ??= { ...EMPTY_VIDEO };
			inboundVideo(out.video, s);
			out.video.codec = codec(s) ?? out.video.codec;
		} else if (s.type === 'outbound-rtp' && s.kind === 'video') {
			out.video ??= { ...EMPTY_VIDEO };
			out.video.packetsSent += s.packetsSent;
		} else if (s.type === 'media-source' && s.kind === 'audio') {
			out.localAudioLevel = s.audioLevel ?? null;
		} else if (s.type === 'candidate-pair' && s.nominated &&
			   s.currentRoundTripTime !== undefined) {
			out.rttMs = s.currentRoundTripTime * 1000;
		}
	}
	return out;
}
