// stats.js - RTCPeerConnection.getStats() as one flat summary.

const EMPTY = {
	packetsSent: 0, packetsReceived: 0, packetsLost: 0, bytesSent: 0,
	bytesReceived: 0, jitterMs: null, rttMs: null, codec: null,
	audioLevel: null, localAudioLevel: null, jitterBufferMs: null,
	concealedPercent: null, video: null,
};

const EMPTY_VIDEO = {
	packetsSent: 0, packetsReceived: 0, packetsLost: 0, framesDecoded: 0,
	framesPerSecond: null, width: null, height: null, codec: null,
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

/** @report: RTCStatsReport, or null. */
export function summarize(report) {
	const out = { ...EMPTY };
	const all = [...report?.values() ?? []];
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
