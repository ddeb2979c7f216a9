// text.js - people and durations, as they are read.

export function peerName({ uri, displayName }) {
	return displayName || String(uri ?? 'Unknown caller')
		.replace(/^(sips?|tel):/i, '').replace(/[;?].*$/, '');
}

// By the SIP status that it was forwarded with.
const WHY = { 302: '', 408: ', who did not answer', 480: ', who is not there', 486: ', who is busy' };

/** What a person wants to know of a call before answering; '': nothing. */
export function aboutCall({ subject, forwardedBy, forwarded, forwardedTo, queued }) {
	const parts = subject ? [`\u201c${subject}\u201d`] : [];
	for (const { uri, displayName, status } of forwardedBy ?? [])
		parts.push(`forwarded by ${uri ? peerName({ uri, displayName }) : 'somebody'}` +
			(WHY[status] ?? ''));
	if (forwardedTo)
		parts.push(`rings at ${peerName({ uri: forwardedTo })}`);
	else if (forwarded && !forwardedBy?.length)
		parts.push('is being forwarded');
	if (queued)
		parts.push('waits in a queue');
	return parts.join(', ');
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
