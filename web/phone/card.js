// card.js - one call on the screen.  It keeps no call state of its own: it
// shows what its Session says.
import { State } from '../isthmus.js';
import { applySpeaker, audioConstraints, videoConstraints } from './devices.js';
import { log } from './log.js';
import { Meter, Ringer, audioContext } from './sounds.js';
import { aboutCall, duration, goodness, peerName } from './text.js';

const KEYS = [['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'],
	['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''],
	['0', '+'], ['#', '']];

const STATE_TEXT = {
	[State.INITIAL]: 'Getting the microphone',
	[State.PROCEEDING]: 'Calling',
	[State.ALERTING]: 'Ringing',
	[State.EARLY]: 'Listen',
	[State.CONNECTED]: 'Talking',
	[State.HELD]: 'On hold',
	[State.DISCONNECTED]: 'Ended',
};

const cards = new Map(); // Session -> CallCard

/** For UA's playback option. */
export const elementOf = (session) => cards.get(session).element;

export function showIdle() {
	document.getElementById('idle').hidden =
		document.getElementById('calls').children.length > 0;
}

export function showCall(session, { waiting }) {
	cards.set(session, new CallCard(session, waiting));
	showIdle();
}

class CallCard {
	#session;
	#waiting;
	#root;
	#ringer = new Ringer();
	#meters = [];
	#ticker = 0;
	#frame = 0;
	#outcome = '';
	#stats = '';
	#opinion = '';

	constructor(session, waiting) {
		this.#session = session;
		this.#waiting = waiting;
		this.#root = document.getElementById('call-template')
			.content.firstElementChild.cloneNode(true);
		this.#buildPad();
		this.#wireButtons();
		this.#wireSession();
		document.getElementById('calls').prepend(this.#root);
		this.show();
		this.#ticker = setInterval(() => this.#tick(), 500);
		this.#ring();
	}

	get element() { return this.#q('audio'); }
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

	// A button that is busy cannot be pressed again.
	#press(selector, what, action) {
		const button = this.#q(selector);
		button.addEventListener('click', async () => {
			button.disabled = true;
			await this.#do(what, action);
			button.disabled = false;
			this.show();
		});
	}

	#unfold(selector, part) {
		const button = this.#q(selector);
		button.addEventListener('click', () => {
			const open = this.#q(part).hidden;
			this.#q(part).hidden = !open;
			button.setAttribute('aria-pressed', open);
			button.setAttribute('aria-expanded', open);
			this.#q(part).querySelector('input')?.focus();
		});
	}

	#wireButtons() {
		const session = this.#session;
		const click = (selector, action) =>
			this.#q(selector).addEventListener('click', action);
		click('.answer', () => this.#answer());
		click('.decline', () => session.reject({ status: this.#waiting ? 486 : 603 }));
		click('.hangup', () => session.terminate());
		click('.mute', () => session.isMuted() ? session.unmute() : session.mute());
		this.#press('.hold', 'Hold', () => session.isOnHold().local ?
			session.ua.switchTo(session) : session.hold());
		this.#press('.video', 'Video', () => session.hasVideo().local ?
			session.removeVideo() : session.addVideo({ constraints: videoConstraints() }));
		this.#unfold('.keys', '.pad');
		this.#unfold('.transfer', '.transfer-form');
		click('.transfer', () => this.#showJoin());
		this.#q('.transfer-form').addEventListener('submit', (event) => {
			event.preventDefault();
			this.#transfer((target) => session.transfer(target));
		});
		click('.leave', () => {
			if (this.#q('.transfer-form').reportValidity())
				this.#transfer((target) => session.transfer(target, { leave: true }));
		});
		click('.join', () => {
			const other = this.#joinable();
			if (other)
				this.#transfer(() => session.joinWith(other));
		});
		click('.unblock', () => {
			audioContext();
			session.playback?.play().then((heard) => { this.#q('.unblock').hidden = heard; });
		});
	}

	#answer() {
		const options = { mediaConstraints: audioConstraints() };
		return this.#do('Answer', () => this.#session.ua.switchTo(this.#session, options));
	}

	async #transfer(move) {
		const buttons = [...this.#q('.transfer-form').querySelectorAll('button')];
		for (const button of buttons)
			button.disabled = true;
		await this.#do('Transfer', async () => {
			await move(this.#q('.transfer-form input').value);
			this.#q('.transfer').click();
			this.#q('.transfer-form input').value = '';
		});
		for (const button of buttons)
			button.disabled = false;
	}

	// The other call that is up, whose party this one could be given to.
	#joinable() {
		return this.#session.ua.sessions.find((other) =>
			other !== this.#session && other.isEstablished());
	}

	#wireSession() {
		const session = this.#session;
		const name = () => peerName(session.remoteIdentity);
		for (const event of ['state', 'muted', 'unmuted', 'hold', 'unhold', 'identity', 'video'])
			session.on(event, () => this.show());
		session.on('state', ({ state }) => {
			log(`${name()}: ${state}`);
			this.#ring();
		});
		session.on('hold', ({ originator }) =>
			log(originator === 'local' ? `${name()}: held here` : `${name()} holds the call`));
		session.on('unhold', ({ originator }) =>
			log(originator === 'local' ? `${name()}: taken back` : `${name()} is back`));
		session.on('icestate', ({ state }) => log(`${name()}: media path ${state}`));
		session.on('newDTMF', ({ originator, tones }) =>
			log(`${name()}: tone ${tones} ${originator === 'local' ? 'sent' : 'received'}`));
		session.on('peerconnection', () => this.#meter(session.localStream));
		session.on('track', ({ track }) => {
			if (track.kind !== 'audio')
				return;
			applySpeaker(session);
			this.#meter(session.remoteStream);
		});
		session.on('playbackblocked', () => { this.#q('.unblock').hidden = false; });
		session.on('video', () => this.#showPictures());
		session.on('device', ({ kind, label, lost }) => {
			log(lost && !label ? `No ${kind} device is left` : `Now with ${label || kind}`,
				{ bad: lost });
			this.#meter(session.localStream);
		});
		session.on('transfer', ({ state, target, message }) => log(
			`Transfer to ${peerName({ uri: target })}: ${message ?? state}`,
			{ bad: state === 'failed' }));
		session.on('accepted', () => this.#holdOthers());
		session.on('confirmed', () => log(`${name()}: audio flows`));
		session.on('getusermediafailed', ({ error }) =>
			log(`Microphone or camera: ${error.message}`, { bad: true }));
		session.on('stats', (stats) => this.#showStats(stats));
		session.on('quality', (quality) => this.#showQuality(quality));
		session.on('ended', (event) => this.#over(event, false));
		session.on('failed', (event) => this.#over(event, true));
	}

	// One of our own that is answered while another is up.
	#holdOthers() {
		this.#session.ua.switchTo(this.#session).catch(() => {});
	}

	async #do(what, action) {
		this.#q('.trouble').hidden = true;
		try {
			await action();
		} catch (error) {
			log(`${what}: ${error.message}`, { bad: true });
			this.#q('.trouble').textContent = `${what}: ${error.message}`;
			this.#q('.trouble').hidden = this.#session.isEnded();
		}
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

	// Ringback of calls of ours is the library's.
	#ring() {
		const { state, direction } = this.#session;
		const rings = direction === 'incoming' && !this.#session.isEstablished() &&
			state === State.ALERTING;
		if (!rings)
			this.#ringer.stop();
		else if (this.#waiting) // somebody is talking
			this.#ringer.start([440], 0.25, 5);
		else
			this.#ringer.start([440, 554], 0.9, 2.4);
	}

	#showPictures() {
		const { local, remote } = this.#session.hasVideo();
		const put = (selector, stream, on) => {
			const picture = this.#q(selector);
			picture.hidden = !on;
			picture.srcObject = on ? stream : null;
			if (on)
				picture.play().catch(() => {});
		};
		// muted: the voice is in the audio element already
		put('.far', this.#session.remoteStream, remote);
		put('.near', this.#session.localStream, local);
		this.#q('.pictures').hidden = !local && !remote;
	}

	#showStats(stats) {
		const part = (value, text) => value === null ? [] : [text];
		this.#stats = [
			...part(stats.codec, String(stats.codec).replace('audio/', '')),
			...part(stats.rttMs, `${Math.round(stats.rttMs)} ms`),
			`${stats.packetsReceived} in, ${stats.packetsSent} out`,
			...part(stats.packetsLost || null, `${stats.packetsLost} lost`),
			...part(stats.video?.width || null, `${stats.video?.width}×${stats.video?.height}`),
		].join(' \u00b7 ');
		this.#q('.quality').textContent = this.#stats;
	}

	#showQuality({ heardHere, heardThere, near, far, video = [] }) {
		const mos = (value) => value === null ? '' : ` ${goodness(value)} (${value.toFixed(1)})`;
		const loss = Math.max(near.toGateway.lossPercent ?? 0, near.fromGateway.lossPercent ?? 0);
		const beyond = Math.max(far.toGateway.lossPercent ?? 0, far.fromGateway.lossPercent ?? 0);
		const unseen = Math.max(0, ...video.map((line) =>
			line.near.fromGateway.lossPercent ?? 0));
		this.#opinion = [
			...heardHere === null ? [] : [`You hear${mos(heardHere)}`],
			...heardThere === null ? [] : [`they hear${mos(heardThere)}`],
			...loss >= 0.5 ? [`${loss.toFixed(1)} % lost on your side`] : [],
			...beyond >= 0.5 ? [`${beyond.toFixed(1)} % lost beyond`] : [],
			...unseen >= 0.5 ? [`${unseen.toFixed(1)} % of the picture lost`] : [],
		].join(' \u00b7 ');
		this.#q('.opinion').textContent = this.#opinion;
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
			text = this.#waiting ? 'Calls you, and waits' : 'Calls you';
		else if (state === State.HELD && hold.remote && !hold.local)
			text = 'You are on hold';
		else if (session.isMuted() && state === State.CONNECTED)
			text = 'Talking, muted';
		this.#root.dataset.state = ended ? 'ended' : rings ? 'ringing' : state;
		this.#q('.peer').textContent = name;
		this.#q('.avatar').textContent = (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? '?').toUpperCase();
		this.#q('.state').textContent = this.#outcome || text;
		this.#q('.about').textContent = aboutCall(session.callInfo);
		this.#q('.ringing').hidden = !rings;
		this.#q('.answer').textContent = this.#waiting ? 'Hold and answer' : 'Answer';
		this.#q('.talking').hidden = ended || rings;
		this.#q('.meters').hidden = ended || rings;
		for (const control of ['.mute', '.hold', '.keys', '.video', '.transfer'])
			this.#q(control).disabled = !session.isEstablished();
		const video = session.hasVideo().local;
		this.#q('.mute').setAttribute('aria-pressed', session.isMuted());
		this.#q('.hold').setAttribute('aria-pressed', hold.local);
		this.#q('.video').setAttribute('aria-pressed', video);
		this.#q('.hold').textContent = hold.local ? 'Resume' : 'Hold';
		this.#q('.mute').textContent = session.isMuted() ? 'Unmute' : 'Mute';
		this.#q('.video').textContent = video ? 'Camera off' : 'Video';
		this.#showJoin();
		this.#tick();
	}

	#showJoin() {
		const other = this.#joinable();
		const join = this.#q('.join');
		join.hidden = !other;
		join.textContent = other ? `Join with ${peerName(other.remoteIdentity)}` : '';
	}

	#over({ cause, message, emergency }, failed) {
		this.#ringer.stop();
		clearInterval(this.#ticker);
		for (const { meter } of this.#meters)
			meter.close();
		this.#meters = [];
		for (const part of ['.pad', '.unblock', '.transfer-form', '.trouble', '.pictures'])
			this.#q(part).hidden = true;
		for (const picture of this.#root.querySelectorAll('video'))
			picture.srcObject = null;
		const expected = ['Terminated', 'Canceled', 'Rejected', 'Answered Elsewhere'];
		const bad = failed && !expected.includes(cause);
		this.#outcome = failed ? cause : cause === 'Terminated' ? 'Ended' : cause;
		if (emergency) {
			this.#outcome = message;
			this.#root.dataset.emergency = '';
		}
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
		}, emergency ? 60000 : 6000);
	}
}
