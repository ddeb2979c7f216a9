// run.mjs [WORD] - the checks, one after the other; only those with WORD in
// their sentence.  Last line: "lab: N passed, N failed".
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cases } from './cases.mjs';
import { RUN } from './tools.mjs';

const word = process.argv[2] ?? '';
let passed = 0;
let failed = 0;

// Nothing of an earlier run is taken for a message of this one.
fs.rmSync(path.join(RUN, 'checks'), { recursive: true, force: true });

for (const [name, check] of cases.filter(([sentence]) => sentence.includes(word))) {
	const started = Date.now();
	try {
		await check();
		passed++;
		console.log(`ok   ${name} (${Date.now() - started} ms)`);
	} catch (error) {
		failed++;
		console.log(`FAIL ${name}: ${error.message}`);
	}
}
console.log(`lab: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
