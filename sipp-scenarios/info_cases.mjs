// info_cases.mjs - what is said of a call besides who is in it: Subject, Call-Info,
// Alert-Info, History-Info, Reason, display names.
import assert from 'node:assert/strict';
import { description } from './lib/web.mjs';

const BOB = 'sip:bob@far.example';

const evil = 'x\r\nInjected: 1';

export const cases = [
	{ name: 'term_info', scenario: 'term_info', async web(web) {
		web.refuse = 486;
		const { callInfo, assertedOriginatingName } = await web.incoming();

		assert.equal(assertedOriginatingName, 'Böb "B" 你好');
		assert.deepEqual(callInfo, {
			subject: 'Lunch ☕ at noon?',
			alert: 'urn:alert:priority:high',
			icon: 'https://far.example/bob.png',
			forwardedBy: [
				{ uri: 'sip:office@far.example', displayName: 'The Office', status: 302 },
				{ uri: null, status: 486 },
			],
		});
	} },
	{ name: 'term_info_private', scenario: 'term_info_private', async web(web) {
		web.refuse = 486;
		const told = await web.incoming();

		assert.equal(told.assertedOriginatingName, undefined);
		assert.deepEqual(told.callInfo, {
			alert: 'urn:alert:priority:high',
			forwardedBy: [{ uri: null, status: 302 }, { uri: null, status: 486 }],
		});
	} },
	{ name: 'term_elsewhere', scenario: 'term_elsewhere', async web(web) {
		const { mediaSessionId } = await web.incoming();
		const { problemDetails } = await web.released(mediaSessionId);

		assert.equal(problemDetails.status, 200);
		assert.equal(problemDetails.detail, 'answered elsewhere');
	} },
	{ name: 'orig_forwarded_info', scenario: 'orig_forwarded', async web(web) {
		const id = await web.call(BOB);
		const told = await web.until(id, (m) => m.mediaSessionState === 'connected');

		assert.deepEqual(told.filter((m) => m.callInfo).map((m) => m.callInfo), [
			{ forwardedBy: [{ uri: BOB, status: 486 }],
				forwardedTo: 'sip:carol@far.example', forwarded: true },
			{ queued: true },
		]);
		await web.hangUp(id);
	} },
	{ name: 'orig_subject', scenario: 'orig_subject', async web(web) {
		const response = await web.request('msetup', {
			resourceId: BOB, preOffer: description(),
			callInfo: { subject: 'Café "at noon"', displayName: 'The "boss"',
				icon: 'https://evil.example/', alert: 'urn:alert:evil',
				forwardedBy: [{ uri: 'sip:evil@far.example' }] },
		});

		assert.equal(response.success, true);
		await web.released(response.mediaSessionId);
	} },
	{ name: 'info_injected', async web(web) {
		for (const callInfo of [{ subject: evil }, { displayName: evil },
			{ subject: '\u0085' }, { subject: 'x'.repeat(129) }, 'x']) {
			const response = await web.client.transact('msetup',
				{ resourceId: BOB, preOffer: description(), callInfo }, { wrong: true });

			assert.equal(response.problemDetails?.status, 400, JSON.stringify(callInfo));
		}
	} },
];
