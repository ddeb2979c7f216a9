// transfer_cases.mjs - a browser leaves its call, joins two, or gets another
// browser for a phone; as the phones see it.
import assert from 'node:assert/strict';
import { PASSWORD, PORT, pause } from './lib/bench.mjs';
import { Web, answer } from './lib/web.mjs';

const BOB = 'sip:bob@far.example';
const THIRD = 'sip:third@far.example';
const BUSY = 'sip:busy@far.example';
const DAVE = 'sip:dave@sipp.example';

async function connected(web, to = BOB) {
	const id = await web.call(to);

	await web.state(id, 'connected');
	return id;
}

const leave = (web, id, members) =>
	web.request('transfer.isthmus', { mediaSessionId: id, ...members });

const dave = () => Web.login({ url: `ws://127.0.0.1:${PORT.web}/3gpp-respect/v1`,
	user: DAVE, password: PASSWORD });

/** Another browser, for the time of @what. */
async function withDave(what) {
	const other = await dave();

	try {
		await what(other);
	} finally {
		await other.close();
	}
}

async function picksUp(other) {
	const { mediaSessionId: id, sdpOffer } = await other.incoming();

	await other.update(id, { sdpAnswer: answer(sdpOffer) });
	return id;
}

export const transfers = [
	{ name: 'orig_leave', scenario: 'orig_left', calls: 2, async web(web) {
		const id = await connected(web);

		await pause(150);
		assert.ok((await leave(web, id, { resourceId: THIRD })).success);
		const told = await web.until(id, (m) => m.method === 'mdisc');
		assert.deepEqual(told.filter((m) => m.transferState).map((m) => m.transferState),
			['alerting']);
		assert.deepEqual(told.filter((m) => m.resourceId)
			.map((m) => [m.resourceId, m.problemDetails]), [[THIRD, undefined]]);
		assert.equal(told.at(-1).problemDetails, undefined);
	} },
	{ name: 'orig_leave_at_once', scenario: 'orig_left', calls: 2, async web(web) {
		const id = await connected(web);

		await pause(150);
		assert.ok((await leave(web, id, { resourceId: THIRD })).success);
		await web.hangUp(id);
	} },
	{ name: 'orig_leave_busy', scenario: 'orig_party', calls: 2, async web(web) {
		const id = await connected(web);

		await pause(150);
		assert.ok((await leave(web, id, { resourceId: BUSY })).success);
		const m = await web.next('how it went', (x) => x.resourceId);
		assert.equal(m.problemDetails?.status, 486);
		assert.equal(m.mediaSessionState, 'connected');
		await web.hangUp(id);
	} },
	{ name: 'orig_join', scenario: 'orig_joined', calls: 2, async web(web) {
		const first = await connected(web);
		const second = await connected(web, THIRD);

		await pause(150);
		assert.equal((await leave(web, first, { joinSessionId: 'ms-x' }))
			.problemDetails.status, 481);
		assert.ok((await leave(web, first, { joinSessionId: second })).success);
		const ended = [first, second].map((id) => web.next('mdisc',
			(m) => m.method === 'mdisc' && [first, second].includes(m.mediaSessionId)));
		for (const end of ended)
			assert.equal((await end).problemDetails, undefined);
	} },
	{ name: 'orig_refer_web', scenario: 'orig_refer_web', web: (web) => withDave(async (other) => {
		const id = await connected(web);
		const theirs = await picksUp(other);
		const told = await web.until(id, (m) => m.sdpOffer || m.method === 'mdisc');

		assert.ok(told.at(-1).sdpOffer, 'the call goes on');
		assert.deepEqual(told.filter((m) => m.resourceId).map((m) => m.resourceId), [DAVE]);
		await web.update(id, { sdpAnswer: answer(told.at(-1).sdpOffer) });
		await other.hangUp(theirs);
		await web.released(id);
	}) },
];
