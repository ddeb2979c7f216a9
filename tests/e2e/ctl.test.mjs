// ctl.test.mjs - the operator's tool and the control socket, against the real
// daemon.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CTL, ctl, ctlJson, runTool, say, socketOf } from './lib/ctl.mjs';
import { PASSWORD, startGateway, workDir } from './lib/gateway.mjs';
import { mind, until } from './lib/process.mjs';
import { connect } from '../lib/respect.mjs';

const ALICE = 'sip:alice@demo.example';
const CAROL = 'sip:carol@demo.example';
const open = (gateway) => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });

let gateway;
before(async () => { gateway = await startGateway({ name: 'ctl', port: 27500 }); });
after(() => gateway?.stop());

const done = async (...args) => {
	const result = await ctl(gateway, args);
	assert.equal(result.status, 0, result.stderr);
	return result.stdout;
};
const show = async (id) => (await ctlJson(gateway, 'subscriber', 'show', id)).json;

describe('the command line', () => {
	test('--help names every command, option and exit status', async () => {
		const { status, stdout } = await runTool(CTL, ['--help']);
		assert.equal(status, 0);
		for (const word of ['subscriber add', 'subscriber list', 'subscriber show',
			'subscriber passwd', 'subscriber remove', 'pool add', 'pool list', 'pool remove',
			'registrations', 'deregister', 'version', '--json', '--socket', '--impu', '--secret',
			'ISTHMUS_SOCKET', 'Exit status'])
			assert.ok(stdout.includes(word), word);
	});

	for (const args of [[], ['frobnicate'], ['subscriber'], ['subscriber', 'frobnicate'],
		['subscriber', 'show'], ['pool', 'add', 'one@x'], ['version', 'now'], ['--frobnicate'],
		['subscriber', 'list', '--name', 'x'], ['deregister', ALICE, '--endpoint', 'x'],
		['subscriber', 'add', ALICE, '--password', '--secret', '-']])
		test(`'${args.join(' ')}' is wrong usage`, async () => {
			const { status, stdout, stderr } = await ctl(gateway, args);
			assert.equal(status, 2, stderr);
			assert.equal(stdout, '');
			assert.match(stderr, /isthmusctl/);
		});

	test('no daemon is exit status 3, and says where it looked', async () => {
		const { status, stderr } = await runTool(CTL, ['version'],
			{ env: { ISTHMUS_SOCKET: '/nonexistent/ctl.sock' } });
		assert.equal(status, 3);
		assert.match(stderr, /\/nonexistent\/ctl\.sock.*No such file/);
	});

	test('version says the daemon\'s and its own', async () => {
		assert.match(await done('version'), /^isthmusctl \d+\.\d+\.\d+\nisthmus \d+\.\d+\.\d+\n$/);
		const { json } = await ctlJson(gateway, 'version');
		assert.equal(json.store, true);
		assert.equal(json.version, json.tool);
	});
});

