// asyncapi-check.mjs FILE.jsonl...: holds recorded traffic against
// docs/asyncapi.yaml.  One JSON object a line: {"dir":"c2s"|"s2c","msg":{...}}.
// Exit status 1 when a message has a shape that the page does not know, 2 when
// nothing could be checked.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2020.js';
import { parse } from 'yaml';

const SPEC = path.resolve(path.dirname(fileURLToPath(import.meta.url)),
	'../../docs/asyncapi.yaml');

const kind = (msg) => `${msg?.messageType} ${msg?.method}` +
	(msg?.messageType === 'response' ? ` ${msg.success}` : '');

/** (dir, msg) -> null, or what is wrong with it. */
export function validator(file = SPEC) {
	const spec = parse(fs.readFileSync(file, 'utf8'));
	const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
	ajv.addKeyword('asyncapi').addKeyword('info').addKeyword('defaultContentType')
		.addKeyword('servers').addKeyword('channels').addKeyword('components');
	ajv.addSchema({ $id: 'respect', ...spec });
	const channel = Object.values(spec.channels)[0];
	const shapes = (operation) => operation.message.oneOf.map(({ $ref }) => {
		const name = $ref.split('/').at(-1);
		const message = spec.components.messages[name];
		const schema = message.payload.$ref.split('/').at(-1);
		return {
			name,
			schema: spec.components.schemas[schema],
			check: ajv.getSchema(`respect#/components/schemas/${schema}`),
		};
	});
	const known = { c2s: shapes(channel.publish), s2c: shapes(channel.subscribe) };

	return (dir, msg) => {
		const found = known[dir]?.filter(({ check }) => check(msg)) ?? [];
		if (found.length === 1)
			return { shape: found[0].name };
		if (found.length > 1)
			return { fault: `fits ${found.map((f) => f.name).join(' and ')}` };
		// Of the shape that it was meant to be, what is wrong.
		const near = known[dir]?.find(({ schema }) =>
			schema.properties?.method?.const === msg?.method &&
			JSON.stringify(schema).includes(msg?.messageType === 'request' ?
				'schemas/request' : 'schemas/success'));
		if (!near)
			return { fault: 'is no message of this protocol' };
		near.check(msg);
		return { fault: `is no ${near.name}: ${ajv.errorsText(near.check.errors, { dataVar: '' })}` };
	};
}

function main(files) {
	const check = validator();
	const shapes = new Map();
	let faults = 0, total = 0;

	for (const file of files) {
		const lines = fs.readFileSync(file, 'utf8').split('\n');
		for (const [i, line] of lines.entries()) {
			if (!line)
				continue;
			total++;
			let result, record = null;
			try {
				record = JSON.parse(line);
				result = check(record.dir, record.msg);
			} catch (error) {
				result = { fault: error.message };
			}
			if (!result.fault) {
				const key = `${record.dir} ${result.shape}`;
				shapes.set(key, (shapes.get(key) ?? 0) + 1);
				continue;
			}
			if (++faults <= 20)
				console.error(`${file}:${i + 1}: ${record?.dir} ${kind(record?.msg)} ${result.fault}`);
		}
	}
	for (const [key, n] of [...shapes].sort())
		console.log(`${String(n).padStart(7)} ${key}`);
	console.log(`asyncapi: ${total - faults} messages fit, ${faults} do not`);
	if (!total)
		return 2;
	return faults ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	if (process.argv.length < 3) {
		console.error('usage: asyncapi-check.mjs FILE.jsonl...');
		process.exit(2);
	}
	process.exit(main(process.argv.slice(2)));
}
