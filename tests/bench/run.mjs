// run.mjs BUILD - every measure of every relay, medians, and the table.
import fs from 'node:fs';
import os from 'node:os';
import { Relay, version } from './relays.mjs';

const build = process.argv[2] ?? 'build';
const quick = process.env.BENCH === 'quick';
const short = process.env.BENCH === 'short';
const only = process.env.ONLY?.split(/\s+/).filter(Boolean);
const RUNS = quick ? 1 : 3;
const RTPENGINE = 'rtpengine';
const JANUS = 'janus';
const OURS = 'isthmus';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
let passed = 0;
let failed = 0;
const rows = [];

function row(measure, what, values, unit, note = '') {
	rows.push({ measure, what, value: median(values), values, unit, note });
	console.log(`${measure}, ${what}: ${median(values).toFixed(2)} ${unit} ` +
		`(${values.map((v) => v.toFixed(2)).join(', ')}) ${note}`);
}

const found = (measure, what) =>
	rows.find((r) => r.measure === measure && r.what === what)?.value;

/** @measure of @relay, RUNS times, each in a fresh process. */
async function runs(relay, options, use) {
	if (!Relay.available(relay)) {
		console.log(`${relay} is not installed: not measured`);
		return;
	}
	const got = [];
	for (let i = 0; i < RUNS; i++) {
		const process = await Relay.start(relay, build);

		try {
			got.push(await process.load(build, options));
		} finally {
			await process.stop();
		}
	}
	use(got);
	// A busy machine may lose packets in two minutes of it; that is no failure
	// to run.
	if (got.every((g) => g.failed === 0 && g.up === options.calls && g.rss_kb[2] > 0 &&
		(quick || (g.bad === 0 && g.got >= g.sent * 0.99)))) {
		passed++;
	} else {
		failed++;
		console.log(`${relay}: ${got.map((g) => `${g.up} of ${options.calls} up, ` +
			`${g.got} of ${g.sent} packets, ${g.bad} bad`)} ` +
			`${got.map((g) => g.said).join(' ').slice(0, 300)}`);
	}
}

const measures = {
	async packet() {
		const sizes = quick ? [50, 200] : short ? [200, 1000] : [50, 200, 500, 1000];
		for (const cm of quick || short ? [false] : [false, true]) {
			const suite = cm ? 'AES_CM' : 'GCM';
			for (const calls of sizes)
				for (const relay of [OURS, RTPENGINE, cm ? 'forwarder cm' : 'forwarder', ...cm ? [] : ['forwarder clear'],
					...calls <= 200 ? [JANUS] : []])
					await runs(relay, { calls, rate: 200, seconds: quick ? 2 : 5, media: true, cm },
						(got) => {
							const name = relay.replace(' cm', '');
							row(`CPU a packet, ${suite}, ${calls} calls`, name,
								got.map((g) => g.us_a_packet), 'us',
								`load ${median(got.map((g) => g.load_cpu * 100)).toFixed(0)} %`);
							row(`delay to the phone p99, ${suite}, ${calls} calls`, name,
								got.map((g) => g.to_phone.p99 / 1000), 'ms');
							row(`delay to the browser p50, ${suite}, ${calls} calls`, name,
								got.map((g) => g.to_web.p50 / 1000), 'ms');
							row(`delay to the browser p99, ${suite}, ${calls} calls`, name,
								got.map((g) => g.to_web.p99 / 1000), 'ms');
							row(`delay max, ${suite}, ${calls} calls`, name,
								got.map((g) => Math.max(g.to_web.max, g.to_phone.max) / 1000), 'ms');
						});
		}
		if (!quick && !short)
			await runs(OURS, { calls: 2000, rate: 200, seconds: 5, media: true }, (got) => {
				row('CPU a packet, GCM, 2000 calls', OURS, got.map((g) => g.us_a_packet), 'us',
					`load ${median(got.map((g) => g.load_cpu * 100)).toFixed(0)} %`);
			});
	},

	/** The most calls on one core that are all served with p99 < 20 ms. */
	async capacity() {
		if (quick || short)
			return;
		for (const relay of [OURS, RTPENGINE, 'forwarder']) {
			if (!Relay.available(relay))
				continue;
			let good = 0;
			let limited = '';
			for (let calls = 600; calls <= 2400; calls += 150) {
				const process = await Relay.start(relay, build);
				const g = await process.load(build,
					{ calls, rate: 200, seconds: 4, media: true }).finally(() => process.stop());
				if (g.load_cpu > 0.97)
					limited = '; the load is at its own limit';
				if (g.up < calls || Math.max(g.to_phone.p99, g.to_web.p99) >= 20000 ||
					g.got < g.sent * 0.99)
					break;
				good = calls;
			}
			row('calls a core, p99 < 20 ms', relay, [good], 'calls', limited);
			passed++;
		}
	},

	/** Signalling, ICE, DTLS and teardown; no media. */
	async setup() {
		const calls = quick ? 100 : 300;
		for (const relay of [OURS, RTPENGINE, JANUS, 'isthmus daemon'])
			await runs(relay, { calls, rate: 100, seconds: 0 }, (got) => {
				row('CPU a set-up with teardown', relay, got.map((g) => g.whole_cpu_ms), 'ms');
				row('time to set up, p50', relay, got.map((g) => g.setup.p50 / 1000), 'ms');
				row('time to set up, p99', relay, got.map((g) => g.setup.p99 / 1000), 'ms');
			});
	},

	async storm() {
		const calls = quick ? 50 : 200;
		for (const relay of [OURS, RTPENGINE])
			await runs(relay, { calls, rate: 100, seconds: quick ? 3 : 8, churn: 100, media: true },
				(got) => {
					row('p99 of streams during 100 set-ups a second', relay,
						got.map((g) => Math.max(g.to_phone.p99, g.to_web.p99) / 1000), 'ms',
						`${median(got.map((g) => g.churned))} set up beside ${calls}`);
				});
	},

	async idle() {
		for (const calls of quick ? [100] : short ? [100, 1000] : [100, 1000, 2000])
			await runs(OURS, { calls, rate: 200, seconds: quick ? 5 : 20 }, (got) => {
				row(`idle call, full ICE, ${calls} calls`, OURS,
					got.map((g) => g.idle_us_a_call), 'us a second');
			});
	},

	/** Resident memory of a call that talks; and what stays after. */
	async memory() {
		const calls = quick ? 100 : 500;
		for (const relay of [OURS, 'isthmus daemon', RTPENGINE, JANUS])
			await runs(relay, { calls, rate: 100, seconds: quick ? 5 : 15, media: true }, (got) => {
				row(`RSS a call, ${calls} calls`, relay, got.map((g) => g.rss_kb_a_call), 'kB');
				row(`RSS left a call after, ${calls} calls`, relay,
					got.map((g) => (g.rss_kb[2] - g.rss_kb[0]) / calls), 'kB');
			});
	},
};