describe('subscribers', () => {
	test('one is added, shown, listed and removed', async () => {
		assert.equal(await done('subscriber', 'add', CAROL, '--name', 'Carol',
			'--enrol', 'web', '--impi', 'carol@ims.example', '--impu', 'sip:carol@ims.example',
			'--impu', 'tel:+1-555-1003', '--subject', 'c-4711'), 'added\n');
		assert.deepEqual(await show(CAROL), {
			id: CAROL, name: 'Carol', subject: 'c-4711', password: false, enrol: 'web',
			impi: 'carol@ims.example', impus: ['sip:carol@ims.example', 'tel:+15551003'],
		});
		assert.match(await done('subscriber', 'show', CAROL), /^name +Carol$/m);
		assert.match(await done('subscriber', 'list'), /^sip:carol@demo\.example .*carol@ims\.example/m);
		assert.match(gateway.log(), /sip:carol@demo\.example: subscriber added, by uid \d+/);
		assert.equal(await done('subscriber', 'remove', CAROL), 'removed; registrations ended: 0\n');
		assert.equal((await ctl(gateway, ['subscriber', 'show', CAROL])).status, 4);
		assert.equal((await ctl(gateway, ['subscriber', 'remove', CAROL])).status, 4);
		assert.deepEqual((await ctlJson(gateway, 'subscriber', 'list')).json, []);
	});

	test('one that is there, here or in the configuration, is exit status 5', async () => {
		await done('subscriber', 'add', CAROL);
		for (const id of [CAROL, 'sip:carol@DEMO.example;user=phone', ALICE]) {
			const { status, stderr } = await ctl(gateway, ['subscriber', 'add', id]);
			assert.equal(status, 5, id);
			assert.match(stderr, id === ALICE ? /user of the configuration/ : /there already/);
		}
		assert.equal((await ctl(gateway, ['subscriber', 'add', 'sip:dan@demo.example',
			'--enrol', 'web', '--impi', 'd@x', '--impu', ALICE])).status, 5);
		await done('subscriber', 'add', CAROL, '--name', 'Other', '--replace');
		assert.equal((await show(CAROL)).name, 'Other');
		await done('subscriber', 'remove', CAROL);
	});

	for (const [what, args, expected] of [
		['an ID that is no URI', ['carol'], /id: must be a sip/],
		['an unknown way to enrol', [CAROL, '--enrol', 'magic'], /enrol: must be none/],
		['web without identities', [CAROL, '--enrol', 'web'], /need an impi and an impu/],
		['held without a secret', [CAROL, '--enrol', 'held', '--impi', 'c@x', '--impu', CAROL],
			/secret: goes with/],
		['an IMPI without a realm', [CAROL, '--impi', 'carol'], /impi: must be USER@REALM/],
		['a name with a line break', [CAROL, '--name', 'a\nb'], /name: holds a control/],
		['a name that is too long', [CAROL, '--name', 'n'.repeat(64)], /name: is too long/],
		['an identity twice', [CAROL, '--impu', 'tel:+1', '--impu', 'tel:+1'], /impus: one is there twice/],
	])
		test(`${what} is refused and nothing is stored`, async () => {
			const { status, stderr } = await ctl(gateway, ['subscriber', 'add', ...args]);
			assert.equal(status, 1, stderr);
			assert.match(stderr, expected);
			assert.equal((await ctl(gateway, ['subscriber', 'show', CAROL])).status, 4);
		});

	test('credentials of the core go in from a file and never come out', async () => {
		const k = '000102030405060708090a0b0c0d0e0f', opc = 'c0ffee00c0ffee00c0ffee00c0ffee00';
		const file = path.join(gateway.dir, 'secret');
		const held = [CAROL, '--enrol', 'held', '--impi', 'carol@ims.example', '--impu', CAROL];
		fs.writeFileSync(file, `# a SIM\nk: ${k}\nopc:  ${opc}\namf: 8000\nsqn: 000000000020\n`);
		await done('subscriber', 'add', ...held, '--secret', file);
		assert.equal((await show(CAROL)).credentials, 'aka-opc');
		const digest = await ctl(gateway, ['subscriber', 'add', ...held, '--secret', '-', '--replace'],
			{ input: 'password: tops3cret\n' });
		assert.equal(digest.status, 0, digest.stderr);
		const { stdout } = await ctl(gateway, ['--json', 'subscriber', 'show', CAROL]);
		assert.equal(JSON.parse(stdout).credentials, 'digest');
		for (const secret of [k, opc, 'tops3cret'])
			for (const where of [stdout, gateway.log(), await done('subscriber', 'list')])
				assert.ok(!where.includes(secret), secret);
		for (const bad of [`k: ${k}\n`, `k: ${k}\nop: ${opc}\nopc: ${opc}\n`, `k: 12\nop: ${opc}\n`,
			`k: ${k}\nop: ${opc}\npassword: x\n`, 'nothing\n', `k: ${k.replace('0', 'g')}\nop: ${opc}\n`]) {
			fs.writeFileSync(file, bad);
			const { status, stderr } = await ctl(gateway,
				['subscriber', 'add', ...held, '--secret', file, '--replace']);
			assert.equal(status, 1);
			assert.ok(!stderr.includes(k) && !stderr.includes(opc), stderr);
		}
		await done('subscriber', 'remove', CAROL);
	});

	test('a list of several pages is whole and in order', async () => {
		for (let from = 0; from < 150; from += 10)
			await Promise.all(Array.from({ length: 10 }, async (_, i) => {
				const answer = JSON.parse(await say(gateway, `${JSON.stringify({
					command: 'subscriber.add',
					subscriber: { id: `sip:n${String(from + i).padStart(3, '0')}@demo.example` },
				})}\n`));
				assert.equal(answer.ok, true);
			}));
		const { json } = await ctlJson(gateway, 'subscriber', 'list');
		assert.deepEqual(json.map(({ id }) => id), Array.from({ length: 150 }, (_, i) =>
			`sip:n${String(i).padStart(3, '0')}@demo.example`));
		assert.equal((await done('subscriber', 'list')).split('\n').length, 152);
	});
});

