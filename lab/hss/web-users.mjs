// web-users.mjs [table] - for the scripts: a regular expression of the IMPIs
// that may be registered with auth-done, or the lines of the file as a table.
import fs from 'node:fs';
import process from 'node:process';
import { FILE, linesOf } from './subscribers.mjs';

const lines = linesOf(fs.readFileSync(FILE, 'utf8'), FILE)
	.map(({ words: [impi, secret, trusted, ...impus] }) =>
		({ impi, secret, web: trusted === 'web', impus }));

if (process.argv[2] === 'table') {
	for (const { impi, secret, web, impus } of lines)
		console.log(`    ${impi.padEnd(23)} ${secret.replace(/^aka:.*/, 'aka')
			.padEnd(21)} ${web ? 'web' : '-  '} ${impus.join(' ')}`);
} else {
	// [.] and not \., which the configuration would read as an escape.  A range
	// is any number: whom the HSS does not know it refuses before.
	console.log(lines.filter(({ web }) => web).map(({ impi }) =>
		impi.replace(/\{.*\}/, '[0-9]+').replaceAll('.', '[.]')).join('|'));
}
