// run.mjs BUILD - every measure of every relay, medians, and the page.
import fs from 'node:fs';
import os from 'node:os';
import { Relay, ZERO, version } from './relays.mjs';
import { found, goals, growth, median, row, table } from './page.mjs';

const build = process.argv[2] ?? 'build';
const quick = process.env.BENCH === 'quick';
const short = process.env.BENCH === 'short';
const only = process.env.ONLY?.split(/\s+/).filter(Boolean);
/** RUNS=1: to try things; not for the page. */
const RUNS = quick ? 1 : Number(process.env.RUNS ?? 3);
/** After so many minutes one run must do, and after so many more, none. */
const SPARE = Number(process.env.MINUTES ?? 34);
const END = SPARE + 4;
const RTPENGINE = 'rtpengine';
const JANUS = 'janus';
const OURS = 'isthmus';
const LITE = 'isthmus lite';
const DAEMON = 'isthmus daemon';
const FLOOR = 'forwarder';
const CLEAR = 'forwarder clear';

let passed = 0;
let failed = 0;
let disturbed = 0;
let measured = 0;
const left = new Set(); // what was not measured in this run
const started = Date.now();
const minutes = () => (Date.now() - started) / 60000;

/** Set-ups a second while calls are brought up: what each takes without strain. */
const rateOf = (relay) => relay.startsWith(FLOOR) || relay === ZERO ? 1000 :
	relay === JANUS ? 100 : relay === RTPENGINE ? 200 : 300;

const percent = (values) => `${(median(values) * 100).toFixed(0)} %`;
const said = (got) => got.map((g) => g.said).join(' ').trim();

async function once(relay, options) {
	const process = await Relay.start(relay, build);

	try {
		const got = await process.load(build, { rate: rateOf(relay), ...options });
		measured++;
		if (got.foreign > 0.05)
			disturbed++;
		return got;
	} finally {
		await process.stop();
	}
}

/** @what of @relay, RUNS times, each in a fresh process; none: not measured. */
async function repeat(relay, what, options) {
	const got = [];

	if (!Relay.available(relay)) {
		left.add(`${relay}, which is not installed`);
		return got;
	}
	if (minutes() > END) {
		left.add(`${what} of ${relay}: the time was up`);
		return got;
	}
	const count = minutes() > SPARE ? 1 : RUNS;
	if (count < RUNS)
		left.add(`${what} of ${relay} more than once`);
	for (let i = 0; i < count; i++)
		got.push(await once(relay, options));
	console.log(`${what}, ${relay}: load ${percent(got.map((g) => g.load_cpu))}, ` +
		`others ${percent(got.map((g) => g.foreign))} of a core`);
	return got;
}

/** A measure at a number of calls, all of which must be up and served. */
async function runs(relay, what, options, use) {
	const got = await repeat(relay, what, options);

	if (got.length === 0)
		return;
	use(got);
	// What a relay loses because it is full stands in its cell, and is no
	// failure to run.
	if (got.every((g) => g.failed === 0 && g.up === options.calls && (quick || g.bad === 0))) {
		passed++;
	} else {
		failed++;
		left.add(`${what} of ${relay} without a failure: ` +
			`${got.map((g) => `${g.failed} calls, ${g.bad} packets`).join('; ')}`);
		console.log(`${relay}: ${got.map((g) => `${g.up} of ${options.calls} up, ` +
			`${g.got} of ${g.sent} packets, ${g.bad} bad`)} ${said(got).slice(0, 300)}`);
	}
}

/** Where a core is full. */
async function search(relay, what, options, unit) {
	const got = await repeat(relay, what, options);

	if (got.length === 0)
		return;
	console.log(said(got));
	const most = (key) => got.filter((g) => g[key]).length * 2 > got.length;
	row(what, relay, got.map((g) => g.found), unit, most('disturbed') ? 'or more: others had the core' :
		!most('limited') ? '' : got.some((g) => g.first_bad === 0) ? 'or more' :
			'or more: the load was full', 0);
	row(`core at that, ${unit}`, relay, got.map((g) => g.cpu * 100), '%', '', 0);
	if (quick || got.every((g) => g.found > 0))
		passed++;
	else
		failed++;
}

