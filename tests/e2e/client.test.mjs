// The client library alone: against a small RESPECT server that misbehaves on
// demand, with real RTCPeerConnections in between.
import test, { after, before, beforeEach } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { startMock } from './lib/mock.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { ROOT } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';

let mock;
let browser;
const clients = [];

before(async () => {
	mock = await startMock({ port: 24010, root: path.join(ROOT, 'web') });
	browser = await launchBrowser();
});
after(async () => {
	await browser?.close();
	await mock?.stop();
});
beforeEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
	mock.clients.clear();
	mock.legs.clear();
	mock.log.length = 0;
	mock.refuseNext.clear();
	mock.expiration = 3600;
});

async function client(user, hz, more = {}) {
	const opened = await openClient(browser, {
		url: mock.url, endpoint: mock.endpoint, user, hz, record: false, ...more,
	});
	clients.push(opened);
	return more.config?.password === 'wrong' ? opened : opened.registered();
}

async function pair() {
	const alice = await client('alice', 440);
	const bob = await client('bob', 700);
	await alice.call('bob');
	await bob.event('confirmed');
	return [alice, bob];
}

test('a call is set up, held, taken back and ended', async () => {
	const [alice, bob] = await pair();
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	await alice.do(() => session.hold());
	assert.deepEqual(await bob.event('hold'), { originator: 'remote' });
	await assertSilence(alice);
	await assertSilence(bob);
	await alice.do(() => session.unhold());
	await assertHears(alice, 700);
	await assertHears(bob, 440);
	await bob.hangUp();
	const ended = await alice.event('ended');
	assert.equal(ended.originator, 'remote');
	assert.equal(await alice.do(() => session.connection.signalingState), 'closed');
	assert.equal(await alice.do(() => ua.sessions.length), 0);
});

test('client transactions are even and follow each other', async () => {
	const [alice] = await pair();
	const ids = mock.log.filter(({ dir, msg }) => dir === 'c2s' &&
		msg.messageType === 'request' && msg.webrtcId === 'sip:alice@demo.example');
	assert.equal(ids[0].msg.transactionId, 0);
	const sent = alice.page.traffic.filter(({ dir, msg }) => dir === 'c2s' &&
		msg.messageType === 'request').map(({ msg }) => msg.transactionId);
	assert.deepEqual(sent, sent.map((_, i) => i * 2));
});

test('both sides hold at once, and the crossing offers are sorted out', async () => {
	const [alice, bob] = await pair();
	await Promise.all([alice, bob].map((c) => c.do(() => session.hold())));
	assert.equal(await alice.state(), 'held');
	assert.equal(await bob.state(), 'held');
	await alice.do(() => session.unhold());
	assert.equal(await alice.state(), 'held'); // bob still holds
	await bob.do(() => session.unhold());
	await until(async () => await alice.state() === 'connected', 'alice is back');
	await assertHears(alice, 700);
	await assertHears(bob, 440);
});

test('a repeated request is answered again and performed once', async () => {
	const alice = await client('alice', 440);
	const bob = await client('bob', 700, { autoAnswer: false });
	await alice.do(() => { ua.call('bob'); });
	await bob.event('newSession');
	const { conn } = mock.clients.get('sip:bob@demo.example');
	const setup = mock.log.find(({ dir, msg }) => dir === 's2c' && msg.method === 'msetup' &&
		msg.messageType === 'request').msg;
	conn.send(setup);
	const answers = () => mock.log.filter(({ dir, msg }) => dir === 'c2s' &&
		msg.messageType === 'response' && msg.method === 'msetup');
	await until(() => answers().length === 2, 'a second response');
	assert.deepEqual(answers()[0], answers()[1]);
	assert.equal(await bob.count('newSession'), 1);
});

test('requests that break the rules get problem details', async () => {
	await client('alice', 440);
	const { conn } = mock.clients.get('sip:alice@demo.example');
	const expected = [
		['mupdate', {}, 400], ['mupdate', { mediaSessionId: 'nobody' }, 481],
		['mdisc', { mediaSessionId: 'nobody' }, 481], ['msetup', { mediaSessionId: 'x' }, 400],
		['nonsense', {}, 405], ['poll.example.net', {}, 501], ['auth', {}, 405],
	];
	for (const [method, members, status] of expected) {
		const response = await conn.request(method, members);
		assert.equal(response.success, false, method);
		assert.equal(response.problemDetails.status, status, method);
	}
	const extension = await conn.request('getinfo', {
		resources: ['capabilities'], requiredExtension: ['video.example'],
	});
	assert.equal(extension.problemDetails.status, 420);
	assert.deepEqual(extension.unsupportedExtension, ['video.example']);
	const info = await conn.request('getinfo', { resources: ['capabilities', 'weather'] });
	assert.equal(info.resources.weather, null);
	assert.ok(info.resources.capabilities.methods.includes('msetup'));
});

