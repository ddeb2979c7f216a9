// Types of isthmus.js.  The meaning is in docs/client.md.

export const PROTOCOL: '3gpp.RESPECT.v1';
export const VERSION: string;

export const CloseCode: Readonly<{
	NORMAL: 1000;
	POLICY: 1008;
	RESTART: 1012;
	OVERLOAD: 1013;
	EXPIRED: 4001;
	SUPERSEDED: 4002;
	DEREGISTERED: 4003;
}>;

export const State: Readonly<{
	INITIAL: 'initial';
	PROCEEDING: 'proceeding';
	ALERTING: 'alerting';
	EARLY: 'early';
	CONNECTED: 'connected';
	HELD: 'held';
	UPDATING: 'updating';
	DISCONNECTING: 'disconnecting';
	DISCONNECTED: 'disconnected';
}>;
export type SessionState = (typeof State)[keyof typeof State];

/** The gateway's own application-specific methods. */
export const Method: Readonly<{
	MESSAGE: 'message.isthmus';
	QUALITY: 'quality.isthmus';
	TRANSFER: 'transfer.isthmus';
}>;

export type Originator = 'local' | 'remote' | 'system';
export type Direction = 'outgoing' | 'incoming';

/** RFC 9457. */
export interface ProblemDetails {
	type?: string;
	title?: string;
	status?: number;
	detail?: string;
	instance?: string;
	/** Help has to be called another way. */
	emergency?: boolean;
}

export type ErrorCode = 'config' | 'target' | 'state' | 'refused' | 'timeout' |
	'disconnected' | 'ended' | 'credentials' | 'emergency';

export class IsthmusError extends Error {
	constructor(code: ErrorCode, message: string, more?: {
		status?: number;
		problemDetails?: ProblemDetails | null;
		retryAfter?: number | null;
		response?: Message | null;
	});
	readonly code: ErrorCode;
	/** As in SIP; 0 where the gateway did not say. */
	readonly status: number;
	readonly problemDetails: ProblemDetails | null;
	/** Somebody needs help, and has to call for it another way. */
	readonly emergency: boolean;
	/** Seconds. */
	readonly retryAfter: number | null;
	readonly response: Message | null;
}

/** A person's word for a status: "Busy". */
export function causeOf(status: number): string;

/** A RESPECT message. */
export interface Message {
	messageType: 'request' | 'response';
	method: string;
	transactionId: number | string;
	success?: boolean;
	problemDetails?: ProblemDetails;
	[member: string]: unknown;
}

export interface Storage {
	getItem(key: string): string | null;
	setItem(key: string, value: string): void;
	removeItem(key: string): void;
}

export interface UAConfig {
	/** wss://host/3gpp-respect/v1 */
	endpoint: string;
	/** sip: or tel: URI. */
	id: string;
	password?: string;
	/** A bearer token, where it never has to be renewed. */
	token?: string;
	/**
	 * To be nobody in particular, where the gateway takes such users: no
	 * password or token.  ua.id is then the one that it makes up.
	 */
	anonymous?: boolean;
	/** Asked at every registration and before the registration expires. */
	getToken?: () => string | Promise<string>;
	/**
	 * For subscribers with IMS credentials of their own: the value of
	 * authorization that answers the core's challenge ("Digest ..."; method
	 * REGISTER, uri "sip:" and the realm).  Asked at log-in and at refreshes.
	 */
	answerChallenge?: (wwwAuthenticate: string) => string | Promise<string>;
	/** Default: what the gateway says. */
	iceServers?: RTCIceServer[] | null;
	/** Seconds that calls and registration shall outlive a lost socket: 60. */
	disconnectionTtl?: number;
	/** Seconds; default: as long as the gateway allows. */
	expiration?: number;
	/** Milliseconds of back-off: 500 and 30000. */
	reconnectMin?: number;
	reconnectMax?: number;
	connectTimeout?: number;
	/** Ask for a sign of life after so much silence: 30000 ms; 0 never. */
	keepAlive?: number;
	/** How long descriptions wait for candidates: 150 ms. */
	gatherTimeout?: number;
	/** Period of 'stats' events; 0 (default): none. */
	statsInterval?: number;
	/** How often statistics are posted to the gateway and 'quality' comes
	 * back: 5000 ms; 0 never. */
	qualityInterval?: number;
	/** Play what is heard: in an element of the library's, or in this one.
	 * False (default): the application does. */
	playback?: boolean | ((session: Session) => HTMLMediaElement);
	/** With playback: what is heard while it rings there and no early media
	 * comes; seconds.  False: silence. */
	ringback?: Ringback | false;
	/** Own name, for the application's use. */
	displayName?: string;
	/** Further incoming calls are busy: 8. */
	maxSessions?: number;
	/** For calls that name none: { audio: true } */
	mediaConstraints?: MediaStreamConstraints;
	peerConnectionConfig?: RTCConfiguration;
	/** Take over calls after a reload (default), or hang them up. */
	restoreSessions?: boolean;
	supportedExtension?: string[];
	/** Where the re-authentication credential is kept: sessionStorage. */
	storage?: Storage | null;
	WebSocket?: new (url: string, protocol: string) => WebSocket;
	RTCPeerConnection?: typeof RTCPeerConnection;
}

