// mock.mjs - a small RESPECT server for tests of the client library alone.
//
// It joins two registered clients by passing their descriptions through, so
// real RTCPeerConnections talk to each other, and it can misbehave on demand:
// lose sockets, close with any code, refuse, cross offers, repeat requests.
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { WebSocketServer } from 'ws';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript',
	'.css': 'text/css', '.svg': 'image/svg+xml' };

export async function startMock({ port, root, password = 'demo' }) {
	const server = http.createServer((request, response) => {
		const name = new URL(request.url, 'http://x').pathname;
		const file = path.join(root, name === '/' ? 'index.html' : path.normalize(name));
		if (!file.startsWith(root) || !fs.existsSync(file)) {
			response.writeHead(404).end();
			return;
		}
		response.writeHead(200, {
			'Content-Type': TYPES[path.extname(file)] ?? 'text/plain',
			'Content-Security-Policy': "default-src 'self'; connect-src 'self' ws:; " +
				"style-src 'self'; media-src 'self' blob: mediastream:",
		}).end(fs.readFileSync(file));
	});
	const mock = new Mock(password);
	const sockets = new WebSocketServer({
		server, path: '/3gpp-respect/v1',
		handleProtocols: (offered) => offered.has('3gpp.RESPECT.v1') &&
			'3gpp.RESPECT.v1',
	});
	sockets.on('connection', (socket) => mock.connected(socket));
	await new Promise((done) => server.listen(port, '127.0.0.1', done));
	mock.url = `http://127.0.0.1:${port}`;
	mock.endpoint = `ws://127.0.0.1:${port}/3gpp-respect/v1`;
	mock.stop = () => {
		for (const socket of sockets.clients)
			socket.terminate();
		sockets.close();
		server.closeAllConnections();
		return new Promise((done) => server.close(done));
	};
	return mock;
}

class Mock {
	clients = new Map(); // webrtcId -> { socket, send, credential }
	legs = new Map(); // mediaSessionId -> { owner, peer, state, direction }
	log = []; // every message, for assertions
	refuseNext = new Map(); // method -> problem status of the next one
	expiration = 3600;

	constructor(password) {
		this.password = password;
	}

	connected(socket) {
		let nextId = 1;
		const pending = new Map();
		const conn = { socket, id: null };
		conn.send = (message) => {
			this.log.push({ dir: 's2c', msg: message });
			socket.send(JSON.stringify(message));
		};
		conn.request = (method, members) => new Promise((resolve) => {
			const transactionId = nextId;
			nextId += 2;
			pending.set(transactionId, resolve);
			conn.send({ messageType: 'request', method, transactionId, ...members });
		});
		socket.on('message', (data) => {
			const message = JSON.parse(String(data));
			this.log.push({ dir: 'c2s', msg: message });
			if (message.messageType === 'response') {
				pending.get(message.transactionId)?.(message);
				pending.delete(message.transactionId);
				return;
			}
			const answer = (members, status = 0) => conn.send({
				messageType: 'response', method: message.method,
				transactionId: message.transactionId, success: !status, ...members,
				...status ? { problemDetails: { type: 'about:blank', title: 'refused', status } } : {},
			});
			const status = this.refuseNext.get(message.method);
			if (status) {
				this.refuseNext.delete(message.method);
				answer({}, status);
				return;
			}
			this[message.method]?.(conn, message, answer) ?? undefined;
		});
	}

	auth(conn, message, answer) {
		const { authType, authorization, expiration } = message;
		// Anonymous users get an id of their own.
		const webrtcId = authType === 'anonymous' && !conn.id ?
			`sip:${randomUUID()}@anonymous.invalid` : message.webrtcId;
		const old = this.clients.get(webrtcId);
		if (expiration === 0) {
			answer({ expiration: 0 });
			this.clients.delete(webrtcId);
			conn.socket.close(1000);
			return;
		}
		const basic = `Basic ${Buffer.from(
			`${webrtcId.replace(/^sip:/, '')}:${this.password}`).toString('base64')}`;
		const good = authType === 'reauth' ? authorization === old?.credential :
			authType === 'bearer' ? authorization === `Bearer ${this.token}` :
			authType === 'anonymous' ? webrtcId === (conn.id ?? webrtcId) :
			authorization === basic;
		if (!good) {
			answer({ wwwAuthenticate: 'Basic realm="mock"' }, 401);
			return;
		}
		conn.id = webrtcId;
		if (authType !== 'reauth')
			for (const [id, leg] of this.legs)
				if (leg.owner === webrtcId)
					this.legs.delete(id);
		const credential = randomUUID();
		this.clients.set(webrtcId, { conn, credential });
		answer({ webrtcId, expiration: this.expiration, reauthCredential: credential,
			disconnectionTtl: 30 });
	}

