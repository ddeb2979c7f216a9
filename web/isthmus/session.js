// session.js - one call as the application sees it: states, hold, transfer,
// what the gateway says of it, and its end.
import { KNOWN_STATES, Method, State } from './protocol.js';
import { IsthmusError, causeOf, failureOf, isMediaError, mediaCause, problem,
	problemMember } from './errors.js';
import { Emitter } from './emitter.js';
import { Media } from './media.js';
import { Negotiation } from './negotiation.js';
import { MediaPath } from './path.js';
import { Playback } from './playback.js';
import { QualityReporter } from './quality.js';
import { listens } from './sdp.js';
import { summarize } from './stats.js';
import { sleep, toDate } from './time.js';
import { Transfer } from './transfer.js';

export const SECRET = Symbol('made by UA');

const objectOf = (value) => value && typeof value === 'object' && !Array.isArray(value) ?
	value : {};

export class Session extends Emitter {
	#ua;
	#state;
	#media;
	#negotiation;
	#playback = null;
	#quality = new QualityReporter(this);
	#remoteOffer; // of an incoming call, until answered
	#setupSent = false;
	#answering = false;
	#accepted = false;
	#confirmed = false;
	#hold = { local: false, remote: false };
	#video = { local: false, remote: false };
	#path;
	#transfer = new Transfer((event) => this.isEnded() || this._emit('transfer', event));
	#resumed = null;
	#statsTimer = 0;