export interface Ringback {
	frequencies: number[];
	on: number;
	off: number;
}

export interface MediaOptions {
	/** Its tracks are cloned; it stays the application's. */
	mediaStream?: MediaStream;
	mediaConstraints?: MediaStreamConstraints;
}

export interface CallOptions extends MediaOptions {
	/** False: the gateway makes the offer.  Default true. */
	preOffer?: boolean;
	/** One of the own identities. */
	preferredOriginatingId?: string;
	userData?: Record<string, unknown>;
	/** What the call is about, at most 128 bytes; the other side is shown it. */
	subject?: string;
	/** A name of one's own choice, where the gateway's operator allows one. */
	displayName?: string;
}

/** What the network says of a call besides who is in it. */
export interface CallInfo {
	subject?: string;
	/** How it shall ring: urn:alert:... or a URL. */
	alert?: string;
	/** URLs that the other side has chosen: to fetch one tells it who reads. */
	icon?: string;
	info?: string;
	card?: string;
	/** Who has forwarded it, the first one first; uri null: withheld. */
	forwardedBy?: { uri: string | null; displayName?: string; status?: number }[];
	/** Of a call of one's own: it rings somewhere else, or waits. */
	forwarded?: boolean;
	forwardedTo?: string;
	queued?: boolean;
}

export interface IncomingRequest {
	method: string;
	message: Message;
	respond(members?: Record<string, unknown>): void;
	respondLater(members: Promise<Record<string, unknown>>): void;
	reject(status?: number, detail?: string): void;
}

/** A message of text (SIP MESSAGE). */
export interface TextMessage {
	/** Null where the sender withheld it. */
	from: string | null;
	displayName: string;
	/** Which identity of ours it was sent to. */
	to: string;
	text: string;
	contentType: string;
	/** The sender is told that it was not taken; only while the listener runs. */
	reject(status?: number, detail?: string): void;
}

export interface MessageOptions {
	contentType?: string;
	/** One of the own identities. */
	preferredOriginatingId?: string;
}

export interface UAEvents {
	connecting: { attempt: number };
	connected: {};
	disconnected: {
		code: number;
		reason: string;
		reconnecting: boolean;
		/** Milliseconds until the next try. */
		delay?: number | null;
	};
	registered: { expiration: number | null; resumed: boolean; refreshed: boolean };
	unregistered: { cause: 'Expired' | 'Superseded' | 'Deregistered' | 'Stopped' };
	registrationFailed: {
		status: number;
		cause: string;
		message: string;
		problemDetails: ProblemDetails | null;
		willRetry: boolean;
	};
	newSession: {
		originator: 'local' | 'remote';
		session: Session;
		/** The call was there before the page was reloaded. */
		restored: boolean;
		/** It rings while another call is up. */
		waiting: boolean;
	};
	message: TextMessage;
	request: IncomingRequest;
	traffic: { direction: 'sent' | 'received'; message: Message };
	protocolError: { detail: string };
}

export interface EndEvent {
	originator: Originator;
	cause: string;
	/** As in SIP; 0 for a normal end. */
	status: number;
	message: string;
	problemDetails: ProblemDetails | null;
	/** It was, or should have been, a call to emergency services: the page has to
	 * say clearly that help is called another way. */
	emergency: boolean;
	retryAfter?: number | null;
}

export interface Stats {
	packetsSent: number;
	packetsReceived: number;
	packetsLost: number;
	bytesSent: number;
	bytesReceived: number;
	jitterMs: number | null;
	rttMs: number | null;
	codec: string | null;
	audioLevel: number | null;
	localAudioLevel: number | null;
	jitterBufferMs: number | null;
	concealedPercent: number | null;
	/** All pictures together. */
	video: VideoStats | null;
	/** Each m-line of video by itself. */
	videos: PictureStats[];
}