	getinfo(conn, message, answer) {
		const resources = {};
		for (const name of message.resources)
			resources[name] = { iceServers: [], registration: { state: 'registered' },
				mediaSessions: [...this.legs].filter(([, l]) => l.owner === conn.id)
					.map(([mediaSessionId, l]) => ({ mediaSessionId,
						mediaSessionState: l.state, direction: l.direction,
						peer: l.other, since: l.since })) }[name] ?? null;
		answer({ resources });
	}

	msetup(conn, message, answer) {
		const callee = this.clients.get(message.resourceId);
		if (!callee) {
			answer({}, 404);
			return;
		}
		const [a, b] = [`ms-${randomUUID().slice(0, 8)}`, `ms-${randomUUID().slice(0, 8)}`];
		const since = new Date().toISOString();
		this.legs.set(a, { owner: conn.id, other: message.resourceId, peer: b,
			state: 'proceeding', direction: 'originating', since });
		this.legs.set(b, { owner: message.resourceId, other: conn.id, peer: a,
			state: 'alerting', direction: 'terminating', since });
		answer({ mediaSessionId: a, mediaSessionState: 'proceeding' });
		callee.conn.request('msetup', { resourceId: message.resourceId,
			mediaSessionId: b, sdpOffer: message.preOffer,
			assertedOriginatingId: conn.id, assertedOriginatingName: 'Mock caller' })
			.then((response) => response.success ?
				this.tell(a, 'mupdate', { mediaSessionState: 'alerting' }) :
				this.tell(a, 'mdisc', { problemDetails: response.problemDetails }));
	}

	mupdate(conn, message, answer) {
		const leg = this.legs.get(message.mediaSessionId);
		if (!leg) {
			answer({}, 481);
			return;
		}
		const { sdpOffer, sdpAnswer, userData } = message;
		const other = this.legs.get(leg.peer);
		if (sdpOffer && (leg.offered || other.offered)) {
			answer({ mediaSessionId: message.mediaSessionId, retryAfter: 0 }, 491);
			return;
		}
		answer({ mediaSessionId: message.mediaSessionId });
		if (sdpOffer)
			leg.offered = true;
		if (sdpAnswer)
			other.offered = false;
		const members = { sdpOffer, sdpAnswer, userData };
		if (sdpAnswer && leg.state !== 'connected') {
			for (const id of [message.mediaSessionId, leg.peer])
				this.legs.get(id).state = 'connected';
			members.mediaSessionState = 'connected';
			members.assertedTerminatingId = conn.id;
		}
		this.tell(leg.peer, 'mupdate', members)?.then((response) => {
			if (response.success || !sdpOffer)
				return;
			leg.offered = false;
			this.tell(message.mediaSessionId, 'mupdate', {
				mediaSessionState: leg.state,
				problemDetails: response.problemDetails });
		});
	}

	mdisc(conn, message, answer) {
		const leg = this.legs.get(message.mediaSessionId);
		if (!leg) {
			answer({}, 481);
			return;
		}
		answer({ mediaSessionId: message.mediaSessionId, mediaSessionState: 'disconnected' });
		this.legs.delete(message.mediaSessionId);
		this.tell(leg.peer, 'mdisc', { problemDetails: message.problemDetails });
		this.legs.delete(leg.peer);
	}

	'message.isthmus'(conn, message, answer) {
		answer({});
	}

	'echo.test'(conn, message, answer) {
		answer({ echo: message.payload });
	}

	tell(id, method, members) {
		const conn = this.clients.get(this.legs.get(id)?.owner)?.conn;
		return conn?.request(method, { mediaSessionId: id, ...members });
	}
}
