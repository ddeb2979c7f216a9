// cx.mjs - the Cx procedures of TS 29.228 6.1 to 6.3 over a table of users: a
// request's AVPs in, the answer's AVPs out.  No I/O.
import { createHash } from 'node:crypto';
import { avp, find, group, number, text } from './diameter.mjs';
import { ASSIGNMENT, AUTHORIZATION_DEREGISTRATION, AVP, COMMAND, CX_RESULT,
	RESULT, VENDOR_3GPP } from './dictionary.mjs';
import { nextSqn, resynchronise, sqnBytes, vector } from './milenage.mjs';
import { profile } from './profile.mjs';

const REALM = 'ims.test';
const SCHEME_DIGEST = 'SIP Digest';
const SCHEME_AKA = 'Digest-AKAv1-MD5';
const MAX_VECTORS = 5;

export const REGISTERED = 'registered';
export const UNREGISTERED = 'unregistered'; // served, for terminating services
export const NOT_REGISTERED = 'not-registered';

const ok = (...avps) => [avp(AVP.RESULT_CODE, RESULT.SUCCESS), ...avps];
const failed = (code, ...avps) => [avp(AVP.RESULT_CODE, code), ...avps];
const cxResult = (code, ...avps) => [
	avp(AVP.EXPERIMENTAL_RESULT, [avp(AVP.VENDOR_ID, VENDOR_3GPP),
		avp(AVP.EXPERIMENTAL_RESULT_CODE, code)]),
	...avps];

// 33.102 C.1.2: a number that follows the clock, so that after a restart none
// comes again.
function firstSqn() {
	return BigInt(Math.floor(Date.now() / 1000)) << 5n;
}

export class Cx {
	/** @users as of subscribers.mjs; @scscf is given to who has none yet. */
	constructor(users, { scscf }) {
		this.scscf = scscf;
		this.records = new Map();
		this.byImpu = new Map();
		for (const user of users.values()) {
			const record = { ...user, state: NOT_REGISTERED, serverName: '',
				originHost: '', sqn: firstSqn() };
			this.records.set(user.impi, record);
			for (const impu of user.impus)
				this.byImpu.set(impu, record);
		}
		this.procedures = {
			[COMMAND.UA]: (avps) => this.#userAuthorization(avps),
			[COMMAND.LI]: (avps) => this.#locationInfo(avps),
			[COMMAND.MA]: (avps) => this.#multimediaAuth(avps),
			[COMMAND.SA]: (avps) => this.#serverAssignment(avps),
		};
	}

	/** The AVPs of the answer, or null for a command that is not ours. */
	answer(command, avps) {
		return this.procedures[command]?.(avps) ?? null;
	}

