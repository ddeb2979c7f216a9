// lib.mjs - a gateway at its place in the lab, and the lab's HSS.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import { ctl } from '../e2e/lib/ctl.mjs';
import { PASSWORD, ROOT, startGateway, workDir } from '../e2e/lib/gateway.mjs';

/** What lab/hss-ctl prints. */
export const hss = (...args) =>
	execFileSync(path.join(ROOT, 'lab/hss-ctl'), args, { encoding: 'utf8' });
/** What lab/phone.sh prints. */
export const phone = (...args) =>
	execFileSync(path.join(ROOT, 'lab/phone.sh'), args, { encoding: 'utf8' });

/** What lab/node.sh does: @command is stop, start or restart. */
export const node = (command, name) =>
	execFileSync(path.join(ROOT, 'lab/node.sh'), [command, name], { encoding: 'utf8' });

/** So that the gateway, and nobody else, asks @address for names. */
function asking(address) {
	return ['unshare', '-m', 'sh', '-c', `echo nameserver ${address} >"$0" &&
		mount --bind "$0" /etc/resolv.conf && exec "$@"`,
	path.join(workDir('ims-names'), 'resolv.conf')];
}

/**
 * @address: one of those that the core trusts, 127.0.0.50 to .54.  @nameserver:
 * that of this gateway.
 */
export async function startImsGateway(name, port, { transport = 'udp', address = '127.0.0.50',
	nameserver, ims = {}, extra = {} } = {}) {
	const gateway = await startGateway({
		name: `ims-${name}`, port, core: `sip:127.0.0.41:5060;transport=${transport}`,
		prefix: nameserver ? asking(nameserver) : [],
		extra: {
			sip: { listen: ['udp', 'tcp'].map((t) => `sip:${address}:5060;transport=${t}`) },
			web: { auth_failures: 1000 },
			ims: {
				enabled: true, domain: 'ims.test', expires_s: 600,
				cores: [`sip:127.0.0.41:5060;transport=${transport}`],
				...ims,
			},
			...extra,
		},
	});
	gateway.run = async (...args) => {
		const { status, stderr } = await ctl(gateway, args, { input: `${PASSWORD}\n` });
		assert.equal(status, 0, stderr);
	};
	/** A subscriber; with a password unless its own credentials are the core's. */
	gateway.add = (id, ...args) => gateway.run('subscriber', 'add', id,
		...args.includes('client') ? [] : ['--password'], ...args);
	return gateway;
}

const md5 = (text) => crypto.createHash('md5').update(text).digest('hex');

/** What a client with @password makes of the core's challenge. */
export function digest(challenge, user, password) {
	const of = Object.fromEntries([...challenge.matchAll(/(\w+)="?([^",]*)"?/g)]
		.map(([, key, value]) => [key, value]));
	const uri = 'sip:ims.test';
	const ha1 = md5(`${user}:${of.realm}:${password}`);
	const response = md5(`${ha1}:${of.nonce}:00000001:c0ffee:auth:${md5(`REGISTER:${uri}`)}`);
	return `Digest username="${user}",realm="${of.realm}",nonce="${of.nonce}",uri="${uri}",` +
		`qop=auth,nc=00000001,cnonce="c0ffee",response="${response}",algorithm=MD5`;
}
