// store.js - what survives a reload of the page.

export class Store {
	#area;
	#key;

	constructor(area, key) {
		this.#area = area;
		this.#key = key;
	}

	load() {
		try {
			return JSON.parse(this.#area?.getItem(this.#key) ?? 'null') ?? {};
		} catch {
			return {};
		}
	}

	save(value) {
		try {
			this.#area?.setItem(this.#key, JSON.stringify(value));
		} catch { /* full or forbidden: a reload then registers anew */ }
	}

	clear() {
		try {
			this.#area?.removeItem(this.#key);
		} catch { /* likewise */ }
	}
}

export function defaultStorage() {
	try {
		return globalThis.sessionStorage ?? null;
	} catch {
		return null; // storage is forbidden here
	}
}