export interface VideoStats {
	packetsSent: number;
	packetsReceived: number;
	packetsLost: number;
	framesDecoded: number;
	framesPerSecond: number | null;
	width: number | null;
	height: number | null;
	codec: string | null;
}

/** One m-line of video; null: this browser does not tell. */
export interface PictureStats {
	mid: string;
	packetsSent: number;
	packetsReceived: number;
	packetsLost: number;
	jitterMs: number | null;
	framesDecoded: number;
	framesDropped: number | null;
	keyFramesDecoded: number | null;
	freezes: number | null;
	frozenMs: number | null;
	framesPerSecond: number | null;
	width: number | null;
	height: number | null;
	sentWidth: number | null;
	sentHeight: number | null;
	sentFramesPerSecond: number | null;
}

/** One direction of one segment, over the last interval; null: not known. */
export interface PathQuality {
	lossPercent: number | null;
	jitterMs: number | null;
	/** 1 (bad) to 4.5, by the E-model (ITU-T G.107). */
	mos: number | null;
}

export interface SegmentQuality {
	/** From this segment's far end to the gateway. */
	toGateway: PathQuality;
	fromGateway: PathQuality;
	roundTripMs: number | null;
}

export interface VideoPathQuality {
	lossPercent: number | null;
	jitterMs: number | null;
	kbps: number;
}

export interface VideoSegmentQuality {
	toGateway: VideoPathQuality;
	fromGateway: VideoPathQuality;
	roundTripMs: number | null;
	/** What this segment's far end asked for, since the call began. */
	nacks: number;
	packetsResent: number;
	keyFrameRequests: number;
	/** What it shows, where it is a browser that reports. */
	seen: {
		width: number | null;
		height: number | null;
		framesPerSecond: number | null;
		framesDecoded: number | null;
		framesDropped: number | null;
		freezes: number | null;
		frozenMs: number | null;
	} | null;
}

/** One m-line of video. */
export interface VideoQuality {
	/** As here; '' where it is not known. */
	mid: string;
	codec: string;
	near: VideoSegmentQuality;
	far: VideoSegmentQuality;
}

/** What the gateway makes of its counters, of RTCP and of our statistics. */
export interface Quality {
	/** Browser and gateway. */
	near: SegmentQuality;
	/** Gateway and the other party. */
	far: SegmentQuality;
	/** Both segments together: as heard here, and there. */
	heardHere: number | null;
	heardThere: number | null;
	/** Left out where there are no pictures. */
	video?: VideoQuality[];
	local: Stats;
}

export interface SessionEvents {
	callInfo: CallInfo;
	state: { state: SessionState; previous: SessionState };
	progress: { originator: 'remote'; state: SessionState };
	/** Both sides want the call. */
	accepted: { originator: 'local' | 'remote' };
	/** And its media path is up: people can talk. */
	confirmed: { restored: boolean };
	/** Ended before it was accepted. */
	failed: EndEvent;
	ended: EndEvent;
	hold: { originator: 'local' | 'remote' };
	unhold: { originator: 'local' | 'remote' };
	muted: { audio: boolean; video: boolean };
	unmuted: { audio: boolean; video: boolean };
	/** Pictures are sent, or received, from now on, or no longer. */
	video: { local: boolean; remote: boolean };
	/** Another microphone or camera; lost: the one before was unplugged, and
	 * no label means that there is no other. */
	device: { kind: 'audio' | 'video'; label: string; lost: boolean };
	/** The call moves to another party. */
	transfer: {
		state: 'trying' | 'proceeding' | 'alerting' | 'done' | 'failed';
		target: string;
		status?: number;
		cause?: string;
		message?: string;
	};
	/** The browser plays nothing before a gesture; then: playback.play(). */
	playbackblocked: {};
	quality: Quality;
	newDTMF: { originator: 'local' | 'remote'; tones: string };
	userData: { userData: Record<string, unknown> };
	identity: { uri: string; displayName: string };
	icestate: { state: RTCIceConnectionState };
	peerconnection: { connection: RTCPeerConnection };
	track: {
		track: MediaStreamTrack;
		streams: readonly MediaStream[];
		stream: MediaStream;
	};
	stats: Stats;
	getusermediafailed: { error: Error };
	/** The signalling connection was lost and is back. */
	reconnected: { state: string };
	/** Media of a restored call is back. */
	resumed: {};
}

declare class Emitter<Events> {
	on<Name extends keyof Events>(name: Name,
		listener: (event: Events[Name]) => void): this;
	once<Name extends keyof Events>(name: Name,
		listener: (event: Events[Name]) => void): this;
	off<Name extends keyof Events>(name: Name,
		listener: (event: Events[Name]) => void): this;
	listenerCount(name: keyof Events): number;
}