/** Delays, and what of them is the relay's: over the zero line, where there is
 * one at as many calls. */
function delays(relay, calls, got) {
	for (const [to, key] of [['phone', 'to_phone'], ['browser', 'to_web']]) {
		const parts = ['p50', 'p99', 'max'].map((part) => {
			const what = `delay to the ${to} ${part}, ${calls} calls`;
			const value = median(got.map((g) => g[key][part] / 1000));

			row(what, relay, [value], 'ms', 'hidden');
			return Math.max(0, value - (relay === ZERO ? 0 : found(what, ZERO) ?? 0));
		});
		row(`${relay === ZERO ? 'delay' : 'added delay'} to the ${to}, ${calls} calls`, relay,
			[parts[1]], 'ms, p50 / p99 / max', '', 2, parts.map((p) => p.toFixed(2)).join(' / '));
	}
}

async function packet(cm, sizes) {
	const suite = cm ? 'AES_CM' : 'GCM';

	for (const calls of sizes) {
		const relays = [...cm ? [] : [ZERO], OURS, ...calls < 2000 ? [RTPENGINE] : [],
			cm ? 'forwarder cm' : FLOOR, ...cm ? [] : [CLEAR],
			...!cm && calls <= 200 ? [JANUS] : []];
		for (const relay of relays)
			await runs(relay, `packets, ${suite}, ${calls} calls`,
				{ calls, seconds: quick ? 1 : 3, media: true, cm }, (got) => {
					const name = relay.replace(' cm', '');
					const lost = got.map((g) => 1 - g.got / g.sent);
					const load = `load ${percent(got.map((g) => g.load_cpu))}` +
						(median(lost) > 0.005 ? `, lost ${percent(lost)}` : '');

					if (!cm)
						delays(name, calls, got);
					if (relay === ZERO)
						return;
					row(`CPU a packet, ${suite}, ${calls} calls`, name,
						got.map((g) => g.us_a_packet), 'us', load);
					if (!cm && !relay.startsWith(FLOOR))
						row(`RSS a call, ${calls} calls`, name, got.map((g) => g.rss_kb_a_call), 'kB',
							`set up at ${rateOf(relay)} a second`, 1);
				});
	}
}

const sizes = quick ? [50, 200] : short ? [200, 1000] : [50, 200, 500, 1000, 2000];