/** A person at a terminal, who answers one prompt after the other. */
function typed(...answers) {
	return new Promise((resolve, reject) => {
		const child = mind(spawn('script', ['-qec',
			`${CTL} -s ${socketOf(gateway)} subscriber passwd ${CAROL}`, '/dev/null'],
		{ timeout: 20_000 }));
		let shown = '';
		child.stdout.on('data', (chunk) => {
			shown += chunk;
			if (/(New password|Again): $/.test(shown) && answers.length)
				child.stdin.write(answers.shift());
		});
		child.on('error', reject);
		child.on('close', (status) => resolve({ status, shown }));
	});
}

describe('passwords', () => {
	before(() => done('subscriber', 'add', CAROL));
	after(() => done('subscriber', 'remove', CAROL));

	test('one from standard input is hashed before it leaves the tool', async () => {
		const { status, stderr } = await ctl(gateway, ['subscriber', 'passwd', CAROL],
			{ input: 'correct horse\nnot read\n' });
		assert.equal(status, 0, stderr);
		assert.equal((await show(CAROL)).password, true);
		assert.ok(!gateway.log().includes('correct horse'));
		assert.ok(!gateway.log().includes('$y$'));
	});

	test('what goes over the socket is a yescrypt hash', async () => {
		const fake = path.join(gateway.dir, 'fake.sock');
		let heard = '';
		const server = net.createServer((socket) => socket.on('data', (chunk) => {
			heard += chunk;
			if (heard.includes('\n'))
				socket.end('{"ok":true}\n');
		}));
		await new Promise((resolve) => server.listen(fake, resolve));
		const { status } = await runTool(CTL, ['-s', fake, 'subscriber', 'passwd', CAROL],
			{ input: 'correct horse\n' });
		server.close();
		assert.equal(status, 0);
		assert.match(JSON.parse(heard).password, /^\$y\$j9T\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{43}$/);
		assert.ok(!heard.includes('horse'));
	});

	test('one from the terminal is asked for twice and not echoed', async () => {
		const same = await typed('sesame\n', 'sesame\n');
		assert.equal(same.status, 0, same.shown);
		assert.match(same.shown, /New password: \r\nAgain: \r\nchanged/);
		assert.ok(!same.shown.includes('sesame'));
		const other = await typed('sesame\n', 'sesamo\n');
		assert.equal(other.status, 1);
		assert.match(other.shown, /the two differ/);
		const givenUp = await typed('ses\x03');
		assert.notEqual(givenUp.status, 0);
		assert.equal((await show(CAROL)).password, true);
	});

	test('an empty one, none at all, and one that is too long are refused', async () => {
		for (const input of ['', '\n', `${'x'.repeat(513)}\n`]) {
			const { status, stderr } = await ctl(gateway, ['subscriber', 'passwd', CAROL], { input });
			assert.equal(status, 1);
			assert.match(stderr, /a password of 1 to 512 bytes/);
		}
	});

	test('one is taken away with --none', async () => {
		await done('subscriber', 'passwd', CAROL, '--none');
		assert.equal((await show(CAROL)).password, false);
	});

	test('a subscriber that is not there is exit status 4', async () => {
		assert.equal((await ctl(gateway, ['subscriber', 'passwd', 'sip:no@demo.example', '--none']))
			.status, 4);
	});

	test('a weak hash is refused by the daemon', async () => {
		for (const password of ['plain', '$1$salt$hash', '$y$j9T$x$y']) {
			const answer = JSON.parse(await say(gateway,
				`${JSON.stringify({ command: 'subscriber.passwd', id: CAROL, password })}\n`));
			assert.equal(answer.error, 'bad_request');
			assert.ok(!answer.detail.includes(password));
		}
	});
});

