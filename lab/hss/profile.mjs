// profile.mjs - the user profile an S-CSCF gets (TS 29.228 annex B and E): one
// service profile with all IMPUs, none barred, and no initial filter criteria.

const escaped = (text) => text.replace(/[&<>]/g,
	(c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

function identity(impu) {
	return '<PublicIdentity><BarringIndication>0</BarringIndication>' +
		`<Identity>${escaped(impu)}</Identity>` +
		'<Extension><IdentityType>0</IdentityType></Extension></PublicIdentity>';
}

export function profile({ impi, impus }) {
	return '<?xml version="1.0" encoding="UTF-8"?>' +
		`<IMSSubscription><PrivateID>${escaped(impi)}</PrivateID>` +
		`<ServiceProfile>${impus.map(identity).join('')}</ServiceProfile>` +
		'</IMSSubscription>';
}