test('the application answers its own methods and may call the gateway\'s', async () => {
	const alice = await client('alice', 440);
	await alice.do(() => ua.on('request', ({ method, message, respond }) =>
		respond({ heard: [method, message.word] })));
	const { conn } = mock.clients.get('sip:alice@demo.example');
	const response = await conn.request('say.example.net', { word: 'hello' });
	assert.deepEqual(response.heard, ['say.example.net', 'hello']);
	const echoed = await alice.do(() => ua.request('echo.test', { payload: 7 }));
	assert.equal(echoed.echo, 7);
});

test('wrong credentials end the attempts', async () => {
	const eve = await client('eve', 440, { config: { password: 'wrong' } });
	const failure = await eve.event('registrationFailed');
	assert.equal(failure.status, 401);
	assert.equal(failure.willRetry, false);
	assert.equal((await eve.event('disconnected')).reconnecting, false);
});

test('who is nobody in particular is known by the id that was made up for it', async () => {
	const NOBODY = 'sip:anonymous@anonymous.invalid';
	const eve = await client('eve', 440, { id: NOBODY,
		config: { anonymous: true, password: undefined } });
	const id = await eve.do(() => ua.id);
	assert.match(id, /^sip:[0-9a-f-]{36}@anonymous\.invalid$/);
	mock.clients.get(id).conn.socket.terminate();
	assert.equal((await eve.event('registered', { nth: 1 })).resumed, true);
	assert.equal(await eve.do(() => ua.id), id);
	// Its credential is worth nothing: another nobody.
	mock.clients.get(id).credential = null;
	mock.clients.get(id).conn.socket.terminate();
	assert.equal((await eve.event('registered', { nth: 2 })).resumed, false);
	const next = await eve.do(() => ua.id);
	assert.notEqual(next, id);
	await eve.do(() => ua.stop());
	assert.deepEqual(eve.requests('auth', 'c2s').map(({ authType, webrtcId }) =>
		[authType, webrtcId]), [['anonymous', NOBODY], ['reauth', id],
		['reauth', id], ['anonymous', id], ['reauth', next]]);
});

test('a lost socket is replaced and the call lives on', async () => {
	const [alice, bob] = await pair();
	mock.clients.get('sip:alice@demo.example').conn.socket.terminate();
	await alice.event('reconnected');
	const again = await alice.event('registered', { nth: 1 });
	assert.equal(again.resumed, true);
	await assertHears(alice, 700);
	await assertHears(bob, 440);
	await alice.do(() => session.hold());
	await bob.event('hold');
});

test('hanging up while the socket is lost is told afterwards', async () => {
	const [alice, bob] = await pair();
	mock.clients.get('sip:alice@demo.example').conn.socket.terminate();
	await alice.event('disconnected');
	await alice.hangUp();
	assert.equal((await bob.event('ended')).originator, 'remote');
});

test('a call the gateway no longer has is over after the reconnection', async () => {
	const [alice] = await pair();
	const entry = mock.clients.get('sip:alice@demo.example');
	mock.legs.clear();
	entry.conn.socket.terminate();
	assert.equal((await alice.event('ended')).originator, 'system');
});

test('an ICE restart goes through the gateway and the sound stays', async () => {
	const [alice, bob] = await pair();
	const ufrag = () => alice.do(() =>
		/ice-ufrag:(\S+)/.exec(session.connection.localDescription.sdp)[1]);
	const earlier = await ufrag();
	await alice.do(() => session.restartIce());
	assert.notEqual(await ufrag(), earlier);
	await assertHears(alice, 700);
	await assertHears(bob, 440);
});

test('muting one call sends silence and unmuting the tone', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => session.mute());
	await assertSilence(bob);
	await assertHears(alice, 700);
	await alice.do(() => session.unmute());
	await assertHears(bob, 440);
});

