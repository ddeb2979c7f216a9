// run.mjs BINARY [NAME...] - every case, one after the other.  SIPP_GROUP: those of
// one group alone; "shared": of all that need no network of their own.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { groups } from './cases.mjs';
import { PASSWORD, PORT, pause, sipp, startGateway, until } from './lib/bench.mjs';
import { Web } from './lib/web.mjs';

const [binary, ...only] = process.argv.slice(2);
if (!binary || !fs.existsSync(binary)) {
	console.log('usage: run.sh BINARY [NAME...]');
	process.exit(2);
}
let passed = 0;
let failed = 0;

async function runCase(test, gateway, web) {
	const started = Date.now();
	let peer;
	let around;

	try {
		await web.forget();
		around = await test.before?.(gateway);
		if (test.scenario) {
			peer = sipp(gateway.dir, test.scenario, { ...test, ...test.given?.(around) });
			// SIPp tells nobody when it listens.
			if (!test.scenario.startsWith('term_'))
				await pause(250);
		}
		const browser = Promise.resolve(test.web?.(web, gateway, peer, around));
		// Of some, how far they come depends on the gateway.
		await Promise.all([browser, test.open ? null : peer?.done()]);
		if (peer?.wrong())
			throw new Error(`SIPp: ${peer.wrong().slice(0, 900)}`);
		await test.after?.(gateway, around, peer);
		// Nothing may be left of it: no dialog, no call.
		await until(async () => await gateway.metric('isthmus_sip_dialogs') === 0,
			'no dialog is left', test.linger ?? 9000);
		passed++;
		console.log(`ok   ${test.name} (${Date.now() - started} ms)`);
	} catch (error) {
		failed++;
		console.log(`FAIL ${test.name}: ${error.message}`);
		console.log(gateway.text().trim().split('\n').slice(-25).join('\n'));
	} finally {
		await web.forget();
		await test.leave?.(gateway);
		await peer?.stop();
		await around?.stop();
	}
}

const chosen = process.env.SIPP_GROUP;

for (const group of groups.filter(({ name, apart }) =>
	!chosen || chosen === name || (chosen === 'shared' && !apart))) {
	const cases = group.cases.filter((test) => !only.length || only.includes(test.name));

	if (!cases.length)
		continue;
	let gateway;
	let web;
	try {
		gateway = await startGateway(path.resolve(binary), group.name, group.options,
			group.prepare);
		await group.ready?.(gateway);
		web = await Web.login({ url: `ws://127.0.0.1:${PORT.web}/3gpp-respect/v1`,
			user: 'sip:alice@sipp.example', password: PASSWORD });
		for (const test of cases)
			await runCase(test, gateway, web);
		await web.close();
		await gateway.stop();
	} catch (error) {
		failed++;
		console.log(`FAIL group ${group.name}: ${error.message}`);
		web?.close();
		await gateway?.stop().catch(() => {});
	}
}

// What the browser's side said and heard, against docs/asyncapi.yaml.
if (process.env.ISTHMUS_TRAFFIC) {
	const check = spawnSync(process.execPath,
		['tests/e2e/asyncapi-check.mjs', process.env.ISTHMUS_TRAFFIC],
		{ stdio: ['ignore', 'inherit', 'inherit'] });

	if (check.status === 0)
		passed++;
	else
		failed++;
}
console.log(`sipp: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
