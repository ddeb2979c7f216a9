// devices.js - microphone, camera and loudspeaker, chosen once for all calls.
import { remember, remembered } from './kept.js';
import { log } from './log.js';

const KEY = 'isthmus-demo:devices';
const SELECTS = [['microphone', 'audioinput', 'audio'], ['camera', 'videoinput', 'video'],
	['speaker', 'audiooutput', null]];
const $ = (id) => document.getElementById(id);

let chosen = remembered(localStorage, KEY, {});
let sessions = () => [];

const exactly = (id) => id ? { deviceId: { exact: id } } : true;

/** For getUserMedia(). */
export const audioConstraints = () => ({ audio: exactly(chosen.microphone) });
export const videoConstraints = () => ({ video: exactly(chosen.camera) });

/** The loudspeaker of a call that begins to be heard. */
export function applySpeaker(session) {
	if (chosen.speaker)
		session.playback?.setSpeaker(chosen.speaker).catch(() => {});
}

async function fill() {
	const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
	for (const [name, kind] of SELECTS) {
		const select = $(name);
		const found = devices.filter((d) => d.kind === kind && d.deviceId &&
			d.deviceId !== 'default' && d.deviceId !== 'communications');
		select.replaceChildren(new Option('As the system says', ''),
			...found.map((d, i) => new Option(d.label || `${name} ${i + 1}`, d.deviceId)));
		// one that is not plugged in now is not asked for
		if (!found.some((d) => d.deviceId === chosen[name]))
			chosen[name] = '';
		select.value = chosen[name] ?? '';
		select.closest('label').hidden = kind === 'audiooutput' &&
			!HTMLMediaElement.prototype.setSinkId;
	}
}

async function use(name, kind, id) {
	chosen = { ...chosen, [name]: id };
	remember(localStorage, KEY, chosen);
	for (const session of sessions()) {
		try {
			if (kind === null)
				await session.playback?.setSpeaker(id);
			else if (session.isEstablished() && (kind === 'audio' || session.hasVideo().local))
				await session.setDevice(kind, id);
		} catch (error) {
			log(`${name}: ${error.message}`, { bad: true });
		}
	}
}

/** @live: () => the sessions to change. */
export function offerDevices(live) {
	sessions = live;
	for (const [name, , kind] of SELECTS)
		$(name).addEventListener('change', ({ target }) => use(name, kind, target.value));
	$('devices').addEventListener('toggle', fill);
	navigator.mediaDevices?.addEventListener('devicechange', fill);
}
