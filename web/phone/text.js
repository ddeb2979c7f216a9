// text.js - people and durations, as they are read.

export function peerName({ uri, displayName }) {
	return displayName || String(uri ?? 'Unknown caller')
		.replace(/^(sips?|tel):/i, '').replace(/[;?].*$/, '');
}

export function duration(from, to) {
	const s = Math.max(0, Math.floor((to - from) / 1000));
	const two = (n) => String(n).padStart(2, '0');
	const hours = Math.floor(s / 3600);
	return `${hours ? `${hours}:` : ''}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** A mean opinion score in a word. */
export function goodness(mos) {
	return mos >= 4.2 ? 'very good' : mos >= 3.8 ? 'good' : mos >= 3.3 ? 'fair' :
		mos >= 2.6 ? 'poor' : 'bad';
}
