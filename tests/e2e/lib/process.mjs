// process.mjs - processes are ended by their own id, and conditions are waited
// for, never times.

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, what, timeout = 15_000, every = 50) {
	const deadline = Date.now() + timeout;
	for (;;) {
		const value = await condition();
		if (value)
			return value;
		if (Date.now() > deadline)
			throw new Error(`not within ${timeout} ms: ${what}`);
		await pause(every);
	}
}

const minded = new Set();
process.on('exit', () => {
	for (const child of minded)
		child.kill('SIGKILL');
});

/** Whatever becomes of this test, @child does not outlive it. */
export function mind(child) {
	minded.add(child);
	child.once('exit', () => minded.delete(child));
	return child;
}

export async function stopProcess(child, grace = 8000) {
	if (!child || child.exitCode !== null || child.signalCode !== null)
		return child?.exitCode ?? null;
	const ended = new Promise((done) => child.once('exit', done));
	child.kill('SIGTERM');
	const timer = setTimeout(() => child.kill('SIGKILL'), grace);
	await ended;
	clearTimeout(timer);
	return child.exitCode;
}
