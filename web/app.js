// app.js - the demo phone: a page around isthmus.js, without a framework.
//
// It keeps no call state of its own: every card shows what its Session says.
// The log-in survives a reload through the library's single-use credential;
// the password is never stored.

import { UA, State } from './isthmus.js';
import { findAccountPage, goToAccountPage, restoreAccount } from './login.js';

const $ = (id) => document.getElementById(id);
const IDENTITY_KEY = 'isthmus-demo:id';
const RECENT_KEY = 'isthmus-demo:recent';
const LOG_LINES = 400;
const KEYS = [['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'],
	['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''],
	['0', '+'], ['#', '']];

let ua = null;
let account = null; // logged in at the account page
let audio = null; // AudioContext, made by the first gesture
const cards = new Map(); // Session -> CallCard

// ---- small things kept between visits ----

function remembered(area, key, fallback) {
	try {
		return JSON.parse(area.getItem(key)) ?? fallback;
	} catch {
		return fallback;
	}
}

function remember(area, key, value) {
	try {
		if (value === null)
			area.removeItem(key);
		else
			area.setItem(key, JSON.stringify(value));
	} catch { /* private mode: nothing is kept */ }
}

// ---- event log ----

function log(text, { bad = false, detail = null } = {}) {
	const line = document.createElement('li');
	const time = document.createElement('time');
	time.textContent = new Date().toISOString().slice(11, 23);
	const what = document.createElement('span');
	what.textContent = text;
	what.className = bad ? 'bad-news' : '';
	line.append(time, what);
	if (detail) {
		const pre = document.createElement('pre');
		pre.textContent = detail;
		line.append(pre);
	}
	const list = $('log');
	const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
	list.append(line);
	while (list.children.length > LOG_LINES)
		list.firstChild.remove();
	if (atEnd)
		list.scrollTop = list.scrollHeight;
	$('log-count').textContent = String(list.children.length);
}

// Credentials never reach the screen, so screenshots may be shared.
function printable(message) {
	return JSON.stringify(message, (key, value) =>
		['authorization', 'reauthCredential', 'credential'].includes(key) ?
			'\u2022\u2022\u2022' : value, 2).replaceAll('\\r\\n', '\n    ');
}

function logTraffic({ direction, message }) {
	if (!$('log-wire').checked)
		return;
	const arrow = direction === 'sent' ? '\u2192' : '\u2190';
	const outcome = message.messageType === 'response' ?
		(message.success ? ' ok' : ` ${message.problemDetails?.status}`) : '';
	log(`${arrow} ${message.method} ${message.transactionId}${outcome}`,
		{ detail: printable(message) });
}

// ---- sounds ----

function audioContext() {
	audio ??= new AudioContext();
	if (audio.state === 'suspended')
		audio.resume().catch(() => {});
	return audio;
}

class Ringer {
	#timer = 0;

	start(frequencies, onSeconds, everySeconds) {
		if (this.#timer)
			return;
		const burst = () => {
			const context = audioContext();
			const gain = context.createGain();
			const now = context.currentTime;
			gain.gain.setValueAtTime(0, now);
			gain.gain.linearRampToValueAtTime(0.06, now + 0.02);
			gain.gain.setValueAtTime(0.06, now + onSeconds - 0.02);
			gain.gain.linearRampToValueAtTime(0, now + onSeconds);
			gain.connect(context.destination);
			for (const frequency of frequencies) {
				const tone = new OscillatorNode(context, { frequency });
				tone.connect(gain);
				tone.start(now);
				tone.stop(now + onSeconds);
			}
		};
		burst();
		this.#timer = setInterval(burst, everySeconds * 1000);
	}

	stop() {
		clearInterval(this.#timer);
		this.#timer = 0;
	}
}

class Meter {
	#source;
	#analyser;
	#samples;

	constructor(stream) {
		const context = audioContext();
		this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
		this.#source = context.createMediaStreamSource(stream);
		this.#source.connect(this.#analyser);
		this.#samples = new Float32Array(this.#analyser.fftSize);
	}

	/** 0..1 over 60 dB, as ears count. */
	level() {
		this.#analyser.getFloatTimeDomainData(this.#samples);
		let sum = 0;
		for (const sample of this.#samples)
			sum += sample * sample;
		const db = 10 * Math.log10(sum / this.#samples.length + 1e-9);
		return Math.min(1, Math.max(0, (db + 60) / 60));
	}

	close() {
		this.#source.disconnect();
	}
}

// ---- one call on the screen ----

function peerName({ uri, displayName }) {
	return displayName || String(uri ?? 'Unknown caller')
		.replace(/^(sips?|tel):/i, '').replace(/[;?].*$/, '');
}

function duration(from, to) {
	const s = Math.max(0, Math.floor((to - from) / 1000));
	const two = (n) => String(n).padStart(2, '0');
	const hours = Math.floor(s / 3600);
	return `${hours ? `${hours}:` : ''}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

const STATE_TEXT = {
	[State.INITIAL]: 'Getting the microphone',
	[State.PROCEEDING]: 'Calling',
	[State.ALERTING]: 'Ringing',
	[State.EARLY]: 'Connecting',
	[State.CONNECTED]: 'Talking',
	[State.HELD]: 'On hold',
	[State.DISCONNECTED]: 'Ended',
};

class CallCard {
	#session;
	#root;
	#ringer = new Ringer();
	#meters = [];
	#ticker = 0;
	#frame = 0;
	#outcome = '';

	constructor(session) {
		this.#session = session;
		this.#root = $('call-template').content.firstElementChild.cloneNode(true);
		this.#buildPad();
		this.#wireButtons();
		this.#wireSession();
		$('calls').prepend(this.#root);
		this.show();
		this.#ticker = setInterval(() => this.#tick(), 500);
		this.#ring();
	}

	#q(selector) { return this.#root.querySelector(selector); }

	#buildPad() {
		for (const [digit, letters] of KEYS) {
			const button = document.createElement('button');
			const small = document.createElement('small');
			button.type = 'button';
			button.textContent = digit;
			button.dataset.digit = digit;
			small.textContent = letters;
			button.append(small);
			this.#q('.pad').append(button);
		}
		this.#q('.pad').addEventListener('click', (event) => {
			const digit = event.target.closest('button')?.dataset.digit;
			if (digit)
				this.#do(`Tone ${digit}`, () => this.#session.sendDTMF(digit));
		});
	}

	#wireButtons() {
		const session = this.#session;
		const click = (selector, action) =>
			this.#q(selector).addEventListener('click', action);
		click('.answer', () => this.answer());
		click('.decline', () => session.reject({ status: 603 }));
		click('.hangup', () => session.terminate());
		click('.mute', () => session.isMuted() ? session.unmute() : session.mute());
		click('.hold', async ({ currentTarget: button }) => {
			button.disabled = true;
			const on = !session.isOnHold().local;
			await this.#do(on ? 'Hold' : 'Resume',
				() => on ? session.hold() : session.unhold());
			button.disabled = false;
		});
		click('.keys', ({ currentTarget: button }) => {
			const open = this.#q('.pad').hidden;
			this.#q('.pad').hidden = !open;
			button.setAttribute('aria-pressed', open);
			button.setAttribute('aria-expanded', open);
		});
		click('.unblock', () => {
			audioContext();
			this.#play();
		});
	}

	#wireSession() {
		const session = this.#session;
		const name = peerName(session.remoteIdentity);
		for (const event of ['state', 'muted', 'unmuted', 'hold', 'unhold', 'identity'])
			session.on(event, () => this.show());
		session.on('state', ({ state }) => {
			log(`${name}: ${state}`);
			this.#ring();
		});
		session.on('hold', ({ originator }) =>
			log(originator === 'local' ? `${name}: held here` : `${name} holds the call`));
		session.on('unhold', ({ originator }) =>
			log(originator === 'local' ? `${name}: taken back` : `${name} is back`));
		session.on('icestate', ({ state }) => log(`${name}: media path ${state}`));
		session.on('newDTMF', ({ originator, tones }) =>
			log(`${name}: tone ${tones} ${originator === 'local' ? 'sent' : 'received'}`));
		session.on('peerconnection', () => this.#meter(session.localStream));
		session.on('track', ({ track }) => {
			if (track.kind !== 'audio')
				return;
			this.#q('audio').srcObject = session.remoteStream;
			this.#play();
			this.#meter(session.remoteStream);
		});
		session.on('accepted', () => this.#holdOthers());
		session.on('confirmed', () => log(`${name}: audio flows`));
		session.on('getusermediafailed', ({ error }) =>
			log(`Microphone: ${error.message}`, { bad: true }));
		session.on('stats', (stats) => this.#showQuality(stats));
		session.on('ended', (event) => this.#over(event, false));
		session.on('failed', (event) => this.#over(event, true));
	}

	async answer() {
		await this.#do('Answer', () => this.#session.answer());
	}

	#holdOthers() {
		for (const other of cards.keys())
			if (other !== this.#session && other.isEstablished() &&
			    !other.isOnHold().local)
				other.hold().catch(() => {});
	}

	async #do(what, action) {
		try {
			await action();
		} catch (error) {
			log(`${what}: ${error.message}`, { bad: true });
		}
	}

	#play() {
		this.#q('audio').play().then(
			() => { this.#q('.unblock').hidden = true; },
			(error) => {
				if (error.name === 'NotAllowedError')
					this.#q('.unblock').hidden = false;
			});
	}

	#meter(stream) {
		if (!stream?.getAudioTracks().length)
			return;
		const mine = stream === this.#session.localStream;
		this.#meters = this.#meters.filter((m) => {
			if (m.mine === mine)
				m.meter.close();
			return m.mine !== mine;
		});
		this.#meters.push({
			mine, meter: new Meter(stream),
			bar: this.#q(mine ? '.mine' : '.theirs'),
		});
		this.#frame ||= requestAnimationFrame(() => this.#draw());
	}

	#draw() {
		for (const { meter, bar } of this.#meters) {
			const level = meter.level();
			bar.style.transform = `scaleX(${level.toFixed(3)})`;
			bar.parentElement.setAttribute('aria-valuenow', Math.round(level * 100));
		}
		this.#frame = this.#meters.length ?
			requestAnimationFrame(() => this.#draw()) : 0;
	}

	#ring() {
		const { state, direction } = this.#session;
		const incoming = direction === 'incoming' && !this.#session.isEstablished();
		if (incoming && state === State.ALERTING)
			this.#ringer.start([440, 554], 0.9, 2.4);
		else if (direction === 'outgoing' && state === State.ALERTING)
			this.#ringer.start([425], 1, 4);
		else
			this.#ringer.stop();
	}

	#showQuality(stats) {
		const part = (value, text) => value === null ? [] : [text];
		this.#q('.quality').textContent = [
			...part(stats.codec, String(stats.codec).replace('audio/', '')),
			...part(stats.rttMs, `${Math.round(stats.rttMs)} ms`),
			`${stats.packetsReceived} in, ${stats.packetsSent} out`,
			...part(stats.packetsLost || null, `${stats.packetsLost} lost`),
		].join(' \u00b7 ');
	}

	#tick() {
		const { startTime, endTime } = this.#session;
		this.#q('.timer').textContent = startTime ?
			duration(startTime, endTime ?? Date.now()) : '';
	}

	show() {
		const session = this.#session;
		const { state } = session;
		const ended = session.isEnded();
		const hold = session.isOnHold();
		const rings = session.direction === 'incoming' && !ended &&
			!session.isEstablished() && state === State.ALERTING;
		const name = peerName(session.remoteIdentity);
		let text = STATE_TEXT[state] ?? state;
		if (rings)
			text = 'Calls you';
		else if (state === State.HELD && hold.remote && !hold.local)
			text = 'You are on hold';
		else if (session.isMuted() && state === State.CONNECTED)
			text = 'Talking, muted';
		this.#root.dataset.state = ended ? 'ended' : rings ? 'ringing' : state;
		this.#q('.peer').textContent = name;
		this.#q('.avatar').textContent = (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? '?').toUpperCase();
		this.#q('.state').textContent = this.#outcome || text;
		this.#q('.ringing').hidden = !rings;
		this.#q('.talking').hidden = ended || rings;
		this.#q('.meters').hidden = ended || rings;
		for (const control of ['.mute', '.hold', '.keys'])
			this.#q(control).disabled = !session.isEstablished();
		this.#q('.mute').setAttribute('aria-pressed', session.isMuted());
		this.#q('.hold').setAttribute('aria-pressed', hold.local);
		this.#q('.hold').textContent = hold.local ? 'Resume' : 'Hold';
		this.#q('.mute').textContent = session.isMuted() ? 'Unmute' : 'Mute';
		this.#tick();
	}

	#over({ cause, message }, failed) {
		this.#ringer.stop();
		clearInterval(this.#ticker);
		for (const { meter } of this.#meters)
			meter.close();
		this.#meters = [];
		this.#q('audio').srcObject = null;
		this.#q('.pad').hidden = true;
		this.#q('.unblock').hidden = true;
		const expected = ['Terminated', 'Canceled', 'Rejected', 'Answered Elsewhere'];
		const bad = failed && !expected.includes(cause);
		this.#outcome = failed ? cause : cause === 'Terminated' ? 'Ended' : cause;
		if (bad)
			this.#root.dataset.failed = '';
		this.show();
		log(`${peerName(this.#session.remoteIdentity)}: ${cause}` +
			(message && message !== cause ? ` (${message})` : ''), { bad });
		cards.delete(this.#session);
		showIdle();
		setTimeout(() => {
			this.#root.remove();
			showIdle();
		}, 6000);
	}
}

function showIdle() {
	$('idle').hidden = $('calls').children.length > 0;
}

// ---- the page around the calls ----

function showLink(state, text) {
	$('link').dataset.state = state;
	$('link-text').textContent = text;
}

function showPhone(on) {
	$('login').hidden = on;
	$('phone').hidden = !on;
	if (on) {
		$('me').textContent = peerName({ uri: ua.id });
		showRecent();
	} else {
		$('user').focus();
	}
}

function showRecent() {
	const names = remembered(localStorage, RECENT_KEY, ['echo', 'bob', 'phone']);
	$('quick').replaceChildren(...names.map((name) => {
		const button = document.createElement('button');
		button.type = 'button';
		button.textContent = name;
		button.addEventListener('click', () => {
			$('target').value = name;
			$('target').focus();
		});
		return button;
	}));
}

function showError(id, text) {
	$(id).textContent = text;
	$(id).hidden = !text;
}

function endpoint() {
	const url = new URL('3gpp-respect/v1', location.href);
	url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
	url.search = url.hash = '';
	return url.href;
}

function asUri(text) {
	const user = text.trim();
	return /^(sips?|tel):/i.test(user) ? user : `sip:${user}`;
}

// credentials: { password }, { getToken }, or nothing: only a resumption.
function logIn(id, credentials = {}) {
	ua = new UA({ endpoint: endpoint(), id, ...credentials, statsInterval: 1000 });
	const mine = ua;
	ua.on('connecting', ({ attempt }) =>
		showLink('wait', attempt ? 'Reconnecting' : 'Connecting'));
	ua.on('connected', () => showLink('wait', 'Logging in'));
	ua.on('registered', ({ resumed, refreshed }) => {
		remember(sessionStorage, IDENTITY_KEY, id);
		showLink('on', 'Ready');
		showError('login-error', '');
		if (!refreshed)
			log(resumed ? 'Registered again, calls taken over' : 'Registered');
		showPhone(true);
	});
	ua.on('disconnected', ({ code, reconnecting }) => {
		showLink(reconnecting ? 'wait' : 'off', reconnecting ? 'Reconnecting' : 'Offline');
		log(`Connection lost (${code})`, { bad: code !== 1000 });
		if (!reconnecting && $('login').hidden === false)
			$('login-form').querySelector('button').disabled = false;
	});
	ua.on('unregistered', ({ cause }) => {
		log(`No longer registered: ${cause}`);
		if (cause === 'Superseded' || cause === 'Deregistered') {
			remember(sessionStorage, IDENTITY_KEY, null);
			showError('login-error', cause === 'Superseded' ?
				'This phone was taken over by another window.' :
				'The network ended this registration.');
			showPhone(false);
		}
	});
	ua.on('registrationFailed', ({ status, message, willRetry }) => {
		if (willRetry) {
			log(`Log-in failed, trying again: ${message}`, { bad: true });
			return;
		}
		remember(sessionStorage, IDENTITY_KEY, null);
		forgetAccount();
		// Without credentials this was a resumption whose time had passed.
		const wrong = credentials.getToken ? 'Please log in again.' :
			'Address or password is not right.';
		showError('login-error', !credentials.getToken && credentials.password === undefined ?
			'' : status === 401 || status === 403 ? wrong : message);
		showLink('off', 'Offline');
		showPhone(false);
	});
	ua.on('newSession', ({ session, restored }) => {
		if (mine !== ua)
			return;
		cards.set(session, new CallCard(session));
		showIdle();
		if (restored)
			log(`${peerName(session.remoteIdentity)}: call taken over after the reload`);
		else if (session.direction === 'incoming')
			log(`${peerName(session.remoteIdentity)} calls`);
	});
	ua.on('traffic', logTraffic);
	ua.on('protocolError', ({ detail }) => log(`Protocol: ${detail}`, { bad: true }));
	ua.start();
}

function forgetAccount() {
	account?.forget();
	account = null;
}

$('login-form').addEventListener('submit', async (event) => {
	event.preventDefault();
	showError('login-error', '');
	audioContext();
	await ua?.stop();
	forgetAccount();
	logIn(asUri($('user').value), { password: $('password').value });
	$('password').value = '';
});

$('logout').addEventListener('click', async () => {
	remember(sessionStorage, IDENTITY_KEY, null);
	forgetAccount();
	await ua?.stop();
	showLink('off', 'Offline');
	showPhone(false);
});

$('dial-form').addEventListener('submit', (event) => {
	event.preventDefault();
	const target = $('target').value.trim();
	showError('dial-error', '');
	audioContext();
	try {
		if (!ua.isRegistered())
			throw new Error('Not connected to the gateway right now.');
		ua.call(target);
	} catch (error) {
		showError('dial-error', error.message);
		return;
	}
	const recent = remembered(localStorage, RECENT_KEY, ['echo', 'bob', 'phone']);
	remember(localStorage, RECENT_KEY,
		[target, ...recent.filter((name) => name !== target)].slice(0, 5));
	$('target').value = '';
	showRecent();
});

$('log-clear').addEventListener('click', () => {
	$('log').replaceChildren();
	$('log-count').textContent = '';
});

if (matchMedia('(max-width: 52rem)').matches)
	$('log-box').open = false;

// For the console, and for whoever wants to see the RTCPeerConnections.
Object.defineProperty(globalThis, 'isthmus', { get: () => ({ ua, sessions: ua?.sessions ?? [] }) });

async function offerAccountPage() {
	const metadata = await findAccountPage();
	$('account').hidden = !metadata;
	$('account-button').onclick = () => goToAccountPage(metadata).catch((error) =>
		showError('login-error', error.message));
}

async function begin() {
	const asked = new URLSearchParams(location.search);
	const earlier = remembered(sessionStorage, IDENTITY_KEY, null);
	try {
		account = await restoreAccount();
	} catch (error) {
		showError('login-error', error.message);
	}
	if (account) {
		logIn(account.id, { getToken: account.getToken });
	} else if (earlier) {
		logIn(earlier);
	} else {
		$('user').value = asked.get('user') ?? '';
		showPhone(false);
	}
	await offerAccountPage();
}

begin();
