// log.js - the event log of the page.  Credentials never reach the screen.
const LOG_LINES = 400;
const $ = (id) => document.getElementById(id);

export function log(text, { bad = false, detail = null } = {}) {
	const line = document.createElement('li');
	const time = document.createElement('time');
	time.textContent = new Date().toISOString().slice(11, 23);
	const what = document.createElement('span');
	what.textContent = text;
	what.className = bad ? 'bad-news' : '';
	line.append(time, what);
	if (detail) {
		const pre = document.createElement('pre');
		pre.textContent = detail;
		line.append(pre);
	}
	const list = $('log');
	const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
	list.append(line);
	while (list.children.length > LOG_LINES)
		list.firstChild.remove();
	if (atEnd)
		list.scrollTop = list.scrollHeight;
	$('log-count').textContent = String(list.children.length);
}

// Credentials never reach the screen, so screenshots may be shared.
function printable(message) {
	return JSON.stringify(message, (key, value) =>
		['authorization', 'reauthCredential', 'credential'].includes(key) ?
			'\u2022\u2022\u2022' : value, 2).replaceAll('\\r\\n', '\n    ');
}

export function logTraffic({ direction, message }) {
	if (!$('log-wire').checked)
		return;
	const arrow = direction === 'sent' ? '\u2192' : '\u2190';
	const outcome = message.messageType === 'response' ?
		(message.success ? ' ok' : ` ${message.problemDetails?.status}`) : '';
	log(`${arrow} ${message.method} ${message.transactionId}${outcome}`,
		{ detail: printable(message) });
}
