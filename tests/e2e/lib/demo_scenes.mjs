// demo_scenes.mjs - where the demonstration takes place: a SIP phone at the
// gateway, or the lab's IMS core (started by web/demo.sh) with its two phones.
import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { startBaresip } from './baresip.mjs';
import { runTool } from './ctl.mjs';
import { ROOT } from './gateway.mjs';
import { until } from './process.mjs';

const build = (name) => path.join(ROOT, 'build', name);
const lab = (script, ...args) =>
	execFileSync(path.join(ROOT, 'lab', script), args, { encoding: 'utf8' });

const PHONE_HZ = 1000;
const PHONE_PORT = 5070;

const sip = {
	dir: build('demo'), config: 'conf/demo.yaml', far: 'phone',
	user: 'alice@demo.example', target: 'phone', browserHz: 440,
	up: () => 'Gateway, SIP phone and browser are up.',
	async ready() {
		const phone = await startBaresip({ dir: path.join(this.dir, 'phone'), port: PHONE_PORT,
			hz: PHONE_HZ });

		return {
			hz: () => PHONE_HZ,
			hears: (hz, hearing) => hearing(phone, hz),
			forget: () => { phone.events.length = 0; },
			dial: () => phone.dial('sip:alice@127.0.0.1:5060'),
			closed: () => phone.event('CALL_CLOSED'),
			stop: () => phone.stop(),
		};
	},
	howToTry(say, url) {
		say(`  1. Open ${url}/ (its certificate is self-made: accept it).`);
		say('  2. Log in as alice@demo.example or bob@demo.example, password "demo",');
		say('     there or on the account page (OAuth 2.0).');
		say(`  3. Call "phone": it answers and plays ${PHONE_HZ} Hz.  "echo" plays you back.`);
		say('     In a second window log in as the other one, and call each other.');
		say('  4. Reload the page in the middle of a call: the call lives on.');
		say('  From any SIP phone on this machine: sip:alice@127.0.0.1:5060');
	},
};

// carol is called, dave calls.
const HZ = { carol: 440, dave: 700 };

const ims = {
	dir: build('demo-ims'), config: 'conf/demo-ims.yaml', far: 'IMS core',
	user: 'alice@ims.test', target: 'sip:carol@ims.test', browserHz: 1000,
	up: () => 'Gateway, IMS core, two IMS phones and browser are up.  The HSS knows:\n' +
		['alice', 'carol', 'dave'].map((user) =>
			`  ${lab('hss-ctl', 'list', `${user}@ims.test`).trim()}`).join('\n'),
	async ready(binary) {
		const tool = path.resolve(path.dirname(binary), 'isthmusctl');
		let at = 'carol';

		for (const user of ['alice', 'bob']) {
			const { status, stderr } = await runTool(tool, ['--socket', `${this.dir}/control.sock`,
				'subscriber', 'add', `sip:${user}@ims.test`, '--replace', '--enrol', 'web',
				'--name', user[0].toUpperCase() + user.slice(1), '--password',
				'--impi', `${user}@ims.test`, '--impu', `sip:${user}@ims.test`],
			{ input: 'demo\n' });
			if (status !== 0)
				throw new Error(stderr);
		}
		return {
			hz: () => HZ[at],
			async hears(hz) {
				let tone = '';
				await until(() => (tone = lab('phone.sh', 'tone', at).trim()) === `${hz} Hz`,
					'', 15_000).catch(() => {});
				const heard = Number.parseInt(tone, 10) || 0;
				return { hz: heard, ok: heard === hz };
			},
			forget() {},
			/* It returns when the call is answered. */
			async dial() {
				at = 'dave';
				execFile(path.join(ROOT, 'lab/phone.sh'), ['call', 'dave', 'sip:alice@ims.test'],
					() => {});
			},
			closed: () => until(() => /^nothing/.test(lab('phone.sh', 'tone', at)),
				'the phone knows that the call is over', 10_000),
			async stop() {},
		};
	},
	howToTry(say, url) {
		say(`  1. Open ${url}/ (its certificate is self-made: accept it).`);
		say('  2. Log in as alice@ims.test or bob@ims.test, password "demo": the');
		say('     gateway registers you in the core.  lab/hss-ctl list alice@ims.test');
		say('  3. Call sip:carol@ims.test (440 Hz) or sip:dave@ims.test (700 Hz), or in a');
		say('     second window log in as bob and call each other, through the core.');
		say('  4. lab/phone.sh call dave sip:alice@ims.test: a phone of the core calls you.');
		say('     lab/hss-ctl rtr alice@ims.test: the network ends your registration.');
		say(`  Export LAB_RUN=${process.env.LAB_RUN ?? 'lab/run'} for these two scripts.`);
		say(`  Every SIP message of the core: ${process.env.LAB_RUN ?? 'lab/run'}/trace/`);
	},
};

export const scenes = { sip, ims };