test('a refused call fails with the status and its cause', async () => {
	const alice = await client('alice', 440);
	mock.refuseNext.set('msetup', 486);
	await alice.do(() => { ua.call('bob'); });
	const failed = await alice.event('failed');
	assert.equal(failed.status, 486);
	assert.equal(failed.cause, 'Busy');
});

test('a rejected call tells the caller', async () => {
	const alice = await client('alice', 440);
	const bob = await client('bob', 700, { autoAnswer: false });
	await alice.do(() => { ua.call('bob'); });
	await bob.event('newSession');
	await alice.event('progress');
	await bob.do(() => session.reject({ status: 486 }));
	assert.equal((await alice.event('failed')).status, 486);
	assert.equal((await bob.event('failed')).cause, 'Rejected');
});

test('close codes are acted on', async () => {
	const expected = [
		[4002, false, 'Superseded'], [4003, false, 'Deregistered'],
		[4001, true, 'Expired'], [1012, true, null], [1013, true, null],
		[1008, true, null], [1008, true, null, 'authentication timeout'],
	];
	for (const [code, reconnecting, cause, reason] of expected) {
		const alice = await client('alice', 440);
		mock.clients.get('sip:alice@demo.example').conn.socket.close(code, reason);
		const event = await alice.event('disconnected');
		assert.equal(event.code, code);
		assert.equal(event.reconnecting, reconnecting, String(code));
		if (code === 1013)
			assert.ok(event.delay >= 10_000);
		if (code === 1008) // a slow token is no crime
			assert.equal(event.delay < 60_000, reason !== undefined);
		if (cause)
			assert.equal((await alice.event('unregistered')).cause, cause);
		if (code === 4001) { // not by the credential that ended with it
			assert.equal((await alice.event('registered', { nth: 1 })).resumed, false);
		}
		await clients.pop().close();
		mock.clients.clear();
	}
});

test('the registration is refreshed before it runs out', async () => {
	mock.expiration = 1;
	const alice = await client('alice', 440);
	const event = await alice.event('registered', { nth: 1 });
	assert.equal(event.refreshed, true);
});

test('the token is asked for anew and sent as bearer', async () => {
	mock.token = 'second';
	const alice = await openClient(browser, {
		url: mock.url, endpoint: mock.endpoint, user: 'alice', record: false,
		config: { password: undefined },
	});
	clients.push(alice);
	await alice.event('registrationFailed');
	await alice.do(async (endpoint) => {
		const { UA } = await import('/isthmus.js');
		globalThis.asked = 0;
		const mine = new UA({ endpoint, id: 'sip:alice@demo.example', storage: null,
			getToken: async () => { globalThis.asked++; return 'second'; } });
		mine.on('registered', () => globalThis.seen.push(['bearer', {}]));
		mine.start();
	}, mock.endpoint);
	await alice.event('bearer');
	assert.equal(await alice.do(() => globalThis.asked), 1);
});

test('TURN credentials about to end are asked for anew', async () => {
	const getinfo = mock.getinfo;
	const servers = (seconds) => [{
		urls: ['turn:127.0.0.1:9'], credential: 'x',
		username: `${Math.floor(Date.now() / 1000) + seconds}:alice`,
	}];
	let left = 30;
	mock.getinfo = (conn, message, answer) => answer({
		resources: { iceServers: servers(left), registration: {}, mediaSessions: [] },
	});
	try {
		const alice = await client('alice', 440);
		const asked = () => mock.log.filter(({ dir, msg }) =>
			dir === 'c2s' && msg.method === 'getinfo').length;
		const used = () => alice.do(() =>
			parseInt(session.connection.getConfiguration().iceServers[0].username));
		const call = async () => {
			const before = mock.log.filter(({ msg }) => msg.method === 'msetup').length;
			await alice.do(() => { ua.call('nobody'); });
			await until(() => mock.log.filter(({ msg }) =>
				msg.method === 'msetup').length >= before + 2, 'set up');
		};
		left = 3600;
		assert.equal(asked(), 1);
		await call();
		assert.equal(asked(), 2);
		assert.ok(await used() > Date.now() / 1000 + 3000);
		await call(); // they last
		assert.equal(asked(), 2);
	} finally {
		mock.getinfo = getinfo;
	}
});

