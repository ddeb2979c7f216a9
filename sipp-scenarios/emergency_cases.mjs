// emergency_cases.mjs - calls for help: routed, refused, recognised by the core,
// and come the wrong way.
import assert from 'node:assert/strict';
import { PORT, pause, until } from './lib/bench.mjs';
import { description } from './lib/web.mjs';

const calls = (result) => `isthmus_emergency_calls_total{result="${result}"}`;

/** By how much @metric grows in a case. */
const grows = (metric, by) => ({
	async before(gateway) {
		return { was: await gateway.metric(metric), stop() {} };
	},
	after: (gateway, { was }) => until(async () => await gateway.metric(metric) === was + by,
		`${metric} has grown by ${by}`),
});

/** Calls @number, as people write it, and hangs up when connected. */
const callsForHelp = (number) => async (web) => {
	const id = await web.call(number);

	await web.state(id, 'connected');
	await pause(150);
	await web.hangUp(id);
};

/** The call for help ends, and its caller is told what else to do. */
const isTold = (number, status) => async (web) => {
	const id = await web.call(number);
	const told = await web.until(id, (m) => m.method === 'mdisc');
	const { problemDetails: problem } = told.at(-1);

	assert.equal(problem.status, status);
	assert.equal(problem.emergency, true);
	assert.match(problem.title, /telephone/);
};

export const routed = [
	{ name: 'orig_emergency', scenario: 'orig_emergency', web: callsForHelp('1-1-2'),
		...grows(calls('routed'), 1) },
	{ name: 'orig_emergency_sip', scenario: 'orig_emergency',
		web: callsForHelp('sip:112@anywhere.example;user=phone') },
	{ name: 'orig_emergency_failed', scenario: 'orig_unavailable', web: isTold('tel:112', 503) },
	{ name: 'orig_recognised', scenario: 'orig_recognised', web: isTold('tel:110', 380) },
	{ name: 'term_emergency', scenario: 'term_emergency', ...grows(calls('from_core'), 1) },
];

export const refused = [
	{ name: 'emergency_refused', ...grows(calls('refused'), 3), async web(web) {
		for (const number of ['112', 'urn:service:sos.fire', 'tel:9-1-1;phone-context=+1']) {
			const response = await web.request('msetup',
				{ resourceId: number, preOffer: description() });

			assert.equal(response.success, false);
			assert.equal(response.problemDetails.status, 380);
			assert.equal(response.problemDetails.emergency, true);
			assert.match(response.problemDetails.detail, /emergency services/);
		}
	} },
	{ name: 'emergency_not_sos', async web(web) {
		const id = await web.call('urn:service:counselling');

		await web.until(id, (m) => m.problemDetails?.status === 484);
	} },
	{ name: 'emergency_from_core', scenario: 'term_emergency' },
];

export const section = `emergency:
  policy: route
  target: sip:127.0.0.1:${PORT.peer};transport=udp
  resource_priority: esnet.1
  numbers: [ { number: "112" } ]
`;
