// page.mjs - what was measured, as rows; the goals, and the tables.
const OURS = 'isthmus';
const DAEMON = 'isthmus daemon';
const RTPENGINE = 'rtpengine';
const rows = [];

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** @note "hidden": for others to find, not for the page. @text: what the page shows. */
export function row(measure, what, values, unit, note = '', digits = 2, text = undefined) {
	const value = median(values);

	rows.push({ measure, what, value, unit, note, text: text ?? value.toFixed(digits) });
	if (note !== 'hidden')
		console.log(`${measure}, ${what}: ${text ?? value.toFixed(digits)} ${unit} ` +
			`(${values.map((v) => v.toFixed(digits)).join(', ')}) ${note}`);
}

const at = (measure, what) => rows.find((r) => r.measure === measure && r.what === what);

export const found = (measure, what) => at(measure, what)?.value;

function goal(text, value, limit, below = true, digits = 2) {
	const sign = below ? '<=' : '>=';
	if (value === undefined || Number.isNaN(value))
		return `| ${text} | ${sign} ${limit} | not measured | |`;
	const met = below ? value <= limit : value >= limit;
	return `| ${text} | ${sign} ${limit} | ${value.toFixed(digits)} | ${met ? 'yes' : '**no**'} |`;
}

export function goals() {
	const ratio = (measure, to, what = OURS) => found(measure, what) / found(measure, to);
	const packet = 'CPU a packet, GCM, 1000 calls';
	const capacity = 'calls a core, p99 < 20 ms';
	const idle = (n) => found(`idle call, ${n} calls`, OURS);

	return ['| goal | limit | measured | met |', '|---|---|---|---|',
		goal('CPU a packet at 1,000 calls, of rtpengine\'s', ratio(packet, RTPENGINE), 0.55),
		goal('CPU a packet at 1,000 calls, of the forwarder\'s with crypto', ratio(packet, 'forwarder'), 1.10),
		goal('calls a core with p99 < 20 ms, of rtpengine\'s', ratio(capacity, RTPENGINE), 1.8, false),
		goal('calls a core with p99 < 20 ms, of Janus\'', ratio(capacity, 'janus'), 5, false),
		goal('CPU of a whole set-up (JSON, SIP, ICE, DTLS, teardown), of rtpengine\'s without SIP',
			ratio('CPU a set-up with teardown', RTPENGINE, DAEMON), 0.65),
		goal('RSS a live call, kB (the relay)', found('RSS a call, 500 calls set up at 100 a second', OURS), 50, true, 1),
		goal('RSS a live call, kB (the whole gateway)', found('RSS a call, 500 calls set up at 100 a second', DAEMON), 50, true, 1),
		goal('RSS left a call five seconds after, kB (the whole gateway)',
			found('RSS left a call after, 500 calls', DAEMON), 1, true, 1),
		goal('idle call with full ICE, us a second, 100 calls', idle(100), 20, true, 1),
		goal('the same, 1,000 calls', idle(1000), 20, true, 1),
		goal('the same, 2,000 calls', idle(2000), 20, true, 1),
		goal('CPU a packet at 2,000 calls, of that at 200', found('CPU a packet, GCM, 2000 calls', OURS) /
			found('CPU a packet, GCM, 200 calls', OURS), 1),
		goal('p99 of streams during 100 set-ups a second, ms',
			found('p99 of streams during 100 set-ups a second', OURS), 5)].join('\n');
}

export function table() {
	const shown = rows.filter((r) => r.note !== 'hidden');
	const names = [...new Set(shown.map((r) => r.what))];
	const lines = [...new Set(shown.map((r) => r.measure))].map((measure) => {
		const { unit } = rows.find((r) => r.measure === measure);
		return `| ${measure} (${unit}) | ${names.map((name) => {
			const cell = at(measure, name);
			return cell ? `${cell.text}${cell.note ? ` (${cell.note})` : ''}` : '';
		}).join(' | ')} |`;
	});
	return [`| | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...lines].join('\n');
}

/** How ours goes with the number of calls: what is flat, what falls. */
export function growth() {
	const sized = rows.map((r) => ({ ...r, found: /^(.*), (\d+) calls$/.exec(r.measure) }))
		.filter((r) => r.found && r.note !== 'hidden' && r.what.startsWith('isthmus'));
	const sizes = [...new Set(sized.map((r) => Number(r.found[2])))].sort((a, b) => a - b);
	const lines = new Map();

	for (const r of sized) {
		const name = `${r.found[1]}, ${r.what} (${r.unit})`;
		lines.set(name, { ...lines.get(name), [r.found[2]]: r.text });
	}
	const many = [...lines].filter(([, cells]) => Object.keys(cells).length > 1);
	if (many.length === 0)
		return '';
	return ['Growth with the number of calls:', '',
		`| calls | ${sizes.join(' | ')} |`, `|---|${sizes.map(() => '---|').join('')}`,
		...many.map(([name, cells]) => `| ${name} | ${sizes.map((n) => cells[n] ?? '').join(' | ')} |`)].join('\n');
}
