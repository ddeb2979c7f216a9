// app.js - the demo phone: a page around isthmus.js, without a framework.
// Logging in, dialling and the page are here; calls, messages and devices are
// in phone/.
//
// The log-in survives a reload through the library's single-use credential;
// the password is never stored.

import { UA } from './isthmus.js';
import { findAccountPage, goToAccountPage, restoreAccount } from './login.js';
import { elementOf, showCall } from './phone/card.js';
import { audioConstraints, offerDevices } from './phone/devices.js';
import { remember, remembered } from './phone/kept.js';
import { log, logTraffic } from './phone/log.js';
import { offerMessages, readMessages } from './phone/messages.js';
import { audioContext } from './phone/sounds.js';
import { peerName } from './phone/text.js';

const $ = (id) => document.getElementById(id);
const IDENTITY_KEY = 'isthmus-demo:id';
const RECENT_KEY = 'isthmus-demo:recent';

let ua = null;
let account = null; // logged in at the account page

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
	ua = new UA({
		endpoint: endpoint(), id, ...credentials, statsInterval: 1000,
		playback: elementOf,
	});
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
	ua.on('newSession', ({ session, restored, waiting }) => {
		if (mine !== ua)
			return;
		showCall(session, { waiting });
		if (restored)
			log(`${peerName(session.remoteIdentity)}: call taken over after the reload`);
		else if (session.direction === 'incoming')
			log(`${peerName(session.remoteIdentity)} calls`);
	});
	readMessages(ua);
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
		ua.call(target, { mediaConstraints: audioConstraints() });
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

offerDevices(() => ua?.sessions ?? []);
offerMessages(() => ua);

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
