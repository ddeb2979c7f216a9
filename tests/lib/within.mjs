// within.mjs - nothing is waited for without end: a promise, or an error that
// says what did not come.

export function deferred() {
	const d = {};
	d.promise = new Promise((resolve, reject) => Object.assign(d, { resolve, reject }));
	d.promise.catch(() => {}); // whoever awaits it still sees the failure
	return d;
}

export function within(promise, what, ms = 20_000) {
	let timer;
	const limit = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
		timer.unref();
	});
	const either = Promise.race([promise, limit]).finally(() => clearTimeout(timer));
	either.catch(() => {});
	return either;
}
