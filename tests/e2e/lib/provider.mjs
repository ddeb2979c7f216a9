// provider.mjs - a token provider outside of the gateway: an HTTPS server with
// a key set (RFC 7517) and introspection (RFC 7662), that can misbehave.
import { execFileSync } from 'node:child_process';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
	.toString('base64url');

export const now = () => Math.floor(Date.now() / 1000);

/** A key pair with its JWK; alg: ES256, RS256, EdDSA. */
export function makeKey(kid, alg = 'ES256') {
	const [type, options] = {
		ES256: ['ec', { namedCurve: 'P-256' }],
		RS256: ['rsa', { modulusLength: 2048 }],
		EdDSA: ['ed25519', {}],
	}[alg];
	const { publicKey, privateKey } = generateKeyPairSync(type, options);
	const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
	return { kid, alg, jwk, publicKey, privateKey };
}

export function signToken(key, claims, header = {}) {
	const head = { alg: key.alg, kid: key.kid, typ: 'JWT', ...header };
	const text = `${b64(head)}.${b64(claims)}`;
	let signature;
	if (head.alg === 'none')
		signature = '';
	else if (head.alg === 'HS256') // the public key as the secret
		signature = createHmac('sha256', key.publicKey.export({ type: 'spki', format: 'pem' }))
			.update(text).digest('base64url');
	else
		signature = sign(key.alg === 'EdDSA' ? null : 'sha256', Buffer.from(text),
			{ key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
	return `${text}.${signature}`;
}

/** Certificate and key of 127.0.0.1 in @dir, its own authority. */
export function makeCertificate(dir, name) {
	const files = { certificate: path.join(dir, `${name}.pem`), key: path.join(dir, `${name}.key`) };
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
		'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', `/CN=${name}`,
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files.key, '-out',
		files.certificate], { stdio: 'ignore' });
	return files;
}

/**
 * keys: what /keys shows; maxAge: its Cache-Control; tokens: Map of opaque
 * token to introspection response; keysHandler, introspectHandler: (request,
 * response) instead of the usual answer.  requests: what was asked.
 */
export class Provider {
	keys = [];
	maxAge = 3600;
	tokens = new Map();
	client = 'gateway:s3cret/&';
	keysHandler = null;
	introspectHandler = null;
	requests = [];
	#server;

	constructor(files, port) {
		this.port = port;
		this.#server = https.createServer({
			cert: fs.readFileSync(files.certificate), key: fs.readFileSync(files.key),
		}, (request, response) => this.#answer(request, response));
	}

	get url() { return `https://127.0.0.1:${this.port}`; }
	count(what) { return this.requests.filter((r) => r === what).length; }

	start() {
		return new Promise((resolve, reject) => {
			this.#server.once('error', reject);
			this.#server.listen(this.port, '127.0.0.1', resolve);
		});
	}

	stop() {
		const done = new Promise((resolve) => this.#server.close(resolve));
		this.#server.closeAllConnections?.();
		return done;
	}

	async #answer(request, response) {
		const { pathname } = new URL(request.url, this.url);
		this.requests.push(pathname);
		if (pathname === '/keys')
			this.#showKeys(request, response);
		else if (pathname === '/introspect')
			await this.#introspect(request, response);
		else
			response.writeHead(404).end();
	}

	#showKeys(request, response) {
		if (this.keysHandler) {
			this.keysHandler(request, response);
			return;
		}
		response.writeHead(200, {
			'content-type': 'application/jwk-set+json',
			'cache-control': `public, max-age=${this.maxAge}`,
		});
		response.end(JSON.stringify({ keys: this.keys.map((key) => key.jwk ?? key) }));
	}

	async #introspect(request, response) {
		let body = '';
		for await (const chunk of request)
			body += chunk;
		if (this.introspectHandler) {
			this.introspectHandler(request, response);
			return;
		}
		const [user, password] = this.client.split(/:(.*)/s).map(encodeURIComponent);
		const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
		if (request.method !== 'POST' || request.headers.authorization !== wanted) {
			response.writeHead(401).end();
			return;
		}
		const token = new URLSearchParams(body).get('token');
		response.writeHead(200, { 'content-type': 'application/json' });
		response.end(JSON.stringify(this.tokens.get(token) ?? { active: false }));
	}
}
