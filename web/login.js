// login.js - logging in at the gateway's account page: OAuth 2.0 authorization
// code with PKCE (RFC 6749, 7636), for a page that can keep no secret.
//
// The password is typed on the account page only.  What is kept between loads
// of this tab is the refresh token, which works once.

const CLIENT_ID = 'isthmus-phone';
const PENDING_KEY = 'isthmus-login:pending';
const TOKENS_KEY = 'isthmus-login:tokens';

function read(key) {
	try {
		return JSON.parse(sessionStorage.getItem(key));
	} catch {
		return null;
	}
}

function write(key, value) {
	try {
		if (value === null)
			sessionStorage.removeItem(key);
		else
			sessionStorage.setItem(key, JSON.stringify(value));
	} catch { /* private mode: the tab forgets it when it is reloaded */ }
}

function base64url(bytes) {
	return btoa(String.fromCharCode(...bytes))
		.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function s256(verifier) {
	const bytes = new TextEncoder().encode(verifier);
	return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

// Letter by letter what is configured: this folder, without a query.
const redirectUri = () => new URL('.', location.origin + location.pathname).href;

/** An error with the status that says: log in again. */
function refused(message) {
	return Object.assign(new Error(message), { name: 'LoginError', status: 401 });
}

/** The account page of this gateway, or null where there is none. */
export async function findAccountPage() {
	try {
		const discovery = await (await fetch('/.well-known/3gpp-respect')).json();
		// Its answers come to the one address that it knows itself by.
		if (discovery.authorizationServer !== location.origin)
			return null;
		const response = await fetch('/.well-known/oauth-authorization-server');
		const metadata = response.ok ? await response.json() : null;
		return metadata?.issuer === location.origin ? metadata : null;
	} catch {
		return null;
	}
}

/** Leaves this page for the account page. */
export async function goToAccountPage(metadata) {
	const pending = { verifier: random(), state: random(), redirect: redirectUri(), metadata };
	write(PENDING_KEY, pending);
	const url = new URL(metadata.authorization_endpoint);
	url.search = new URLSearchParams({
		response_type: 'code', client_id: CLIENT_ID, redirect_uri: pending.redirect,
		state: pending.state, code_challenge: await s256(pending.verifier),
		code_challenge_method: 'S256',
	});
	location.assign(url);
}

/** Tokens of one log-in: getToken() is what the UA wants. */
export class Account {
	#endpoint;
	#tokens;
	#busy = null;

	constructor(endpoint, tokens) {
		this.#endpoint = endpoint;
		this.#keep(tokens);
	}

	get id() { return this.#tokens.webrtcId; }

	/** Bound, so that it can be handed over. */
	getToken = async () => {
		const { access_token: token, from, until } = this.#tokens;
		// A registration lasts no longer than its token: one that is half
		// over is not used for a new one.
		if (token && Date.now() < from + (until - from) / 2)
			return token;
		this.#busy ??= this.#renew().finally(() => { this.#busy = null; });
		await this.#busy;
		return this.#tokens.access_token;
	};

	forget() {
		write(TOKENS_KEY, null);
	}

	async #renew() {
		this.#keep(await askForTokens(this.#endpoint, {
			grant_type: 'refresh_token', refresh_token: this.#tokens.refresh_token,
		}, this));
	}

	#keep(tokens) {
		const from = tokens.from ?? Date.now();
		const until = tokens.until ?? from + tokens.expires_in * 1000;
		this.#tokens = { ...tokens, from, until };
		write(TOKENS_KEY, { endpoint: this.#endpoint, tokens: this.#tokens });
	}
}

async function askForTokens(endpoint, form, account = null) {
	const response = await fetch(endpoint, {
		method: 'POST', body: new URLSearchParams({ client_id: CLIENT_ID, ...form }),
		credentials: 'omit', cache: 'no-store',
	});
	if (response.ok)
		return response.json();
	if (response.status === 429 || response.status >= 500)
		throw new Error(`the account page answers ${response.status}`);
	account?.forget();
	throw refused('Please log in again.');
}

/**
 * Back from the account page, or loaded anew: the Account, null when nobody has
 * logged in, or a LoginError.
 */
export async function restoreAccount() {
	const asked = new URLSearchParams(location.search);
	const pending = read(PENDING_KEY);
	if (!asked.has('state') || !(asked.has('code') || asked.has('error'))) {
		const kept = read(TOKENS_KEY);
		return kept ? new Account(kept.endpoint, kept.tokens) : null;
	}
	// Neither in the history, nor in a bookmark.
	history.replaceState(null, '', redirectUri());
	write(PENDING_KEY, null);
	if (!pending || asked.get('state') !== pending.state ||
	    asked.get('iss') !== pending.metadata.issuer)
		throw refused('That log-in was not begun here.');
	if (asked.has('error'))
		throw refused(`The account page says: ${asked.get('error')}`);
	const endpoint = pending.metadata.token_endpoint;
	return new Account(endpoint, await askForTokens(endpoint, {
		grant_type: 'authorization_code', code: asked.get('code'),
		redirect_uri: pending.redirect, code_verifier: pending.verifier,
	}));
}
