#!/usr/bin/env node
// hss.mjs SOCKET - the home subscriber server of the lab: Diameter over TCP on
// 127.0.0.40:3868, and commands (hss-ctl) on the Unix socket SOCKET.
import fs from 'node:fs';
import net from 'node:net';
import process from 'node:process';
import { Cx } from './cx.mjs';
import { control } from './control.mjs';
import { avp, group, number, text } from './diameter.mjs';
import { AVP, COMMAND, COMMAND_NAME, CX, NO_STATE_MAINTAINED, PERMANENT_TERMINATION,
	RESULT } from './dictionary.mjs';
import { Peer, cxApplication } from './peer.mjs';
import { readSubscribers } from './subscribers.mjs';

// Kamailio resolves a peer's name with getaddrinfo(), and nothing else knows
// ours: so its name is the address.
const ADDRESS = '127.0.0.40';
const PORT = 3868;
const REALM = 'ims.test';
const SCSCF = 'sip:127.0.0.42:5060';

function log(line) {
	console.log(`${new Date().toISOString()} ${line}`);
}

function resultOf(avps) {
	return number(avps, AVP.RESULT_CODE) ??
		number(group(avps, AVP.EXPERIMENTAL_RESULT) ?? [],
			AVP.EXPERIMENTAL_RESULT_CODE);
}

class Hss {
	cx = new Cx(readSubscribers(), { scscf: SCSCF });
	peers = new Set();
	muted = false;
	#server = null;
	#session = 0;

	async up() {
		this.muted = false;
		if (this.#server)
			return;
		const server = net.createServer((socket) => {
			this.peers.add(new Peer(socket, {
				ours: { host: ADDRESS, realm: REALM, address: ADDRESS },
				log,
				serve: (peer, request) => this.#serve(peer, request),
				closed: (peer) => {
					this.peers.delete(peer);
					log(`${peer}: gone`);
				},
			}));
		});
		await new Promise((resolve, reject) => {
			server.once('error', reject);
			server.listen(PORT, ADDRESS, resolve);
		});
		this.#server = server;
		log(`listening on ${ADDRESS}:${PORT}`);
	}

	/** As if it had been shut down in order; what it knows it keeps. */
	async down() {
		this.#server?.close();
		this.#server = null;
		await Promise.all([...this.peers].map((peer) => peer.disconnect()));
		log('down');
	}

	#serve(peer, request) {
		const name = COMMAND_NAME[request.command] ?? request.command;
		const { avps } = request;
		const who = `${text(avps, AVP.USER_NAME) ?? '-'} ` +
			`${text(avps, AVP.PUBLIC_IDENTITY) ?? '-'}`;
		if (this.muted) {
			log(`${peer}: ${name}R ${who} not answered`);
			return undefined;
		}
		const answer = this.cx.answer(request.command, avps);
		const type = number(avps, AVP.SERVER_ASSIGNMENT_TYPE);
		const visited = text(avps, AVP.VISITED_NETWORK_IDENTIFIER);
		log(`${peer}: ${name}R ${who}` +
			(type === undefined ? '' : ` type ${type}`) +
			(visited === undefined ? '' : ` from ${visited}`) +
			` -> ${answer ? resultOf(answer) : 'unsupported'}`);
		return answer;
	}

	/** Ends a registration from here: TS 29.228 6.1.3. */
	async terminate(impi, reason = 'ended by the operator') {
		const user = this.cx.records.get(impi);
		if (!user)
			throw new Error(`no subscriber ${impi}`);
		const peer = [...this.peers].find((p) => p.host === user.originHost);
		if (!user.serverName || !peer)
			throw new Error(`${impi} is not registered`);
		const session = `${ADDRESS};${Math.floor(Date.now() / 1000)};${++this.#session}`;
		const answer = await peer.request({
			command: COMMAND.RT,
			application: CX,
			before: [avp(AVP.SESSION_ID, session), cxApplication(),
				avp(AVP.AUTH_SESSION_STATE, NO_STATE_MAINTAINED)],
			avps: [avp(AVP.DESTINATION_HOST, peer.host),
				avp(AVP.DESTINATION_REALM, REALM),
				avp(AVP.USER_NAME, impi),
				avp(AVP.DEREGISTRATION_REASON, [
					avp(AVP.REASON_CODE, PERMANENT_TERMINATION),
					avp(AVP.REASON_INFO, reason)]),
				// Kamailio reads them only as the last AVPs, together.
				...user.impus.map((impu) => avp(AVP.PUBLIC_IDENTITY, impu))],
		});
		const result = answer ? resultOf(answer.avps) : undefined;
		log(`${peer}: RTR ${impi} -> ${result ?? 'no answer'}`);
		if (result !== RESULT.SUCCESS)
			throw new Error(`the S-CSCF answered ${result ?? 'nothing'}`);
		this.cx.forget(user);
	}
}

const [socketPath] = process.argv.slice(2);
if (!socketPath) {
	console.error('usage: hss.mjs SOCKET');
	process.exit(2);
}
const hss = new Hss();
try {
	await hss.up();
	await control(hss, socketPath);
} catch (error) {
	log(`does not start: ${error.message}`);
	process.exit(1);
}
for (const signal of ['SIGTERM', 'SIGINT'])
	process.on(signal, async () => {
		fs.rmSync(socketPath, { force: true });
		await hss.down();
		process.exit(0);
	});