function goal(text, value, limit, below = true) {
	if (value === undefined || Number.isNaN(value))
		return `| ${text} | ${limit} | not measured | |`;
	const met = below ? value <= limit : value >= limit;
	return `| ${text} | ${below ? '<=' : '>='} ${limit} | ${value.toFixed(2)} | ${met ? 'yes' : '**no**'} |`;
}

function goals() {
	const ratio = (measure, to, what = OURS) => found(measure, what) / found(measure, to);
	const packet = 'CPU a packet, GCM, 1000 calls';
	const idle = (n) => found(`idle call, full ICE, ${n} calls`, OURS);
	return ['| goal | limit | measured | met |', '|---|---|---|---|',
		goal('CPU a packet at 1,000 calls, of rtpengine\'s', ratio(packet, RTPENGINE), 0.55),
		goal('CPU a packet at 1,000 calls, of the forwarder\'s with crypto', ratio(packet, 'forwarder'), 1.10),
		goal('calls a core with p99 < 20 ms, of rtpengine\'s',
			ratio('calls a core, p99 < 20 ms', RTPENGINE), 1.8, false),
		goal('CPU of a whole set-up (JSON, SIP, ICE, DTLS, teardown), of rtpengine\'s without SIP',
			ratio('CPU a set-up with teardown', RTPENGINE, 'isthmus daemon'), 0.65),
		goal('RSS a live call, kB (the relay)', found('RSS a call, 500 calls', OURS), 50),
		goal('RSS a live call, kB (the whole gateway)', found('RSS a call, 500 calls', 'isthmus daemon'), 50),
		goal('idle call with full ICE, us a second, 100 calls', idle(100), 20),
		goal('the same, 1,000 calls', idle(1000), 20),
		goal('the same, 2,000 calls', idle(2000), 20),
		goal('CPU a packet at 2,000 calls, of that at 200', found('CPU a packet, GCM, 2000 calls', OURS) /
			found('CPU a packet, GCM, 200 calls', OURS), 1),
		goal('p99 of streams during 100 set-ups a second, ms',
			found('p99 of streams during 100 set-ups a second', OURS), 5)].join('\n');
}

const noted = (measure, what) => {
	const note = rows.find((r) => r.measure === measure && r.what === what)?.note;
	return note ? `(${note})` : '';
};

function table() {
	const names = [...new Set(rows.map((r) => r.what))];
	const lines = [...new Set(rows.map((r) => r.measure))].map((measure) => {
		const unit = rows.find((r) => r.measure === measure).unit;
		return `| ${measure} (${unit}) | ${names.map((name) => {
			const value = found(measure, name);
			return value === undefined ? '' : `${value.toFixed(2)} ${noted(measure, name)}`.trim();
		}).join(' | ')} |`;
	});
	return [`| | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...lines].join('\n');
}

const started = Date.now();
for (const [name, measure] of Object.entries(measures)) {
	if (only && !only.includes(name))
		continue;
	try {
		await measure();
	} catch (error) {
		failed++;
		console.log(`${name}: ${error.message}`);
	}
}
const text = `Measured ${new Date().toISOString().slice(0, 10)} on ${os.cpus().length} x ${os.cpus()[0].model.trim()}, ` +
	`Linux ${os.release()}; ${version('rtpengine', '--version')} (rtpengine, one thread, no kernel module), ` +
	`${version(`${build}/isthmus`, '--version')}; medians of ${RUNS} runs, each in a fresh process on one core, the load on another; ` +
	`${Math.round((Date.now() - started) / 60000)} minutes.\n\n${goals()}\n\n${table()}\n`;

if (!quick && !only && failed === 0) {
	const file = 'docs/performance.md';
	const page = fs.readFileSync(file, 'utf8');
	fs.writeFileSync(file, page.replace(/(<!-- measured -->\n)[^]*(<!-- end -->)/, `$1${text}$2`));
	console.log(`written to ${file}`);
} else {
	console.log(text);
}
console.log(`bench: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