export class UA extends Emitter<UAEvents> {
	constructor(config: UAConfig);
	readonly id: string;
	readonly config: Readonly<UAConfig>;
	readonly sessions: Session[];
	readonly iceServers: RTCIceServer[];
	/** Seconds granted at the last registration. */
	readonly expiration: number | null;
	start(): void;
	stop(): Promise<void>;
	call(target: string, options?: CallOptions): Session;
	getInfo(names: string[]): Promise<Record<string, unknown>>;
	/** Resolves when it was taken at the other end. */
	sendMessage(target: string, text: string, options?: MessageOptions): Promise<void>;
	/** Holds the other calls, then answers or takes back this one. */
	switchTo(session: Session, options?: MediaOptions): Promise<void>;
	/** Has the gateway said that it has @method? */
	supports(method: string): boolean;
	/** An application's own method, "name.authority". */
	request(method: string, params?: Record<string, unknown>): Promise<Message>;
	normalizeTarget(target: string): string;
	isStarted(): boolean;
	isConnected(): boolean;
	isRegistered(): boolean;
	canResume(): boolean;
}

export interface VideoOptions {
	/** Its video track is cloned. */
	mediaStream?: MediaStream;
	/** Default: { video: true } */
	constraints?: MediaStreamConstraints;
}

/** What a person hears of a call. */
export interface Playback {
	readonly element: HTMLMediaElement | null;
	/** Is ringback of our own being played? */
	readonly ringing: boolean;
	/** False: the browser refuses. */
	play(): Promise<boolean>;
	setSpeaker(deviceId: string): Promise<void>;
	stop(): void;
}

export class Session extends Emitter<SessionEvents> {
	private constructor();
	readonly ua: UA;
	/** mediaSessionId; null until the gateway named it. */
	readonly id: string | null;
	readonly direction: Direction;
	readonly target: string;
	readonly state: SessionState;
	readonly restored: boolean;
	readonly remoteIdentity: { uri: string | null; displayName: string };
	readonly callInfo: CallInfo;
	readonly userData: Record<string, unknown> | null;
	readonly connection: RTCPeerConnection | null;
	readonly localStream: MediaStream | null;
	readonly remoteStream: MediaStream;
	readonly startTime: Date | null;
	readonly endTime: Date | null;
	/** For the application. */
	data: Record<string, unknown>;
	answer(options?: MediaOptions): Promise<void>;
	reject(options?: { status?: number; reason?: string }): void;
	terminate(options?: { status?: number; reason?: string }): void;
	hold(): Promise<void>;
	unhold(): Promise<void>;
	isOnHold(): { local: boolean; remote: boolean };
	/** Default: { audio: true } */
	mute(what?: { audio?: boolean; video?: boolean }): void;
	unmute(what?: { audio?: boolean; video?: boolean }): void;
	isMuted(kind?: 'audio' | 'video'): boolean;
	addVideo(options?: VideoOptions): Promise<void>;
	removeVideo(): Promise<void>;
	hasVideo(): { local: boolean; remote: boolean };
	/** A deviceId, "" (default) for the default device, or a track. */
	setDevice(kind: 'audio' | 'video', source?: string | MediaStreamTrack): Promise<void>;
	/** @target takes the other party's place; with leave, this one's. */
	transfer(target: string, options?: { leave?: boolean }): Promise<void>;
	/** The other parties of both calls talk to each other; this side leaves. */
	joinWith(other: Session): Promise<void>;
	/** With the playback option; else null. */
	readonly playback: Playback | null;
	sendDTMF(tones: string, options?: {
		duration?: number;
		interToneGap?: number;
		transport?: 'rtp' | 'info';
	}): Promise<void>;
	sendUserData(userData: Record<string, unknown>): Promise<void>;
	restartIce(): Promise<void>;
	renegotiate(): Promise<void>;
	resume(options?: MediaOptions): Promise<void>;
	isEstablished(): boolean;
	isEnded(): boolean;
	getStats(): Promise<Stats>;
}

declare const Isthmus: {
	UA: typeof UA;
	Session: typeof Session;
	IsthmusError: typeof IsthmusError;
	State: typeof State;
	CloseCode: typeof CloseCode;
	Method: typeof Method;
	causeOf: typeof causeOf;
	PROTOCOL: typeof PROTOCOL;
	VERSION: typeof VERSION;
};
export default Isthmus;