test('a response may not require what the client has not', async () => {
	const msetup = mock.msetup;
	const alice = await client('alice', 440);
	mock.msetup = (conn, message, answer) => answer({
		mediaSessionId: 'ms-odd', mediaSessionState: 'proceeding',
		requiredExtension: ['teleport'],
	});
	try {
		await alice.do(() => { ua.call('bob'); });
		assert.equal((await alice.event('failed')).status, 420);
		await until(() => mock.log.some(({ dir, msg }) => dir === 'c2s' &&
			msg.method === 'mdisc' && msg.mediaSessionId === 'ms-odd' &&
			msg.problemDetails.status === 420), 'it is hung up at the gateway');
	} finally {
		mock.msetup = msetup;
	}
});

test('a refused log-in is tried again when the gateway said, not before', async () => {
	const auth = mock.auth;
	mock.auth = (conn, message, answer) => answer({ retryAfter: 3 }, 503);
	try {
		const alice = await openClient(browser, {
			url: mock.url, endpoint: mock.endpoint, user: 'alice', record: false,
		});
		clients.push(alice);
		assert.equal((await alice.event('registrationFailed')).willRetry, true);
		const { delay } = await alice.event('disconnected');
		assert.ok(delay >= 3000 && delay < 4000, `${delay} ms`);
	} finally {
		mock.auth = auth;
	}
});

test('a token that cannot be had is asked for again, and nothing is left unhandled', async () => {
	const alice = await client('alice', 440);
	await alice.do(async (endpoint) => {
		const { UA } = await import('/isthmus.js');
		globalThis.addEventListener('unhandledrejection', ({ reason }) =>
			globalThis.seen.push(['unhandled', { reason: String(reason) }]));
		let asked = 0;
		const mine = new UA({ endpoint, id: 'sip:carol@demo.example', storage: null,
			reconnectMin: 50, reconnectMax: 100,
			getToken: async () => {
				globalThis.seen.push(['asked', {}]);
				if (++asked < 3)
					throw new Error('the issuer is down');
				return 'second';
			} });
		for (const name of ['registered', 'registrationFailed'])
			mine.on(name, (e) => globalThis.seen.push([`carol ${name}`, { ...e }]));
		mine.start();
	}, mock.endpoint);
	mock.token = 'second';
	await alice.event('carol registered');
	assert.equal(await alice.count('asked'), 3);
	assert.equal(await alice.count('carol registrationFailed'), 2);
	assert.equal(await alice.count('unhandled'), 0);
});

test('many calls leave no session, track or listener behind', async () => {
	const alice = await client('alice', 440);
	const left = await alice.do(async () => {
		const tracks = [];
		const count = { added: 0, removed: 0 };
		const { addEventListener, removeEventListener } = RTCPeerConnection.prototype;
		RTCPeerConnection.prototype.addEventListener = function (...args) {
			count.added += args[0] === 'icegatheringstatechange';
			return addEventListener.apply(this, args);
		};
		RTCPeerConnection.prototype.removeEventListener = function (...args) {
			count.removed += args[0] === 'icegatheringstatechange';
			return removeEventListener.apply(this, args);
		};
		const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
		for (let i = 0; i < 100; i++) {
			const call = ua.call(i % 2 ? 'nobody' : 'alice', { mediaStream: stream });
			const over = new Promise((done) => {
				call.once('failed', done);
				call.once('ended', done);
			});
			call.on('peerconnection', () => tracks.push(...call.localStream.getTracks()));
			if (i % 2 === 0) { // one's own: rings here, is answered, is hung up
				await new Promise((done) => call.once('accepted', done));
				call.terminate();
			}
			await over;
		}
		const until = Date.now() + 5000;
		while (ua.sessions.length && Date.now() < until)
			await new Promise((done) => setTimeout(done, 50));
		return {
			sessions: ua.sessions.length, tracks: tracks.length,
			live: tracks.filter((t) => t.readyState === 'live').length,
			own: stream.getTracks()[0].readyState,
			listeners: count.added - count.removed, added: count.added,
		};
	});
	assert.equal(left.sessions, 0);
	assert.ok(left.tracks >= 100);
	assert.equal(left.live, 0);
	assert.equal(left.own, 'live'); // the application's stays its own
	assert.ok(left.added > 0);
	assert.equal(left.listeners, 0);
});

