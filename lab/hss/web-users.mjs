// web-users.mjs [table] - for the scripts: a regular expression of the IMPIs
// that may be registered with auth-done, or all users as a table.
import process from 'node:process';
import { readSubscribers } from './subscribers.mjs';

const users = [...readSubscribers().values()];

function credentials({ password, aka }) {
	return aka ? 'AKA' : `password ${password}`;
}

if (process.argv[2] === 'table') {
	for (const user of users)
		console.log(`    ${user.impi.padEnd(15)} ${credentials(user).padEnd(22)} ` +
			`${user.web ? 'web' : '   '} ${user.impus.join(' ')}`);
} else {
	// [.] and not \., which the configuration would read as an escape.
	const names = users.filter((user) => user.web)
		.map((user) => user.impi.replaceAll('.', '[.]'));
	console.log(names.join('|'));
}
