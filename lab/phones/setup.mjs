// setup.mjs NAME DIR - writes baresip's configuration of the phone NAME to DIR.
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { PHONES } from './list.mjs';
import { readSubscribers } from '../hss/subscribers.mjs';

const MODULES = '/usr/lib/baresip/modules';
const PCSCF = '127.0.0.43:5060';
// The address of its socket for RTP is any: its packets leave from 127.0.0.1,
// whatever it says in c=.  So that is the address it gets, and says.
const ADDRESS = '127.0.0.1';

const [name, dir] = process.argv.slice(2);
const { port, hz } = PHONES[name] ?? {};
if (!port || !dir) {
	console.error(`usage: setup.mjs ${Object.keys(PHONES).join('|')} DIR`);
	process.exit(2);
}
const codecs = (process.env.LAB_CODECS ?? 'g711 g722 opus').split(/\s+/);
const { impi, impus, password } = readSubscribers().get(`${name}@ims.test`);

// SIP on the port (and TLS on the next), control on the one after, RTP behind.
const config = [
	'poll_method epoll', `sip_listen ${ADDRESS}:${port}`,
	`net_interface ${ADDRESS}`, `rtp_ports ${port + 4}-${port + 38}`,
	'call_local_timeout 120', 'call_max_calls 8',
	'rtcp_mux no', 'jitter_buffer_delay 1-10', 'audio_level no',
	`audio_source ausine,${hz}`, 'audio_player aubridge,ear',
	'audio_alert aubridge,alert',
	// ausine knows no other format
	'ausrc_srate 48000', 'auplay_srate 48000', 'ausrc_channels 2', 'auplay_channels 2',
	`module_path ${MODULES}`,
	...codecs.map((codec) => `module ${codec}.so`),
	// sndfile writes what it sends and hears to dump-*-enc.wav and -dec.wav.
	'module sndfile.so', `snd_path ${dir}`, 'module ausine.so', 'module aubridge.so',
	'module_tmp uuid.so', 'module_tmp account.so',
	'module_app menu.so', 'module_app ctrl_tcp.so',
	`ctrl_tcp_listen ${ADDRESS}:${port + 2}`,
	'menu_bell no', 'ringback_disabled yes', '',
];
const account = `<${impus[0]}>;auth_user=${impi};auth_pass=${password}` +
	`;outbound="sip:${PCSCF}";answermode=auto;regint=300\n`;

fs.rmSync(dir, { recursive: true, force: true });
fs.mkdirSync(dir, { recursive: true });
fs.writeFileSync(path.join(dir, 'config'), config.join('\n'));
fs.writeFileSync(path.join(dir, 'accounts'), account, { mode: 0o600 });
fs.writeFileSync(path.join(dir, 'contacts'), '\n');