const measures = {
	packet: () => packet(false, sizes),

	/** Signalling, ICE, DTLS and teardown; no media. */
	async setup() {
		for (const relay of [OURS, LITE, RTPENGINE, JANUS, DAEMON])
			await runs(relay, 'set-up', { calls: quick ? 100 : 300, rate: 100, seconds: 0 }, (got) => {
				row('CPU a set-up with teardown', relay, got.map((g) => g.whole_cpu_ms), 'ms');
				row('CPU of the teardown in it', relay,
					got.map((g) => g.whole_cpu_ms - g.setup_cpu_ms), 'ms');
				row('time to set up, p50', relay, got.map((g) => g.setup.p50 / 1000), 'ms');
				row('time to set up, p99', relay, got.map((g) => g.setup.p99 / 1000), 'ms');
			});
	},

	/** The most calls on one core that are all served with p99 < 20 ms. */
	async capacity() {
		const begin = { [OURS]: 1400, [RTPENGINE]: 800, [FLOOR]: 1600, [JANUS]: 250 };

		if (short)
			return;
		for (const relay of quick ? [OURS] : [OURS, RTPENGINE, FLOOR, JANUS])
			await search(relay, 'calls a core, p99 < 20 ms', quick ?
				{ 'find-calls': 80, 'calls': 100, 'seconds': 1 } :
				{ 'find-calls': begin[relay], 'calls': 4000, 'seconds': 3 }, 'calls');
	},

	/** p99 of those that were there before, while others come and go. */
	async storm() {
		const calls = quick ? 50 : 200;

		for (const relay of quick || short ? [OURS, RTPENGINE] : [OURS, LITE, RTPENGINE, JANUS])
			await runs(relay, 'storm', { calls, seconds: quick ? 2 : 5, churn: 100, media: true },
				(got) => {
					row('p99 of streams during 100 set-ups a second', relay,
						got.map((g) => Math.max(g.to_phone.p99, g.to_web.p99) / 1000), 'ms',
						`${median(got.map((g) => g.churned))} set up beside ${calls}`);
				});
	},

	async idle() {
		for (const calls of quick ? [100] : short ? [100, 1000] : [100, 1000, 2000])
			for (const relay of [OURS, ...calls > 100 ? [LITE] : [], ...calls === 1000 ? [RTPENGINE] : []])
				await runs(relay, `idle, ${calls} calls`, { calls, seconds: quick ? 5 : 8 }, (got) => {
					row(`idle call, ${calls} calls`, relay, got.map((g) => g.idle_us_a_call),
						'us a second');
				});
	},

	/** Resident memory of calls that talk; and what stays five seconds after. */
	async memory() {
		const calls = quick ? 100 : 500;

		for (const relay of quick ? [OURS] : short ? [OURS, DAEMON] : [OURS, LITE, DAEMON, RTPENGINE])
			await runs(relay, `memory, ${calls} calls`,
				{ calls, rate: 100, seconds: 4, after: quick ? 1 : 5, media: true, warm: true }, (got) => {
					row(`RSS before / live / after, ${calls} calls`, relay,
						got.map((g) => g.rss_kb[1] / 1024), 'MB', '', 1,
						[0, 1, 2].map((i) => (median(got.map((g) => g.rss_kb[i])) / 1024).toFixed(1)).join(' / '));
					row(`RSS a call, ${calls} calls set up at 100 a second`, relay,
						got.map((g) => g.rss_kb_a_call), 'kB', '', 1);
					row(`RSS left a call after, ${calls} calls`, relay,
						got.map((g) => (g.rss_kb[2] - g.rss_kb[0]) / calls), 'kB', '', 1);
				});
	},

	/** The most set-ups a second with p99 < 500 ms. */
	async rates() {
		const begin = { [OURS]: 500, [RTPENGINE]: 250, [JANUS]: 250, [DAEMON]: 350 };

		if (short)
			return;
		for (const relay of quick ? [OURS] : [OURS, RTPENGINE, JANUS, DAEMON])
			await search(relay, 'set-ups a second, p99 < 500 ms', quick ?
				{ 'find-rate': 80, 'most': 100, 'calls': 500, 'seconds': 1 } :
				{ 'find-rate': begin[relay], 'calls': 2000, 'seconds': 2 }, 'a second');
	},

	async aescm() {
		if (!quick && !short)
			await packet(true, sizes);
	},
};

for (const [name, measure] of Object.entries(measures)) {
	if (only && !only.includes(name))
		continue;
	try {
		await measure();
	} catch (error) {
		failed++;
		left.add(`all of ${name}: ${error.message.trim().split('\n')[0]}`);
		console.log(`${name}: ${error.message}`);
	}
}

if (short)
	left.add('calls a core, set-ups a second, AES_CM, and sizes between (`BENCH=short`)');
left.add('Janus above 200 calls but for the calls a core');
const text = `Measured ${new Date().toISOString().slice(0, 10)} on ${os.cpus().length} x ${os.cpus()[0].model.trim()}, ` +
	`Linux ${os.release()}; ${version(`${build}/isthmus`, '--version')}; ` +
	`rtpengine ${version('rtpengine', '--version').replace('Version: ', '')}, one thread, no kernel module; ` +
	`${version('janus', '--help')}, one event loop; Node ${process.version}. ` +
	`Medians of ${RUNS} runs, each in a fresh process on one core, the load on another; ${Math.round(minutes())} minutes. ` +
	`${disturbed === 0 ? 'The machine was idle but for the bench.' :
		`**In ${disturbed} of ${measured} runs others had more than 5 % of one of the two cores.**`}\n\n` +
	`${goals()}\n\n${table()}\n\n${growth()}\n\nNot measured in this run: ${[...left].join('; ')}.\n`;

if (!quick && !only && RUNS >= 3 && passed > 0) {
	const file = 'docs/performance.md';
	const page = fs.readFileSync(file, 'utf8');
	fs.writeFileSync(file, page.replace(/(<!-- measured -->\n)[^]*(<!-- end -->)/, (_, a, b) => a + text + b));
	console.log(`written to ${file}`);
} else {
	console.log(text);
}
console.log(`bench: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