	constructor(secret, ua, init) {
		super();
		if (secret !== SECRET)
			throw new TypeError('sessions are made by UA.call()');
		this.#ua = ua;
		this.id = init.id ?? null;
		this.direction = init.direction;
		this.target = init.target;
		this.restored = init.restored ?? false;
		this.userData = init.userData ?? null;
		this.callInfo = objectOf(init.callInfo);
		this.remoteIdentity = init.remote ??
			{ uri: init.target ?? null, displayName: '' };
		this.startTime = init.since ? new Date(toDate(init.since)) : null;
		this.endTime = null;
		this.data = {}; // the application's
		this.#media = new Media(ua.config, (kind) => this.#deviceLost(kind));
		this.#negotiation = new Negotiation({
			isEnded: () => this.isEnded(),
			request: (members) => ua._request('mupdate',
				{ mediaSessionId: this.id, ...members }),
			untilRegistered: () => ua._untilRegistered(),
			agreed: (sdp) => this.#agreed(sdp),
		}, ua.config.gatherTimeout);
		this.#path = new MediaPath(this, {
			suspect: () => ua._suspect(),
			canAsk: () => ua.isRegistered(),
		});
		if (ua.config.playback)
			this.#playback = new Playback(this, ua.config);
		this.#state = init.state ?? State.INITIAL;
		this.#remoteOffer = init.sdpOffer ?? null;
		if (this.restored) {
			this.#accepted = true;
			this.#answering = true;
		}
	}

	get ua() { return this.#ua; }
	get state() { return this.#state; }
	/** The RTCPeerConnection; null until there is one. */
	get connection() { return this.#media.connection; }
	get localStream() { return this.#media.localStream; }
	get remoteStream() { return this.#media.remoteStream; }
	/** What is heard, with the playback option; else null. */
	get playback() { return this.#playback; }
	isEnded() { return this.#state === State.DISCONNECTED; }
	isEstablished() { return this.#accepted && !this.isEnded(); }
	isMuted(kind = 'audio') { return this.#media.isMuted(kind); }
	isOnHold() { return { ...this.#hold }; }
	hasVideo() { return { ...this.#video }; }

	// -- what the application does --

	async answer(options = {}) {
		if (this.direction !== 'incoming' || this.#answering || this.isEnded())
			throw new IsthmusError('state', 'nothing to answer here');
		this.#answering = true;
		try {
			await this.#media.acquire(options);
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#connect();
			const sdpAnswer = await this.#negotiation.firstAnswer(this.#remoteOffer);
			await this.#ua._requestSurely('mupdate',
				{ mediaSessionId: this.id, sdpAnswer }, () => !this.isEnded());
			if (!this.isEnded())
				this.#accept('local');
		} catch (error) {
			if (this.isEnded())
				return;
			this.#reportMediaError(error);
			if (error.status !== 481)
				this.#ua._hangUp(this.id, problemMember(488, error.message));
			this.#end('local', {
				cause: mediaCause(error), status: error.status || 488,
				message: error.message,
			});
			throw error;
		}
	}

	/** Refuse a call that rings here, @status 4xx-6xx. */
	reject({ status = 603, reason } = {}) {
		this.terminate({ status, reason });
	}

	/** End it, whatever its state. */
	terminate({ status, reason } = {}) {
		if (this.isEnded())
			return;
		const params = {};
		let cause = 'Terminated';
		if (this.direction === 'incoming' && !this.#accepted) {
			Object.assign(params, problemMember(status ?? 603, reason));
			cause = 'Rejected';
		} else if (status >= 300) {
			Object.assign(params, problemMember(status, reason));
		}
		if (!this.#accepted && this.direction === 'outgoing')
			cause = 'Canceled';
		if (this.id)
			this.#ua._hangUp(this.id, params);
		// Without an id the msetup is under way: its response is hung up.
		this.#end('local', { cause, status: status ?? 0 });
	}

	mute(what) { this.#setMuted(what, true); }
	unmute(what) { this.#setMuted(what, false); }

	/** The other party hears nothing and is not heard. */
	hold() { return this.#setHold(true); }
	unhold() { return this.#setHold(false); }

	/** Camera on, in mid-call.  Resolves when the other side takes it. */
	async addVideo(options = {}) {
		this.#mustBeUp();
		try {
			await this.#media.addVideo(options);
			await this.renegotiate();
			if (!this.#video.local && !this.#hold.remote && !this.isEnded())
				throw new IsthmusError('refused', 'the other side takes no video',
					{ status: 488 });
		} catch (error) {
			this.#reportMediaError(error);
			// "there is video already" leaves it alone
			if (error.code !== 'state' && !this.isEnded())
				await this.#media.removeVideo();
			throw error;
		}
	}

	/** Camera off; what the other side shows stays. */
	async removeVideo() {
		this.#mustBeUp();
		if (await this.#media.removeVideo())
			await this.renegotiate();
	}

	/** Another microphone ('audio') or camera ('video'): a deviceId, "" for
	 * the default one, or a track. */
	async setDevice(kind, source = '') {
		this.#mustBeUp();
		const track = await this.#media.replace(kind, source);
		this._emit('device', { kind, label: track.label, lost: false });
	}

	/**
	 * The call goes on with @target in place of the other party, or (leave) in
	 * place of this one: it ends here then.  Resolves when @target has answered;
	 * when it does not, everything is as before.
	 */
	async transfer(target, { leave = false } = {}) {
		this.#mustBeUp();
		const uri = this.#ua.normalizeTarget(target);
		await this.#move(uri, leave, { resourceId: uri });
	}

	/** Attended: whom one talks to here and in @other go on without us. */
	async joinWith(other) {
		this.#mustBeUp();
		if (!(other instanceof Session) || other === this || !other.isEstablished())
			throw new IsthmusError('state', 'the other call is not up');
		await this.#move(other.remoteIdentity.uri ?? other.target, true,
			{ joinSessionId: other.id });
	}

	async #move(uri, leaves, members) {
		await this.#transfer.move(uri, leaves, () =>
			this.#ua._request(leaves ? Method.TRANSFER : 'mupdate',
				{ mediaSessionId: this.id, ...members }));
		if (!leaves)
			this.#isWith(uri);
	}

	#isWith(uri) {
		this.target = uri;
		this._emit('transfer', { state: 'done', target: uri });
	}

	/** RFC 4733 where negotiated, else as user data (SIP INFO beyond). */
	async sendDTMF(tones, { duration = 160, interToneGap = 70, transport } = {}) {
		const text = String(tones).toUpperCase();
		if (!/^[0-9A-D#*,]+$/.test(text))
			throw new IsthmusError('config', 'tones are 0-9, A-D, #, * and ","');
		// A service may ask before it answers.
		if (this.#state !== State.EARLY || !this.connection)
			this.#mustBeUp();
		const sender = this.#media.audioSender()?.dtmf;
		if (transport !== 'info' && sender?.canInsertDTMF) {
			sender.insertDTMF(sender.toneBuffer + text, duration, interToneGap);
			this._emit('newDTMF', { originator: 'local', tones: text });
			return;
		}
		for (const signal of text) {
			if (signal === ',') {
				await sleep(2000);
				continue;
			}
			await this.#ua._request('mupdate', {
				mediaSessionId: this.id,
				userData: { dtmf: { signal, duration } },
			});
			this._emit('newDTMF', { originator: 'local', tones: signal });
			await sleep(interToneGap);
		}
	}

	/** Opaque to the gateway. */
	async sendUserData(userData) {
		await this.#ua._request('mupdate', { mediaSessionId: this.id, userData });
	}

	/** New ICE credentials and candidates, after a change of network. */
	async restartIce() {
		await this.#ua._freshIceServers();
		const pc = this.connection;
		if (pc && !this.isEnded())
			pc.setConfiguration({
				...pc.getConfiguration(),
				iceServers: this.#ua.config.peerConnectionConfig.iceServers ??
					this.#ua.iceServers,
			});
		return this.#negotiate({ iceRestart: true });
	}

	/** Offer again: tracks or directions of .connection were changed. */
	renegotiate() {
		return this.#negotiate({});
	}

	/** Media for a call that the gateway kept while the page was reloaded. */
	resume(options = {}) {
		if (!this.restored || this.isEnded())
			return Promise.reject(new IsthmusError('state', 'nothing to resume'));
		this.#resumed ??= this.#resume(options);
		return this.#resumed;
	}

	/** One flat summary of RTCPeerConnection.getStats(). */
	async getStats() {
		return summarize(await this.connection?.getStats() ?? null,
			this.connection?.getTransceivers());
	}

	// -- what UA does --

	async _start({ mediaStream, mediaConstraints, preOffer = true, userData,
		       preferredOriginatingId, subject, displayName } = {}) {
		try {
			await this.#media.acquire({ mediaStream, mediaConstraints });
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#connect();
			const params = { resourceId: this.target };
			if (preferredOriginatingId)
				params.preferredOriginatingId = preferredOriginatingId;
			if (userData)
				params.userData = userData;
			if (subject || displayName)
				params.callInfo = {
					...subject ? { subject: String(subject) } : {},
					...displayName ? { displayName: String(displayName) } : {},
				};
			if (preOffer)
				params.preOffer = await this.#negotiation.preOffer();
			if (this.isEnded())
				return;
			const request = this.#ua._request('msetup', params);
			this.#setupSent = this.#ua.isRegistered();
			const response = await request;
			if (typeof response.mediaSessionId !== 'string')
				throw problem(500, 'the gateway named no session');
			this.#name(response.mediaSessionId, response.mediaSessionState);
		} catch (error) {
			// A connection lost meanwhile: UA looks whether the call lives.
			if (this.isEnded() || this.id || error.code === 'disconnected' &&
			    this.#ua.canResume() && this.#setupSent)
				return;
			this.#reportMediaError(error);
			const made = error.response?.success && error.response.mediaSessionId;
			if (made)
				this.#ua._hangUp(made, problemMember(error.status, error.message));
			const remote = error.code === 'refused' || error.emergency;
			this.#end(remote ? 'remote' : 'local', {
				cause: mediaCause(error), status: error.status || 0,
				message: error.message,
				problemDetails: error.problemDetails ?? null,
				retryAfter: error.retryAfter ?? null,
			});
		}
	}

	#name(id, state) {
		if (this.isEnded()) { // hung up before it had a name
			this.#ua._hangUp(id, {});
			return;
		}
		this.id = id;
		this.#ua._named(this);
		this.#setState(KNOWN_STATES.has(state) ? state : State.PROCEEDING);
	}

	// Its msetup went out and the response was lost with the connection: @info
	// is the session the gateway made of it, if it arrived there.
	_adopt(info) {
		if (!this.#setupSent)
			return false;
		if (!info) {
			this._lost('Connection Error');
			return false;
		}
		this.#name(info.mediaSessionId, info.mediaSessionState);
		return true;
	}

	_reconnected(info) {
		this._emit('reconnected', { state: info.mediaSessionState });
		if (this.#path.isGone())
			this.#path.recover();
		else
			this.#path.doubt();
	}

	_doubtPath() { this.#path.doubt(); }

	_resumeUnlessDone() {
		if (!this.#resumed && !this.isEnded())
			this.resume().catch(() => {});
	}

	_lost(cause) {
		this.#end('system', { cause, status: 0 });
	}

	async _onUpdate(message) {
		const { sdpOffer, sdpAnswer, mediaSessionState, resourceId } = message;
		for (const text of [sdpOffer, sdpAnswer])
			if (text !== undefined && typeof text !== 'string')
				throw problem(400, 'a description is a string');
		this.#takeIdentity(message);
		this.#takeCallInfo(message.callInfo);
		if (message.userData && typeof message.userData === 'object')
			this.#takeUserData(message.userData);
		const members = { mediaSessionId: this.id };

		if (sdpOffer !== undefined) {
			const answer = await this.#takeOffer(sdpOffer);
			this.#takeState(mediaSessionState, true);
			return { members, after: () => this.#sendAnswer(answer) };
		}
		if (sdpAnswer !== undefined)
			this.#negotiation.takeAnswer(sdpAnswer)
				.then(() => this.#takeState(mediaSessionState, true),
					(error) => this.#unusable(error));
		else if (resourceId !== undefined)
			this.#transferred(message);
		else if (message.transferState !== undefined)
			this.#transfer.progressed(message.transferState);
		else if (message.problemDetails && this.#negotiation.offering)
			this.#negotiation.refused(failureOf(message));
		else // after a description that is still being set
			this.#negotiation.serial(() => {})
				.then(() => this.#takeState(mediaSessionState, false), () => {});
		return { members };
	}

	_onDisconnect(message) {
		const details = message.problemDetails ?? null;
		const status = Number(details?.status) || 0;
		const members = {
			mediaSessionId: this.id, mediaSessionState: State.DISCONNECTED,
		};
		let cause = status >= 300 ? causeOf(status, details) : 'Terminated';
		if (!this.#accepted && this.direction === 'incoming' && status < 300)
			cause = status === 200 ? 'Answered Elsewhere' : 'Canceled';
		return { members, after: () => this.#end('remote', {
			cause, status, message: details?.detail ?? details?.title ?? cause,
			problemDetails: details,
		}) };
	}

	// -- state --

	#mustBeUp() {
		if (!this.isEstablished() || !this.connection)
			throw new IsthmusError('state', 'the call is not established');
	}

	#setState(state) {
		if (this.#state === state || this.isEnded())
			return;
		const previous = this.#state;
		this.#state = state;
		this._emit('state', { state, previous });
		if (state === State.PROCEEDING || state === State.ALERTING ||
		    state === State.EARLY)
			this._emit('progress', { originator: 'remote', state });
	}

	// @withSdp: the description has already told who listens.
	#takeState(state, withSdp) {
		if (!KNOWN_STATES.has(state) || this.isEnded())
			return; // unknown states are ignored (docs/protocol.md)
		switch (state) {
		case State.CONNECTED:
		case State.HELD:
			if (!this.#accepted)
				this.#accept('remote');
			if (!withSdp && !this.#hold.local)
				this.#setRemoteHold(state === State.HELD);
			this.#showHold();
			break;
		case State.DISCONNECTED:
		case State.DISCONNECTING:
		case State.UPDATING:
			break; // mdisc ends a session, descriptions update it
		default:
			if (!this.#accepted)
				this.#setState(state);
		}
	}

	#accept(originator) {
		if (this.#accepted)
			return;
		this.#accepted = true;
		this.startTime = new Date();
		this.#setState(State.CONNECTED);
		this._emit('accepted', { originator });
		this.#showHold();
		this.#confirmIfUp();
		this.#watchStats();
	}

	// Both sides said yes and packets have a way: people can talk.
	#confirmIfUp() {
		if (!this.#accepted || this.#confirmed || this.isEnded() ||
		    this.connection?.connectionState !== 'connected')
			return;
		this.#confirmed = true;
		this._emit('confirmed', { restored: this.restored });
	}

	#end(originator, detail) {
		if (this.isEnded())
			return;
		const established = this.#accepted;
		clearInterval(this.#statsTimer);
		this.#quality.stop();
		this.#negotiation.end();
		this.#transfer.end(new IsthmusError('ended', 'the call ended'));
		this.#media.stop();
		this.endTime = new Date();
		const previous = this.#state;
		this.#state = State.DISCONNECTED;
		this.#path.watch();
		this.#ua._forget(this);
		this._emit('state', { state: this.#state, previous });
		this._emit(established ? 'ended' : 'failed', {
			originator, message: detail.cause, problemDetails: null,
			emergency: detail.problemDetails?.emergency === true, ...detail,
		});
	}

	#takeIdentity(message) {
		const uri = message.assertedTerminatingId ?? message.assertedOriginatingId;
		if (typeof uri !== 'string')
			return;
		const displayName = message.assertedTerminatingName ??
			message.assertedOriginatingName ?? '';
		this.remoteIdentity = { uri, displayName };
		this._emit('identity', this.remoteIdentity);
	}

	// Once more, or more of it: forwarded, queued.
	#takeCallInfo(callInfo) {
		if (!callInfo || typeof callInfo !== 'object')
			return;
		this.callInfo = { ...this.callInfo, ...objectOf(callInfo) };
		this._emit('callInfo', this.callInfo);
	}

	#takeUserData(userData) {
		if (userData.dtmf !== undefined) {
			const tones = typeof userData.dtmf === 'object' ?
				userData.dtmf?.signal : userData.dtmf;
			this._emit('newDTMF', { originator: 'remote', tones: String(tones) });
		}
		this._emit('userData', { userData });
	}

	// What became of our transfer, or that the other side was transferred.
	#transferred(message) {
		if (!this.#transfer.decided(message))
			this.#isWith(message.resourceId);
		this.#takeState(message.mediaSessionState, true);
	}

	// -- media --

	#connect() {
		const pc = this.#media.connect(this.#ua.iceServers, {
			track: (event) => this._emit('track', event),
			iceState: (state) => {
				this._emit('icestate', { state });
				this.#path.watch();
			},
			connectionState: () => this.#confirmIfUp(),
		});
		this.#negotiation.attach(pc);
		this._emit('peerconnection', { connection: pc });
	}

	#reportMediaError(error) {
		if (isMediaError(error))
			this._emit('getusermediafailed', { error });
	}

	#setMuted({ audio = true, video = false } = {}, on) {
		if (this.isEnded())
			return;
		const kinds = [...audio ? ['audio'] : [], ...video ? ['video'] : []];
		if (this.#media.mute(kinds, on))
			this._emit(on ? 'muted' : 'unmuted', { audio, video });
	}

	// Unplugged: the default device takes over, or there is none.
	async #deviceLost(kind) {
		if (!this.isEstablished())
			return;
		try {
			const track = await this.#media.replace(kind, '');
			this._emit('device', { kind, label: track.label, lost: true });
		} catch (error) {
			this.#reportMediaError(error);
			this._emit('device', { kind, label: '', lost: true });
		}
	}

	// A description of the other side is in force.
	#agreed(sdp) {
		this.#media.settle();
		this.#setRemoteHold(!listens(sdp));
		// After this turn: directions of an answer of ours are known then.
		queueMicrotask(() => this.#showVideo());
	}

	#showVideo() {
		const now = this.#media.video();
		const was = this.#video;
		if (this.isEnded() || now.local === was.local && now.remote === was.remote)
			return;
		this.#video = now;
		this._emit('video', { ...now });
	}

	#watchStats() {
		const { statsInterval, qualityInterval } = this.#ua.config;
		this.#quality.start(qualityInterval);
		if (!(statsInterval > 0) || this.#statsTimer)
			return;
		this.#statsTimer = setInterval(async () => {
			const stats = await this.getStats().catch(() => null);
			if (stats && !this.isEnded())
				this._emit('stats', stats);
		}, statsInterval);
	}

	// -- offer and answer --

	// A new offer of the gateway; returns our answer.
	async #takeOffer(sdp) {
		if (!this.connection || this.direction === 'incoming' && !this.#answering)
			throw problem(409, 'the call is not answered yet');
		return this.#negotiation.takeOffer(sdp);
	}

	async #sendAnswer(sdpAnswer) {
		try {
			await this.#ua._requestSurely('mupdate',
				{ mediaSessionId: this.id, sdpAnswer }, () => !this.isEnded());
			this.#showHold();
		} catch (error) {
			if (!this.isEnded() && error.code === 'refused' && error.status !== 409)
				this.#unusable(error);
		}
	}

	// The gateway's description cannot be used here: no call without media.
	#unusable(error) {
		if (this.isEnded())
			return;
		this.#ua._hangUp(this.id, problemMember(488, error.message));
		this.#end('local', {
			cause: 'Incompatible SDP', status: 488, message: error.message,
		});
	}

	async #negotiate(options) {
		if (!this.isEstablished())
			throw new IsthmusError('state', 'the call is not established');
		try {
			await this.#negotiation.offer(options);
			this.#showVideo();
			this.#showHold();
		} catch (error) {
			if (error.status === 481)
				this.#end('remote', { cause: 'No Such Session', status: 481 });
			throw error;
		}
	}

	async #resume(options) {
		try {
			await this.#media.acquire(options);
			await this.#ua._freshIceServers();
			if (this.isEnded())
				return;
			this.#connect();
			await this.#negotiate({});
			this.#watchStats();
			this._emit('resumed', {});
		} catch (error) {
			if (!this.isEnded()) {
				this.#reportMediaError(error);
				this.#ua._hangUp(this.id, {});
				this.#end('local', {
					cause: mediaCause(error), status: error.status || 0,
					message: error.message,
				});
			}
			throw error;
		}
	}

	// -- hold --

	async #setHold(on) {
		this.#mustBeUp();
		if (this.#hold.local === on)
			return;
		const apply = (value) => {
			this.#hold.local = value;
			this.#media.hold(value);
		};
		apply(on);
		try {
			await this.#negotiate({});
		} catch (error) {
			if (!this.isEnded())
				apply(!on);
			throw error;
		}
		this.#showHold();
		this._emit(on ? 'hold' : 'unhold', { originator: 'local' });
	}

	#setRemoteHold(on) {
		if (this.#hold.remote === on)
			return;
		// Our own hold makes the other side stop talking, not listening, so
		// what its description says of listening is its own doing.
		this.#hold.remote = on;
		this.#showHold();
		this._emit(on ? 'hold' : 'unhold', { originator: 'remote' });
	}

	#showHold() {
		if (this.#accepted)
			this.#setState(this.#hold.local || this.#hold.remote ?
				State.HELD : State.CONNECTED);
	}
}
