// list.mjs - the phones: 40 ports each from `port` on, and the tone they play.
export const PHONES = {
	carol: { port: 20100, hz: 440 },
	dave: { port: 20200, hz: 700 },
};
