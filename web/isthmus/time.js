// time.js - waiting, and what the wire says of time.

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** "since" is seconds since 1970, or a date in text. */
export function toDate(since) {
	if (typeof since === 'number')
		return since < 1e11 ? since * 1000 : since;
	return since;
}
