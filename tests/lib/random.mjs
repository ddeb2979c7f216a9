// random.mjs - numbers that a seed decides, so that what failed can be done
// again.

/** mulberry32: small, and good enough to mix events. */
export class Random {
	#state;

	constructor(seed) {
		this.#state = seed >>> 0;
		for (let i = 0; i < 4; i++) // neighbours in seed, not in what follows
			this.number();
	}

	/** In [0, 1). */
	number() {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let t = this.#state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	/** A whole number of @low to @high, both included. */
	int(low, high) { return low + Math.floor(this.number() * (high - low + 1)); }

	chance(probability) { return this.number() < probability; }

	pick(...values) { return values[this.int(0, values.length - 1)]; }
}