// Of the newest picture: { frames, width }.
const pictures = (who) => who.do(async () => {
	const { video } = await session.getStats();
	return { frames: video?.framesDecoded ?? 0, width: video?.width ?? 0 };
});

async function sees(who, what) {
	const before = (await pictures(who)).frames;
	await until(async () => {
		const { frames, width } = await pictures(who);
		return frames > before + 3 && width > 0;
	}, what);
}

test('video is added in mid-call by either, held, taken back, and removed', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => session.addVideo());
	await sees(bob, 'bob sees alice');
	assert.deepEqual(await bob.event('video'), { local: false, remote: true });
	assert.deepEqual(await alice.do(() => session.hasVideo()), { local: true, remote: false });
	await bob.do(() => session.addVideo({ constraints: { video: { width: 320 } } }));
	await sees(alice, 'alice sees bob');
	assert.equal(await alice.do(() => session.connection.getTransceivers().length), 2);
	await assertHears(alice, 700);
	await alice.do(() => session.hold());
	await until(async () => !(await alice.do(() => session.hasVideo())).remote, 'held, too');
	await alice.do(() => session.unhold());
	await sees(alice, 'alice sees bob again');
	const camera = await alice.do(() => session.localStream.getVideoTracks()[0].id);
	await alice.do((id) => {
		globalThis.camera = session.localStream.getVideoTracks().find((t) => t.id === id);
		return session.removeVideo();
	}, camera);
	assert.equal(await alice.do(() => globalThis.camera.readyState), 'ended');
	await until(async () => !(await bob.do(() => session.hasVideo())).remote, 'alice is gone');
	assert.equal(await bob.do(() => session.remoteStream.getVideoTracks().length), 0);
	assert.deepEqual(await alice.do(() => session.hasVideo()), { local: false, remote: true });
	await alice.do(() => session.addVideo()); // in the same m-line
	await sees(bob, 'bob sees alice again');
	assert.equal(await alice.do(() => session.connection.getTransceivers().length), 2);
	await assertHears(bob, 440);
});

test('video that is refused leaves the call and no camera on', async () => {
	const [alice, bob] = await pair();
	mock.refuseNext.set('mupdate', 488);
	const refused = await alice.do(async () => {
		const error = await session.addVideo().catch((e) => e);
		return { status: error.status, code: error.code,
			tracks: session.localStream.getVideoTracks().length };
	});
	assert.deepEqual(refused, { status: 488, code: 'refused', tracks: 0 });
	await assertHears(bob, 440);
	await assertHears(alice, 700);
	await alice.do(() => session.addVideo()); // another time it may work
	await sees(bob, 'bob sees alice');
	assert.equal(await alice.do(() => session.addVideo().catch((e) => e.code)), 'state');
	assert.equal(await alice.do(() => session.localStream.getVideoTracks().length), 1);
});

test('two wishes for a camera at once are one', async () => {
	const [alice, bob] = await pair();
	const outcome = await alice.do(async () => {
		const both = await Promise.allSettled([session.addVideo(), session.addVideo()]);
		return {
			how: both.map(({ status, reason }) => reason?.code ?? status),
			tracks: session.localStream.getVideoTracks().length,
			lines: session.connection.getTransceivers().length,
		};
	});
	assert.deepEqual(outcome, { how: ['fulfilled', 'state'], tracks: 1, lines: 2 });
	await sees(bob, 'bob sees alice');
	await alice.do(() => session.removeVideo());
	await alice.do(() => session.addVideo()); // and another time
});

test('another microphone is heard without a word to the gateway', async () => {
	const [alice, bob] = await pair();
	const offers = () => alice.requests('mupdate', 'c2s').length;
	const before = offers();
	await alice.do(() => {
		const context = new AudioContext();
		const other = context.createMediaStreamDestination();
		const tone = new OscillatorNode(context, { frequency: 880 });
		tone.connect(other);
		tone.start();
		globalThis.other = other.stream.getAudioTracks()[0];
		return session.setDevice('audio', globalThis.other);
	});
	await assertHears(bob, 880, { not: 440 });
	await alice.do(() => session.mute());
	await assertSilence(bob);
	// Muted stays muted; the application's own track is left alone.
	await alice.do(() => session.setDevice('audio', ''));
	await assertSilence(bob);
	assert.equal(await alice.do(() => globalThis.other.readyState), 'live');
	await alice.do(() => session.unmute());
	await assertHears(bob, 440, { not: 880 });
	assert.equal((await alice.event('device', { nth: 1 })).lost, false);
	assert.equal(offers(), before);
	assert.equal(await alice.do(() => session.setDevice('video', '').catch((e) => e.code)),
		'state');
});

