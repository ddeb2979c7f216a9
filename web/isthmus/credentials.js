// credentials.js - logging in: what proves who we are, and the single-use
// credential that continues a registration over lost sockets and reloads.
import { IsthmusError } from './errors.js';
import { Store } from './store.js';

function base64(text) {
	let binary = '';
	for (const byte of new TextEncoder().encode(text))
		binary += String.fromCharCode(byte);
	return btoa(binary);
}

export class Credentials {
	#config;
	#store;
	#single; // for authType reauth
	#given = null; // the id that the gateway made up: anonymous

	constructor(config) {
		this.#config = config;
		this.#store = new Store(config.storage,
			`isthmus:${config.endpoint}:${config.id}`);
		const stored = this.#store.load();
		this.#single = stored.credential ?? null;
		this.#given = this.#single && config.anonymous && stored.id || null;
	}

	get id() { return this.#given ?? this.#config.id; }

	get canResume() { return this.#single !== null; }

	/** What the gateway gave with a registration. */
	keep(credential, id) {
		this.#single = credential ?? null;
		if (this.#config.anonymous && id)
			this.#given = id;
		if (this.#single)
			this.#store.save({ credential: this.#single,
				...this.#given ? { id: this.#given } : {} });
	}

	/** Members of an auth request that continues the registration, or null.
	 * It works once, whatever comes of it. */
	takeSingle() {
		const authorization = this.#single;
		if (!authorization)
			return null;
		this.forget();
		return { authType: 'reauth', authorization };
	}

	/** @stored: another page of this tab may not use it either. */
	forget(stored = true) {
		this.#single = null;
		if (stored)
			this.#store.clear();
	}

	/** Members that prove it anew: token or password; or that ask to be asked. */
	async fresh() {
		const { id, token, getToken, password, answerChallenge, anonymous } = this.#config;
		if (anonymous)
			return { authType: 'anonymous' };
		if (answerChallenge)
			return { authType: 'digest' };
		if (getToken || token !== undefined) {
			const bearer = getToken ? await getToken() : token;
			return { authType: 'bearer', authorization: `Bearer ${bearer}` };
		}
		if (password === undefined)
			throw new IsthmusError('credentials',
				'no password, token or getToken is configured', { status: 401 });
		// RFC 7617 2: a user-id holds no colon, so the URI goes without scheme.
		const user = id.replace(/^(sip|sips|tel):/i, '');
		return {
			authType: 'basic',
			authorization: `Basic ${base64(`${user}:${password}`)}`,
		};
	}

	/** The whole auth request. */
	params(proof) {
		const { disconnectionTtl, expiration, supportedExtension } = this.#config;
		return {
			webrtcId: this.id, ...proof, disconnectionTtl,
			...expiration === undefined ? {} : { expiration },
			...supportedExtension.length ? { supportedExtension } : {},
		};
	}
}
