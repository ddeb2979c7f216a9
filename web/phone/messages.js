// messages.js - text, sent and read.  Nothing of it is kept.
import { log } from './log.js';
import { peerName } from './text.js';

const LINES = 200;
const $ = (id) => document.getElementById(id);

let unread = 0;

function show(who, text, { mine = false, state = '' } = {}) {
	const line = document.createElement('li');
	line.className = mine ? 'mine' : '';
	const name = document.createElement('b');
	name.textContent = who;
	const what = document.createElement('span');
	what.textContent = text;
	const note = document.createElement('small');
	note.textContent = state;
	line.append(name, what, note);
	$('chat-lines').append(line);
	while ($('chat-lines').children.length > LINES)
		$('chat-lines').firstChild.remove();
	$('chat-lines').scrollTop = $('chat-lines').scrollHeight;
	return note;
}

function count(n) {
	unread = $('chat').open ? 0 : n;
	$('chat-count').textContent = unread ? `${unread} new` : '';
}

export function readMessages(ua) {
	ua.on('message', ({ from, displayName, text }) => {
		const name = peerName({ uri: from, displayName });
		show(name, text);
		count(unread + 1);
		if (!$('chat-to').value && from)
			$('chat-to').value = from;
		log(`${name} wrote`);
	});
}

/** @phone: () => the UA. */
export function offerMessages(phone) {
	$('chat').addEventListener('toggle', () => count(0));
	$('chat-form').addEventListener('submit', async (event) => {
		event.preventDefault();
		const to = $('chat-to').value.trim();
		const text = $('chat-text').value;
		if (!text)
			return;
		const note = show(`to ${to.replace(/^sips?:/, '')}`, text, { mine: true, state: '…' });
		$('chat-text').value = '';
		try {
			await phone().sendMessage(to, text);
			note.textContent = '✓';
		} catch (error) {
			note.textContent = error.message;
			note.className = 'bad-news';
			log(`Message: ${error.message}`, { bad: true });
		}
	});
}
