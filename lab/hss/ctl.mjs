// ctl.mjs COMMAND [ARGUMENT...] - sends a command to the HSS; see hss-ctl.
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const run = process.env.LAB_RUN ?? path.join(here, '..', 'run');
const socket = net.connect(path.join(run, 'hss.sock'));
let text = '';

socket.setEncoding('utf8');
socket.on('connect', () => socket.write(`${process.argv.slice(2).join(' ') || 'help'}\n`));
socket.on('data', (chunk) => { text += chunk; });
socket.on('error', (error) => {
	console.error(`hss-ctl: the HSS is not there: ${error.message}`);
	process.exit(1);
});
socket.on('end', () => {
	const [first, ...rest] = text.trimEnd().split('\n');
	if (first !== 'ok') {
		console.error(`hss-ctl: ${first}`);
		process.exitCode = 1;
		return;
	}
	if (rest.length)
		console.log(rest.join('\n')); // no exit(): a pipe takes its time
});