	// The user of a request that names IMPI and IMPU, or the refusal.
	#user(avps) {
		const impi = text(avps, AVP.USER_NAME);
		const impu = text(avps, AVP.PUBLIC_IDENTITY);
		for (const [id, value] of [[AVP.USER_NAME, impi], [AVP.PUBLIC_IDENTITY, impu]])
			if (value === undefined)
				return { refusal: failed(RESULT.MISSING_AVP,
					avp(AVP.FAILED_AVP, [avp(id, '')])) };
		const user = this.records.get(impi);
		if (!user || !this.byImpu.has(impu))
			return { refusal: cxResult(CX_RESULT.USER_UNKNOWN) };
		if (this.byImpu.get(impu) !== user)
			return { refusal: cxResult(CX_RESULT.IDENTITIES_DONT_MATCH) };
		return { user, impu };
	}

	// 29.228 6.1.1.1
	#userAuthorization(avps) {
		const { user, refusal } = this.#user(avps);
		if (refusal)
			return refusal;
		const server = avp(AVP.SERVER_NAME, user.serverName || this.scscf);
		if (number(avps, AVP.USER_AUTHORIZATION_TYPE) ===
		    AUTHORIZATION_DEREGISTRATION) {
			if (user.state === NOT_REGISTERED)
				return cxResult(CX_RESULT.IDENTITY_NOT_REGISTERED);
			return ok(server);
		}
		return cxResult(user.state === NOT_REGISTERED ?
			CX_RESULT.FIRST_REGISTRATION : CX_RESULT.SUBSEQUENT_REGISTRATION,
		server);
	}

	// 29.228 6.1.4.1
	#locationInfo(avps) {
		const user = this.byImpu.get(text(avps, AVP.PUBLIC_IDENTITY));
		if (!user)
			return cxResult(CX_RESULT.USER_UNKNOWN);
		if (!user.serverName)
			return cxResult(CX_RESULT.IDENTITY_NOT_REGISTERED);
		return ok(avp(AVP.SERVER_NAME, user.serverName));
	}

	// 29.228 6.3.1.  Kamailio wants both names back, also in a refusal: it
	// takes a missing one for the reason.
	#multimediaAuth(avps) {
		const names = [AVP.USER_NAME, AVP.PUBLIC_IDENTITY]
			.map((id) => avp(id, text(avps, id) ?? ''));
		const { user, refusal } = this.#user(avps);
		if (refusal)
			return [...refusal, ...names];
		const item = group(avps, AVP.SIP_AUTH_DATA_ITEM) ?? [];
		const asked = text(item, AVP.SIP_AUTHENTICATION_SCHEME) ?? 'unknown';
		const scheme = user.aka ? SCHEME_AKA : SCHEME_DIGEST;
		// "unknown" is how Kamailio leaves the choice to us.
		if (asked !== 'unknown' && asked !== scheme)
			return [...cxResult(CX_RESULT.AUTH_SCHEME_NOT_SUPPORTED), ...names];
		const count = user.aka ? Math.min(MAX_VECTORS,
			number(avps, AVP.SIP_NUMBER_AUTH_ITEMS) || 1) : 1;
		const authorization = find(item, AVP.SIP_AUTHORIZATION);
		if (user.aka && authorization?.data.length)
			this.#resynchronise(user, authorization.data);
		const items = Array.from({ length: count }, (_, i) => user.aka ?
			this.#akaItem(user, i + 1) : digestItem(user));
		return ok(...names, avp(AVP.SIP_NUMBER_AUTH_ITEMS, count), ...items);
	}

	// SIP-Authorization is RAND and AUTS.  What does not verify changes
	// nothing: the terminal asks again, or is somebody else.
	#resynchronise(user, authorization) {
		if (authorization.length !== 30)
			return;
		const sqn = resynchronise(user.aka, authorization.subarray(0, 16),
			authorization.subarray(16));
		if (sqn)
			user.sqn = BigInt(`0x${sqn.toString('hex')}`);
	}

	#akaItem(user, itemNumber) {
		user.sqn = nextSqn(user.sqn);
		const { rand, autn, xres, ck, ik } = vector(user.aka, sqnBytes(user.sqn));
		return avp(AVP.SIP_AUTH_DATA_ITEM, [
			avp(AVP.SIP_ITEM_NUMBER, itemNumber),
			avp(AVP.SIP_AUTHENTICATION_SCHEME, SCHEME_AKA),
			avp(AVP.SIP_AUTHENTICATE, Buffer.concat([rand, autn])),
			avp(AVP.SIP_AUTHORIZATION, xres),
			avp(AVP.CONFIDENTIALITY_KEY, ck),
			avp(AVP.INTEGRITY_KEY, ik),
		]);
	}

	// 29.228 6.1.2.1
	#serverAssignment(avps) {
		const { user, refusal } = this.#user(avps);
		if (refusal)
			return refusal;
		const type = number(avps, AVP.SERVER_ASSIGNMENT_TYPE);
		const data = () => (number(avps, AVP.USER_DATA_ALREADY_AVAILABLE) === 1 ?
			[] : [avp(AVP.USER_DATA, profile(user))]);
		const name = avp(AVP.USER_NAME, user.impi);
		switch (type) {
		case ASSIGNMENT.REGISTRATION:
		case ASSIGNMENT.RE_REGISTRATION:
		case ASSIGNMENT.UNREGISTERED_USER:
			user.state = type === ASSIGNMENT.UNREGISTERED_USER ?
				UNREGISTERED : REGISTERED;
			user.serverName = text(avps, AVP.SERVER_NAME) ?? this.scscf;
			user.originHost = text(avps, AVP.ORIGIN_HOST) ?? '';
			return ok(name, ...data());
		case ASSIGNMENT.NO_ASSIGNMENT:
			return ok(name, ...data());
		case ASSIGNMENT.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME:
		case ASSIGNMENT.USER_DEREGISTRATION_STORE_SERVER_NAME:
			user.state = UNREGISTERED;
			return ok(name);
		case ASSIGNMENT.TIMEOUT_DEREGISTRATION:
		case ASSIGNMENT.USER_DEREGISTRATION:
		case ASSIGNMENT.ADMINISTRATIVE_DEREGISTRATION:
		case ASSIGNMENT.DEREGISTRATION_TOO_MUCH_DATA:
			this.forget(user);
			return ok(name);
		case ASSIGNMENT.AUTHENTICATION_FAILURE:
		case ASSIGNMENT.AUTHENTICATION_TIMEOUT:
			// Somebody failed to be this user; who is registered, stays.
			return ok(name);
		default:
			return cxResult(CX_RESULT.IN_ASSIGNMENT_TYPE, name);
		}
	}

	forget(user) {
		Object.assign(user, { state: NOT_REGISTERED, serverName: '', originHost: '' });
	}
}

// Digest-HA1 is H(A1) of RFC 2617, so that no password leaves us.
function digestItem({ impi, password }) {
	const ha1 = createHash('md5').update(`${impi}:${REALM}:${password}`).digest('hex');
	return avp(AVP.SIP_AUTH_DATA_ITEM, [
		avp(AVP.SIP_AUTHENTICATION_SCHEME, SCHEME_DIGEST),
		avp(AVP.SIP_DIGEST_AUTHENTICATE, [
			avp(AVP.DIGEST_REALM, REALM),
			avp(AVP.DIGEST_ALGORITHM, 'MD5'),
			avp(AVP.DIGEST_QOP, 'auth'),
			avp(AVP.DIGEST_HA1, ha1),
		]),
	]);
}