test('a microphone that is unplugged is replaced by the default one', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => session.localStream.getAudioTracks()[0]
		.dispatchEvent(new Event('ended')));
	assert.deepEqual(await alice.event('device').then(({ kind, lost }) => ({ kind, lost })),
		{ kind: 'audio', lost: true });
	await assertHears(bob, 440);
});

test('a second call rings while one is up, and they are swapped', async () => {
	const [alice, bob] = await pair();
	const carol = await client('carol', 880);
	await alice.do(() => {
		globalThis.first = session;
		ua.on('newSession', ({ session: s }) => { globalThis.second = s; });
	});
	await bob.do(() => { globalThis.first = session; });
	await carol.do(() => { ua.call('bob'); });
	assert.equal((await bob.event('newSession', { nth: 1 })).waiting, true);
	await carol.event('confirmed');
	await bob.do(() => ua.switchTo(session)); // answered already: holds the first
	await alice.event('hold');
	await assertHears(bob, 880, { not: 440 });
	await bob.do(() => ua.switchTo(globalThis.first));
	await carol.event('hold');
	await alice.event('unhold');
	await assertHears(alice, 700);
	const held = await bob.do(() => [globalThis.first, session].map((s) => s.isOnHold().local));
	assert.deepEqual(held, [false, true]);
	await bob.do(() => globalThis.first.terminate());
	await bob.do(() => ua.switchTo(session));
	await assertHears(carol, 700);
});

test('text is sent and read, or refused with the reason', async () => {
	const alice = await client('alice', 440);
	const { conn } = mock.clients.get('sip:alice@demo.example');
	const send = (members) => conn.request('message.isthmus', {
		resourceId: 'sip:alice@demo.example', content: 'h\u00e9', contentType: 'text/plain',
		assertedOriginatingId: 'sip:bob@demo.example', assertedOriginatingName: 'Bob', ...members,
	});
	assert.equal((await send()).problemDetails.status, 480); // nobody listens
	await alice.do(() => ua.on('message', (event) => {
		globalThis.seen.push(['message', JSON.parse(JSON.stringify(event))]);
		if (event.text === 'spam')
			event.reject(603, 'no, thanks');
	}));
	assert.equal((await send()).success, true);
	assert.deepEqual(await alice.event('message'), { from: 'sip:bob@demo.example',
		displayName: 'Bob', to: 'sip:alice@demo.example', text: 'h\u00e9',
		contentType: 'text/plain' });
	assert.equal((await send({ content: 'spam' })).problemDetails.status, 603);
	assert.equal((await send({ contentType: 'text/html' })).problemDetails.status, 415);
	assert.equal((await send({ content: 7 })).problemDetails.status, 400);
	await alice.do(() => ua.sendMessage('bob', 'hello'));
	const sent = alice.requests('message.isthmus', 'c2s')[0];
	assert.deepEqual([sent.resourceId, sent.content, sent.contentType],
		['sip:bob@demo.example', 'hello', 'text/plain']);
	mock.refuseNext.set('message.isthmus', 404);
	assert.equal(await alice.do(() => ua.sendMessage('x', 'a').catch((e) => e.status)), 404);
});

test('stop deregisters and hangs up', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => ua.stop());
	assert.equal((await bob.event('ended')).originator, 'remote');
	await alice.event('unregistered');
	await until(() => !mock.clients.has('sip:alice@demo.example'), 'deregistered');
	assert.equal(await alice.do(() => ua.canResume()), false);
});

test('targets become addresses', async () => {
	const alice = await client('alice', 440);
	const made = await alice.do(() => ['bob', '+1 (555) 123', 'x@y.example',
		'sip:a@b', 'tel:+15', '1000'].map((t) => ua.normalizeTarget(t)));
	assert.deepEqual(made, ['sip:bob@demo.example', 'tel:+1555123', 'sip:x@y.example',
		'sip:a@b', 'tel:+15', 'sip:1000@demo.example']);
	assert.equal(await alice.do(() => {
		try {
			return ua.normalizeTarget('a b');
		} catch (error) {
			return error.code;
		}
	}), 'target');
});
