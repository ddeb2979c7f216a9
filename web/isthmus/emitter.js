// emitter.js - events, the way JsSIP's users know them.

export class Emitter {
	#listeners = new Map();

	on(name, listener) {
		const list = this.#listeners.get(name) ?? [];
		this.#listeners.set(name, [...list, listener]);
		return this;
	}

	once(name, listener) {
		const wrapped = (event) => {
			this.off(name, wrapped);
			listener.call(this, event);
		};
		wrapped.listener = listener;
		return this.on(name, wrapped);
	}

	off(name, listener) {
		const list = this.#listeners.get(name) ?? [];
		this.#listeners.set(name, list.filter(
			(l) => l !== listener && l.listener !== listener));
		return this;
	}

	listenerCount(name) {
		return (this.#listeners.get(name) ?? []).length;
	}

	// An exception in the application must not stop a call half-way.
	_emit(name, event = {}) {
		for (const listener of this.#listeners.get(name) ?? []) {
			try {
				listener.call(this, event);
			} catch (error) {
				if (typeof reportError === 'function')
					reportError(error);
				else
					console.error(error);
			}
		}
	}
}
