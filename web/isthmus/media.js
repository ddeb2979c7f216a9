// media.js - the RTCPeerConnection of one call, its tracks and its devices.
// What is said about them to the other side is negotiation.js.
import { IsthmusError } from './errors.js';

const isLive = (t) => t.direction !== 'stopped' && t.currentDirection !== 'stopped';
const kindOf = (t) => t.receiver.track.kind;
const receives = (t) => /recv/.test(t.currentDirection ?? '');
const sends = (t) => /send/.test(t.currentDirection ?? '');

export class Media {
	connection = null;
	localStream = null;
	remoteStream = new MediaStream();
	#config;
	#lost; // a device that was unplugged: (kind)
	#owned = new Set(); // tracks to stop at the end
	#muted = { audio: false, video: false };
	#held = false;
	#before = new WeakMap(); // directions before we held
	#stopped = false;
	#adding = false; // a camera: its user is asked

	constructor(config, lost) {
		this.#config = config;
		this.#lost = lost;
	}

	// Own copies of what is the application's: muting one call must not mute
	// another, and ending it must not stop what belongs to somebody else.
	#own(track, cloned) {
		const own = cloned ? track.clone() : track;
		if (this.#stopped) {
			own.stop();
			return own;
		}
		this.#owned.add(own);
		own.addEventListener('ended', () => {
			if (this.#owned.has(own))
				this.#lost(own.kind);
		});
		return own;
	}

	#drop(track) {
		this.#owned.delete(track);
		track.stop();
		this.localStream?.removeTrack(track);
	}

	async acquire({ mediaStream, mediaConstraints }) {
		const stream = mediaStream ?? await navigator.mediaDevices.getUserMedia(
			mediaConstraints ?? this.#config.mediaConstraints);
		this.localStream = new MediaStream(stream.getTracks().map(
			(track) => this.#own(track, Boolean(mediaStream))));
		this.apply();
	}

	/** @on: { track, iceState, connectionState } */
	connect(iceServers, on) {
		const { RTCPeerConnection, peerConnectionConfig } = this.#config;
		const pc = new RTCPeerConnection({
			bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require',
			iceServers, ...peerConnectionConfig,
		});
		this.connection = pc;
		pc.ontrack = ({ track, streams }) => {
			this.remoteStream.addTrack(track);
			on.track({ track, streams, stream: this.remoteStream });
		};
		pc.oniceconnectionstatechange = () => on.iceState(pc.iceConnectionState);
		pc.onconnectionstatechange = () => on.connectionState(pc.connectionState);
		for (const track of this.localStream.getTracks())
			pc.addTrack(track, this.localStream);
		if (!this.localStream.getAudioTracks().length)
			pc.addTransceiver('audio', { direction: 'recvonly' });
		return pc;
	}

	stop() {
		this.#stopped = true;
		for (const track of this.#owned)
			track.stop();
		this.#owned.clear();
		if (!this.connection)
			return;
		this.connection.onconnectionstatechange = null;
		this.connection.oniceconnectionstatechange = null;
		this.connection.ontrack = null;
		this.connection.close();
	}

	// -- muting and holding --

	isMuted(kind = 'audio') { return this.#muted[kind]; }

	/** True when something changed. */
	mute(kinds, on) {
		const changed = kinds.filter((kind) => this.#muted[kind] !== on);
		for (const kind of changed)
			this.#muted[kind] = on;
		this.apply();
		return changed.length > 0;
	}

	// While we hold, silence is sent: the path stays alive, nobody listens in.
	apply() {
		for (const track of this.localStream?.getTracks() ?? [])
			track.enabled = !this.#muted[track.kind] && !this.#held;
	}

	/** Who is held hears nothing, and is not heard. */
	hold(on) {
		const held = { sendrecv: 'sendonly', recvonly: 'inactive' };
		this.#held = on;
		this.apply();
		for (const t of this.#transceivers()) {
			if (on) {
				this.#before.set(t, t.direction);
				t.direction = held[t.direction] ?? t.direction;
			} else {
				t.direction = this.#before.get(t) ??
					(t.sender.track ? 'sendrecv' : t.direction);
				this.#before.delete(t);
			}
		}
	}

	#transceivers(kind = null) {
		return (this.connection?.getTransceivers() ?? []).filter(
			(t) => isLive(t) && (!kind || kindOf(t) === kind));
	}

	// -- video, added and removed --

	/** { local, remote }: is a picture sent, and received? */
	video() {
		const all = this.#transceivers('video');
		return {
			local: all.some((t) => sends(t) && t.sender.track),
			remote: all.some(receives),
		};
	}

	/** After each agreement: pictures that stopped coming are no tracks. */
	settle() {
		for (const track of this.remoteStream.getVideoTracks())
			if (!this.#transceivers('video').some(
				(t) => t.receiver.track === track && receives(t)))
				this.remoteStream.removeTrack(track);
	}

	async addVideo(options = {}) {
		if (this.#adding || this.#transceivers('video').some((t) => t.sender.track))
			throw new IsthmusError('state', 'there is video already');
		this.#adding = true;
		try {
			await this.#addVideo(options);
		} finally {
			this.#adding = false;
		}
	}

	async #addVideo({ mediaStream, constraints = { video: true } }) {
		const stream = mediaStream ??
			await navigator.mediaDevices.getUserMedia(constraints);
		const [found] = stream.getVideoTracks();
		if (!found)
			throw new IsthmusError('config', 'no video in that stream');
		const track = this.#own(found, Boolean(mediaStream));
		if (this.#stopped)
			throw new IsthmusError('ended', 'the call ended', { status: 481 });
		this.localStream.addTrack(track);
		this.apply();
		const direction = this.#held ? 'sendonly' : 'sendrecv';
		const spare = this.#transceivers('video').find((t) => !t.sender.track);
		if (!spare) {
			this.connection.addTransceiver(track,
				{ streams: [this.localStream], direction });
			return;
		}
		await spare.sender.replaceTrack(track);
		spare.sender.setStreams?.(this.localStream);
		spare.direction = direction;
	}

	/** False: there was none. */
	async removeVideo() {
		const sending = this.#transceivers('video').filter((t) => t.sender.track);
		for (const t of sending) {
			this.#drop(t.sender.track);
			await t.sender.replaceTrack(null);
			t.direction = receives(t) ? 'recvonly' : 'inactive';
		}
		// of an m-line that the other side refused
		for (const track of this.localStream?.getVideoTracks() ?? [])
			this.#drop(track);
		return sending.length > 0;
	}

	// -- devices --

	/** Another microphone or camera; no offer is needed.  @source: a deviceId
	 * ("": the default) or a track of the application's. */
	async replace(kind, source) {
		const sender = this.#transceivers(kind).map((t) => t.sender)
			.find((s) => s.track);
		if (!sender)
			throw new IsthmusError('state', `no ${kind} is sent`);
		const old = sender.track;
		const given = typeof source !== 'string';
		const constraints = source ? { deviceId: { exact: source } } : true;
		const found = given ? source : (await navigator.mediaDevices.getUserMedia(
			{ [kind]: constraints })).getTracks()[0];
		const track = this.#own(found, given);
		try {
			await sender.replaceTrack(track);
		} catch (error) {
			this.#drop(track);
			throw error;
		}
		this.#drop(old);
		this.localStream.addTrack(track);
		this.apply();
		return track;
	}

	audioSender() {
		return this.connection?.getSenders().find(
			(sender) => sender.track?.kind === 'audio');
	}
}