describe('the pool', () => {
	test('an entry is added, listed and removed', async () => {
		await done('pool', 'add', 'p1@ims.example', 'sip:p1@ims.example');
		assert.equal((await ctl(gateway, ['pool', 'add', 'p1@ims.example', 'sip:p2@ims.example'])).status, 5);
		assert.equal((await ctl(gateway, ['pool', 'add', 'p2@ims.example', 'sip:p1@ims.example'])).status, 5);
		assert.equal((await ctl(gateway, ['pool', 'add', 'p2', 'sip:p2@ims.example'])).status, 1);
		assert.match(await done('pool', 'list'), /^p1@ims\.example +sip:p1@ims\.example +free +-$/m);
		assert.deepEqual((await ctlJson(gateway, 'pool', 'list')).json,
			[{ impi: 'p1@ims.example', impu: 'sip:p1@ims.example', state: 'free' }]);
		await done('pool', 'remove', 'p1@ims.example');
		assert.equal((await ctl(gateway, ['pool', 'remove', 'p1@ims.example'])).status, 4);
	});
});

describe('registrations', () => {
	test('they are listed, and one of them or all are ended', async () => {
		assert.deepEqual((await ctlJson(gateway, 'registrations')).json, []);
		const phones = await Promise.all([open(gateway), open(gateway), open(gateway)]);
		for (const phone of phones)
			await phone.authBasic(ALICE, PASSWORD);
		const { json } = await ctlJson(gateway, 'registrations');
		assert.equal(json.length, 3);
		for (const row of json) {
			assert.equal(row.id, ALICE);
			assert.equal(row.state, 'connected');
			assert.equal(row.sessions, 0);
			assert.ok(row.expires_s > 3500);
		}
		assert.match(await done('registrations'), /^\d+ +sip:alice@demo\.example +connected/m);
		const endpoint = String(json[1].endpoint);
		assert.equal(await done('deregister', ALICE, '--endpoint', endpoint),
			'deregistered; registrations ended: 1\n');
		assert.equal((await ctl(gateway, ['deregister', ALICE, '--endpoint', endpoint])).status, 4);
		await until(() => phones.filter(({ closeCode }) => closeCode === 4003).length === 1,
			'one phone is told');
		assert.equal((await ctlJson(gateway, 'deregister', ALICE)).json.deregistered, 2);
		await until(() => phones.every(({ closeCode }) => closeCode === 4003), 'all are told');
		assert.equal((await ctl(gateway, ['deregister', ALICE])).status, 4);
		assert.match(gateway.log(), /sip:alice@demo\.example: deregistered, by uid/);
	});
});

