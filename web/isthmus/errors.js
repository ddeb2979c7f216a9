// errors.js - what goes wrong, for programs and for people.

// What a person is told, by SIP status.
const CAUSES = {
	301: 'Redirected', 302: 'Redirected',
	400: 'Bad Request', 401: 'Authentication Error', 403: 'Forbidden',
	404: 'Not Found', 405: 'Not Supported', 407: 'Authentication Error',
	408: 'No Answer', 410: 'Not Found', 413: 'Too Long', 415: 'Incompatible SDP',
	420: 'Not Supported', 423: 'Bad Request', 429: 'Too Many Requests',
	433: 'Rejected', 480: 'Unavailable', 481: 'No Such Session',
	484: 'Address Incomplete', 486: 'Busy', 487: 'Canceled',
	488: 'Incompatible SDP', 491: 'Request Pending', 500: 'Server Error',
	501: 'Not Supported', 503: 'Service Unavailable', 504: 'No Answer',
	600: 'Busy', 603: 'Rejected', 604: 'Not Found', 606: 'Incompatible SDP',
};

const EMERGENCY = 'Emergency Call Not Possible';

export function causeOf(status, details = null) {
	if (details?.emergency)
		return EMERGENCY;
	if (CAUSES[status])
		return CAUSES[status];
	if (status >= 600)
		return 'Rejected';
	if (status >= 500)
		return 'Server Error';
	return status >= 300 ? 'Failed' : 'Terminated';
}

/** An error with a code a program can test and a sentence a person can read. */
export class IsthmusError extends Error {
	constructor(code, message, more = {}) {
		super(message);
		this.name = 'IsthmusError';
		this.code = code;
		this.status = more.status ?? 0;
		this.problemDetails = more.problemDetails ?? null;
		this.emergency = this.problemDetails?.emergency === true;
		this.retryAfter = more.retryAfter ?? null;
		this.response = more.response ?? null;
	}
}

/** A message with problemDetails, as an error. */
export function failureOf(response) {
	const details = response.problemDetails ?? {};
	const status = Number(details.status) || 500;
	const text = details.detail || details.title || causeOf(status);
	const code = details.emergency ? 'emergency' : 'refused';
	return new IsthmusError(code, text, {
		status,
		problemDetails: details,
		retryAfter: response.retryAfter ?? null,
		response,
	});
}

export function problem(status, message, retryAfter = null) {
	return new IsthmusError('refused', message, { status, retryAfter });
}

/** The problemDetails member of a message. */
export function problemMember(status, detail) {
	return { problemDetails: {
		type: 'about:blank', title: causeOf(status), status,
		...detail ? { detail: String(detail).slice(0, 200) } : {},
	} };
}

const MEDIA_ERRORS = new Set(['NotAllowedError', 'NotFoundError',
	'NotReadableError', 'OverconstrainedError', 'SecurityError', 'AbortError']);

/** Of getUserMedia(). */
export function isMediaError(error) {
	return error instanceof Error && MEDIA_ERRORS.has(error.name);
}

/** A person's word for why there is no call. */
export function mediaCause(error) {
	if (isMediaError(error))
		return error.name === 'NotAllowedError' ?
			'User Denied Media Access' : 'Media Error';
	if (error.status)
		return causeOf(error.status, error.problemDetails);
	return error.code === 'disconnected' ? 'Connection Error' : 'WebRTC Error';
}
