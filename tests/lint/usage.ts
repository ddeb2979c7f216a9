// What docs/client.md promises, as an application would write it: this only
// has to compile.  What must not compile is marked.
import Isthmus, { CloseCode, IsthmusError, Method, PROTOCOL, Session, State, UA,
	VERSION, causeOf, type EndEvent, type Quality, type Stats, type UAConfig }
	from '../../web/isthmus.js';

const config: UAConfig = {
	endpoint: 'wss://gateway.example/3gpp-respect/v1', id: 'sip:alice@example.org',
	getToken: async () => 'token', statsInterval: 1000, qualityInterval: 0,
	playback: (session: Session) => {
		void session.id;
		return document.createElement('audio');
	},
	ringback: { frequencies: [440, 480], on: 2, off: 4 },
};
const ua: UA = new Isthmus.UA(config);
const words: string = PROTOCOL + VERSION + causeOf(486) + Method.MESSAGE + CloseCode.EXPIRED;

ua.on('newSession', ({ originator, session, restored, waiting }) => {
	const who: 'local' | 'remote' = originator;
	const flags: boolean = restored || waiting;
	void who, flags;
	if (waiting)
		void ua.switchTo(session, { mediaConstraints: { audio: true } });
});
ua.on('message', ({ from, displayName, to, text, contentType, reject }) => {
	const all: string = (from ?? '') + displayName + to + text + contentType;
	reject(603, all);
});
ua.once('registered', ({ expiration, resumed }) => void [expiration, resumed]);
ua.on('disconnected', ({ code, reconnecting, delay }) => void [code, reconnecting, delay]);

async function call(): Promise<void> {
	const session: Session = ua.call('bob', { preOffer: false });
	session.on('ended', (event: EndEvent) => void event.cause)
		.on('failed', ({ status, emergency }: EndEvent) => void (emergency && status))
		.on('quality', ({ near, far, heardHere, local }: Quality) => {
			const mos: (number | null)[] = [near.toGateway.mos, far.fromGateway.mos, heardHere];
			const stats: Stats = local;
			void mos, stats.video?.width;
		})
		.on('video', ({ local, remote }) => void (local && remote))
		.on('device', ({ kind, label, lost }) => void [kind, label, lost])
		.on('callInfo', ({ forwardedBy, subject }) => void (subject && forwardedBy?.[0]?.uri))
		.on('transfer', ({ state, target }) => void [state, target]);
	await session.hold();
	await session.unhold();
	await session.addVideo({ constraints: { video: { width: 640 } } });
	await session.removeVideo();
	await session.setDevice('audio', '');
	await session.transfer('carol');
	await session.sendDTMF('12#', { transport: 'info' });
	session.mute({ video: true });
	const muted: boolean = session.isMuted('video');
	const { local, remote } = session.hasVideo();
	await session.playback?.setSpeaker('');
	if (session.state === State.HELD && (muted || local || remote))
		session.terminate({ status: 480, reason: words });
	const stats = await session.getStats();
	void (stats.jitterMs ?? 0);
	await ua.sendMessage('bob', 'hello', { contentType: 'text/plain' });
	if (ua.supports(Method.QUALITY))
		await ua.request(Method.QUALITY, { mediaSessionId: session.id });
}
call().catch((error: unknown) => {
	if (error instanceof IsthmusError && error.code === 'refused')
		void error.problemDetails?.detail;
});

// @ts-expect-error: sessions are made by UA.call()
void new Session();
// @ts-expect-error: there is no such event
ua.on('registred', () => {});
// @ts-expect-error: a kind of device
void ua.sessions[0]?.setDevice('keyboard');
// @ts-expect-error: no such state
void (ua.sessions[0]?.state === 'ringing');