describe('the socket', () => {
	test('is the daemon\'s user\'s alone', () => {
		assert.equal(fs.statSync(socketOf(gateway)).mode & 0o7777, 0o600);
		assert.equal(fs.statSync(path.join(gateway.dir, 'state/isthmus.db')).mode & 0o7777, 0o600);
	});

	for (const [what, bytes, expected] of [
		['no JSON', 'version\n', 'bad_request'],
		['two objects', '{"command":"version"}{}\n', 'bad_request'],
		['an array', '[]\n', 'bad_request'],
		['an empty line', '\n', 'bad_request'],
		['a deep object', `${'{"a":'.repeat(50)}1${'}'.repeat(50)}\n`, 'bad_request'],
		['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]), 'bad_request'],
		['a command of another type', '{"command":7}\n', 'bad_request'],
		['an unknown command', '{"command":"reboot"}\n', 'bad_request'],
		['an unknown member', '{"command":"version","x":1}\n', 'bad_request'],
		['a subscriber of another type', '{"command":"subscriber.add","subscriber":[]}\n', 'bad_request'],
		['a member of another type', '{"command":"subscriber.show","id":{}}\n', 'bad_request'],
		['a negative endpoint', `{"command":"deregister","id":"${ALICE}","endpoint":-1}\n`, 'bad_request'],
		['a NUL in an id', '{"command":"subscriber.show","id":"sip:a\\u0000@x"}\n', 'bad_request'],
		['a line that is too long', `${'x'.repeat(20000)}\n`, 'bad_request'],
	])
		test(`${what} is refused`, async () => {
			assert.equal(JSON.parse(await say(gateway, bytes)).error, expected);
		});

	test('who says half a line is let go, and others are served meanwhile', async () => {
		const dropped = await gateway.metric('isthmus_control_dropped_total');
		const slow = Array.from({ length: 5 }, () => say(gateway, '{"command":'));
		assert.equal(JSON.parse(await say(gateway, '{"command":"version"}\n')).ok, true);
		assert.deepEqual(await Promise.all(slow), ['', '', '', '', '']);
		assert.equal(await say(gateway, '{"command":', { end: true }), '');
		assert.ok(await gateway.metric('isthmus_control_dropped_total') >= dropped + 6);
	});

	test('forty clients at once are all served', async () => {
		const answers = await Promise.all(Array.from({ length: 40 }, () =>
			ctl(gateway, ['--json', 'version'])));
		for (const { status, stderr } of answers)
			assert.equal(status, 0, stderr);
	});
});

describe('the store\'s end of the daemon', () => {
	test('what was added is there after kill -9, and its socket is taken over', async () => {
		const first = await startGateway({ name: 'ctl-kill', port: 27700 });
		assert.equal((await ctl(first, ['subscriber', 'add', CAROL])).status, 0);
		const state = path.join(first.dir, 'state');
		const kept = workDir('ctl-kill-state');
		first.process.kill('SIGKILL');
		await until(() => first.process.signalCode, 'it is killed');
		assert.ok(fs.existsSync(path.join(state, 'control.sock')));
		execFileSync('cp', ['-a', `${state}/.`, kept]);
		const second = await startGateway({ name: 'ctl-kill', port: 27700, extra: { state_dir: kept } });
		const list = await runTool(CTL, ['-j', '-s', path.join(kept, 'control.sock'), 'subscriber', 'list']);
		assert.deepEqual(JSON.parse(list.stdout).map(({ id }) => id), [CAROL]);
		await second.stop();
		assert.ok(!fs.existsSync(path.join(kept, 'control.sock')));
	});

	test('a second daemon on the same state is not started', async () => {
		await assert.rejects(startGateway({ name: 'ctl-second', port: 27800,
			extra: { state_dir: path.join(gateway.dir, 'state') } }), /another isthmus uses it/);
		assert.equal(JSON.parse(await say(gateway, '{"command":"version"}\n')).ok, true);
	});

	test('a name that no socket address holds is reached all the same', async () => {
		const deep = path.join(workDir('ctl-deep'), 'd'.repeat(100));
		fs.mkdirSync(deep);
		const far = await startGateway({ name: 'ctl-far', port: 28100, extra: { state_dir: deep } });
		const { status, stderr } = await runTool(CTL, ['-s', path.join(deep, 'control.sock'), 'version']);
		assert.equal(status, 0, stderr);
		assert.equal(fs.statSync(path.join(deep, 'control.sock')).mode & 0o7777, 0o600);
		await far.stop();
		assert.ok(!fs.existsSync(path.join(deep, 'control.sock')));
	});

	test('what is in the way of the socket is not removed', async () => {
		const dir = workDir('ctl-way');
		fs.writeFileSync(path.join(dir, 'control.sock'), 'a file');
		await assert.rejects(startGateway({ name: 'ctl-way-gateway', port: 28100,
			extra: { state_dir: dir } }), /control socket .*control\.sock: File exists/);
		assert.equal(fs.readFileSync(path.join(dir, 'control.sock'), 'utf8'), 'a file');
	});

	test('without a store the tool says so, and the rest works', async () => {
		const bare = await startGateway({ name: 'ctl-bare', port: 27900,
			extra: { store: { file: '' } } });
		const { status, stderr } = await ctl(bare, ['subscriber', 'list']);
		assert.equal(status, 6);
		assert.match(stderr, /store\.file is not configured/);
		assert.equal((await ctl(bare, ['registrations'])).status, 0);
		await bare.stop();
	});

	test('a damaged store is told and not started with', async () => {
		const dir = workDir('ctl-damaged');
		fs.writeFileSync(path.join(dir, 'isthmus.db'), 'not a database, but long enough\n'.repeat(64));
		await assert.rejects(startGateway({ name: 'ctl-broken', port: 28000,
			extra: { state_dir: dir } }), /isthmus\.db: file is not a database/);
	});
});
