// kept.js - small things kept between visits; in a private window nothing is.

export function remembered(area, key, fallback) {
	try {
		return JSON.parse(area.getItem(key)) ?? fallback;
	} catch {
		return fallback;
	}
}

export function remember(area, key, value) {
	try {
		if (value === null)
			area.removeItem(key);
		else
			area.setItem(key, JSON.stringify(value));
	} catch { /* private mode: nothing is kept */ }
}
