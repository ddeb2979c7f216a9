// sessions.js - the calls of one registration: by name, not yet named, and
// ended here but not yet at the gateway.
import { problem } from './errors.js';
import { State } from './protocol.js';
import { SECRET, Session } from './session.js';

// Both spellings of who began it.
function isOutgoing(info) {
	return /^(out|orig)/i.test(info.direction ?? '');
}

export class Sessions {
	#ua;
	#named = new Map(); // by mediaSessionId
	#unnamed = new Set(); // calls whose msetup is not answered yet
	#orphans = new Map(); // ended here, not yet told to the gateway

	constructor(ua) {
		this.#ua = ua;
	}

	get all() { return [...this.#named.values(), ...this.#unnamed]; }
	get named() { return [...this.#named.values()]; }

	/** An outgoing call to @target, a URI. */
	call(target) {
		const session = new Session(SECRET, this.#ua, {
			direction: 'outgoing', target,
		});
		this.#unnamed.add(session);
		return session;
	}

	name(session) {
		this.#unnamed.delete(session);
		this.#named.set(session.id, session);
	}

	forget(session) {
		this.#unnamed.delete(session);
		if (this.#named.get(session.id) === session)
			this.#named.delete(session.id);
	}

	forgetOrphans() {
		this.#orphans.clear();
	}

	drop(cause) {
		for (const session of this.all)
			session._lost(cause);
	}

	/** The one that a request of the gateway is about. */
	of(message) {
		if (typeof message.mediaSessionId !== 'string')
			throw problem(400, 'mediaSessionId is missing');
		const session = this.#named.get(message.mediaSessionId);
		if (!session)
			throw problem(481, 'no such media session');
		return session;
	}

	/** msetup of the gateway. */
	incoming(message) {
		const id = message.mediaSessionId;
		if (typeof id !== 'string' || !id)
			throw problem(400, 'mediaSessionId is missing');
		if (typeof message.sdpOffer !== 'string')
			throw problem(400, 'sdpOffer is missing');
		const known = this.#named.get(id);
		if (known) // sent again on a new connection
			return { members: { mediaSessionId: id, mediaSessionState: known.state } };
		if (this.#orphans.has(id))
			throw problem(603, 'declined');
		if (this.all.length >= this.#ua.config.maxSessions)
			throw problem(486, 'too many calls here');
		const session = new Session(SECRET, this.#ua, {
			direction: 'incoming', target: message.resourceId, id,
			state: State.ALERTING, sdpOffer: message.sdpOffer,
			userData: message.userData, callInfo: message.callInfo,
			remote: {
				uri: message.assertedOriginatingId ?? null,
				displayName: message.assertedOriginatingName ?? '',
			},
		});
		this.#named.set(id, session);
		return {
			members: { mediaSessionId: id, mediaSessionState: State.ALERTING },
			// The response first: the application may answer at once.
			after: () => this.#ua._emit('newSession', {
				originator: 'remote', session, restored: false,
				waiting: this.all.some((s) => s !== session && s.isEstablished()),
			}),
		};
	}

	/** mdisc, now or when there is a connection again. */
	hangUp(id, params) {
		this.#orphans.set(id, params);
		if (this.#ua.isRegistered())
			this.#tellOrphan(id, params);
	}

	#tellOrphan(id, params) {
		this.#ua._request('mdisc', { mediaSessionId: id, ...params }).then(
			() => this.#orphans.delete(id),
			(error) => {
				if (error.code !== 'disconnected')
					this.#orphans.delete(id);
			});
	}

	// The gateway's list is the truth: what is not in it is over, what we do
	// not know of is a call of the page before its reload.
	reconcile(list) {
		const listed = new Map(list.filter((s) => s?.mediaSessionId)
			.map((s) => [s.mediaSessionId, s]));
		for (const [id, params] of [...this.#orphans]) {
			if (listed.delete(id))
				this.#tellOrphan(id, params);
			else
				this.#orphans.delete(id);
		}
		for (const session of this.named) {
			if (listed.has(session.id))
				session._reconnected(listed.get(session.id));
			else
				session._lost('Terminated');
			listed.delete(session.id);
		}
		for (const session of [...this.#unnamed]) {
			const mine = [...listed.values()].find((s) =>
				isOutgoing(s) && s.peer === session.target);
			if (session._adopt(mine))
				listed.delete(mine.mediaSessionId);
		}
		for (const info of listed.values())
			this.#restore(info);
	}

	#restore(info) {
		const id = info.mediaSessionId;
		const state = info.mediaSessionState;
		const live = ['connected', 'held', 'updating'].includes(state);
		if (!live) {
			// Incoming and ringing: the gateway sends its msetup again.
			// Outgoing and not answered: the keys of its offer are gone.
			if (isOutgoing(info))
				this.hangUp(id, {});
			return;
		}
		if (!this.#ua.config.restoreSessions) {
			this.hangUp(id, {});
			return;
		}
		const session = new Session(SECRET, this.#ua, {
			direction: isOutgoing(info) ? 'outgoing' : 'incoming',
			target: info.peer, id, state, restored: true, since: info.since,
		});
		this.#named.set(id, session);
		this.#ua._emit('newSession', {
			originator: isOutgoing(info) ? 'local' : 'remote', session,
			restored: true, waiting: false,
		});
		queueMicrotask(() => session._resumeUnlessDone());
	}
}
