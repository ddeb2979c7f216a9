// types.mjs: web/isthmus.d.ts says what web/isthmus.js is.  The usage file
// compiles, and each export, and each public member of what is exported,
// stands in both.
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const ts = createRequire(path.join(root, 'tests/package.json'))('typescript');
const options = {
	strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, types: [],
	module: ts.ModuleKind.ES2022, moduleResolution: ts.ModuleResolutionKind.Bundler,
	lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
};
const file = (name) => path.join(root, name);
const faults = [];

// ---- the usage file ----

const usage = ts.createProgram([file('tests/lint/usage.ts')], options);
for (const d of ts.getPreEmitDiagnostics(usage)) {
	const at = d.file?.getLineAndCharacterOfPosition(d.start ?? 0);
	faults.push(`${d.file ? path.relative(root, d.file.fileName) : ''}:${at ? at.line + 1 : 0}: ` +
		ts.flattenDiagnosticMessageText(d.messageText, ' '));
}

// ---- both sides ----

function exportsOf(program, name) {
	const checker = program.getTypeChecker();
	const module = checker.getSymbolAtLocation(program.getSourceFile(file(name)));
	return { checker, symbols: new Map(checker.getExportsOfModule(module).map((symbol) =>
		[symbol.name, symbol.flags & ts.SymbolFlags.Alias ?
			checker.getAliasedSymbol(symbol) : symbol])) };
}

/** The public members of instances of the class @symbol. */
function members(checker, symbol) {
	return checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
		.map((p) => p.name).filter((name) => !/^(_|#|.*@)/.test(name) && !name.includes('#'));
}

function compare(what, inTypes, inCode) {
	for (const name of inCode)
		if (!inTypes.includes(name))
			faults.push(`isthmus.d.ts lacks ${what}${name}`);
	for (const name of inTypes)
		if (!inCode.includes(name))
			faults.push(`isthmus.js lacks ${what}${name}, which isthmus.d.ts has`);
}

const types = exportsOf(usage, 'web/isthmus.d.ts');
const isValue = (symbol) => (symbol.flags & ts.SymbolFlags.Value) !== 0;
const actual = await import(file('web/isthmus.js'));
compare('', [...types.symbols].filter(([, s]) => isValue(s)).map(([name]) => name),
	Object.keys(actual));
compare('default.', members(types.checker, types.symbols.get('default')).length ?
	[] : types.checker.getPropertiesOfType(types.checker.getTypeOfSymbol(
		types.symbols.get('default'))).map((p) => p.name), Object.keys(actual.default));

const code = ts.createProgram(['session', 'ua', 'errors', 'playback'].map((name) =>
	file(`web/isthmus/${name}.js`)), { ...options, allowJs: true, checkJs: false });
for (const [name, source] of [['Session', 'session'], ['UA', 'ua'], ['IsthmusError', 'errors'],
	['Playback', 'playback']]) {
	const js = exportsOf(code, `web/isthmus/${source}.js`);
	compare(`${name}.`, members(types.checker, types.symbols.get(name)),
		members(js.checker, js.symbols.get(name)));
}

const { completed } = await import(file('web/isthmus/config.js'));
const known = members(types.checker, types.symbols.get('UAConfig'));
for (const name of Object.keys(completed({ id: 'sip:a@b', endpoint: 'wss://b/' })))
	if (!known.includes(name))
		faults.push(`isthmus.d.ts lacks UAConfig.${name}`);
for (const [name, values] of [['State', actual.State], ['CloseCode', actual.CloseCode],
	['Method', actual.Method]]) {
	const type = types.checker.getTypeOfSymbol(types.symbols.get(name));
	for (const key of new Set([...Object.keys(values),
		...types.checker.getPropertiesOfType(type).map((p) => p.name)])) {
		const p = type.getProperty(key);
		const said = p && types.checker.typeToString(types.checker.getTypeOfSymbol(p));
		if (said !== (typeof values[key] === 'string' ? `"${values[key]}"` : `${values[key]}`))
			faults.push(`${name}.${key} is ${values[key]}, isthmus.d.ts says ${said}`);
	}
}

for (const fault of faults)
	console.log(fault);
process.exit(faults.length ? 1 : 0);
