import { minifySync } from 'oxc-minify';
import { type ParseResult, parseSync } from 'oxc-parser';
import { minify as terserMinify } from 'terser';
import { LeftAsItIs, type Minified, type RawMap, type TextSettings } from './outcome.ts';

type SourceType = 'script' | 'module' | 'commonjs';

/**
 * JavaScript, smaller, with the same names at the top of a script, the same licences and the same hashbang. What oxc makes
 * is parsed again, and terser does it when that fails.
 *
 * A file is a script unless it can only be a module: what is valid as both is treated as the one whose top-level names
 * others may use.
 *
 * @throws LeftAsItIs `invalid` with line and column, `unsure`
 */
export async function minifyJavaScript(
  code: string,
  path: string,
  { keepNames }: TextSettings,
  wantsMap: boolean,
): Promise<Minified> {
  const { sourceType, parsed } = parseAsIs(code, path);
  const licences = licencesOf(parsed);
  const problems: string[] = [];
  for (const attempt of [byOxc, byTerser]) {
    const made = await attempt(code, path, { sourceType, keepNames, wantsMap }).catch((error: Error) => error.message);
    const problem = typeof made === 'string' ? made : problemOf(made.code, path, sourceType, licences);
    if (problem === undefined) return made as Minified;
    problems.push(problem);
  }
  throw new LeftAsItIs('unsure', `neither oxc nor terser could make it smaller safely: ${problems.join('; ')}`);
}

function parseAsIs(code: string, path: string): { sourceType: SourceType; parsed: ParseResult } {
  const candidates: SourceType[] = /\.mjs$/i.test(path)
    ? ['module']
    : /\.cjs$/i.test(path)
      ? ['commonjs']
      : ['script', 'module', 'commonjs'];
  const tried = candidates.map(sourceType => ({ sourceType, parsed: parse(code, sourceType) }));
  const fitting = tried.find(({ parsed }) => parsed.errors.length === 0);
  if (fitting) return fitting;
  // The goal that got furthest has the message that helps.
  const furthest = tried.reduce((best, next) => (positionOf(next.parsed) > positionOf(best.parsed) ? next : best));
  const error = furthest.parsed.errors[0]!;
  const before = code.slice(0, positionOf(furthest.parsed));
  const line = before.split('\n').length;
  throw new LeftAsItIs('invalid', `line ${line}, column ${before.length - before.lastIndexOf('\n')}: ${error.message}`);
}

function positionOf({ errors }: ParseResult): number {
  return errors[0]?.labels[0]?.start ?? 0;
}

/** Always as plain JavaScript: what is served with JSX or types in it does not run. */
function parse(code: string, sourceType: SourceType): ParseResult {
  return parseSync('file.js', code, { sourceType, lang: 'js' });
}

interface Options {
  sourceType: SourceType;
  keepNames: boolean;
  wantsMap: boolean;
}

// Nothing is rewritten into syntax that is younger than what the file uses; what it uses is never rewritten into older.
const target = 'es2015';

async function byOxc(code: string, path: string, { sourceType, keepNames, wantsMap }: Options): Promise<Minified> {
  // The name decides between script and CommonJS; `module` between those and a module.
  const name = sourceType === 'commonjs' ? 'file.cjs' : sourceType === 'module' ? 'file.mjs' : 'file.js';
  const made = minifySync(name, code, {
    module: sourceType === 'module',
    compress: { target, dropDebugger: false, keepNames: { function: keepNames, class: keepNames } },
    mangle: { toplevel: sourceType !== 'script', keepNames },
    codegen: { removeWhitespace: true, legalComments: 'inline' },
    sourcemap: wantsMap,
  });
  if (made.errors[0]) throw new Error(`oxc: ${made.errors[0].message}`);
  const map = made.map && { ...(made.map as RawMap), sources: [path] };
  return { code: made.code.trimEnd(), map, tool: 'oxc' };
}

async function byTerser(code: string, path: string, { sourceType, keepNames, wantsMap }: Options): Promise<Minified> {
  const made = await terserMinify(
    { [path]: code },
    {
      module: sourceType === 'module',
      parse: { bare_returns: sourceType === 'commonjs' },
      compress: { drop_debugger: false, ecma: 2015 },
      mangle: true,
      keep_fnames: keepNames,
      keep_classnames: keepNames,
      format: { comments: licencePattern },
      ...(wantsMap && { sourceMap: { asObject: true, includeSources: true } }),
    },
  );
  if (made.code === undefined) throw new Error('terser: nothing came of it');
  return { code: made.code, ...(wantsMap && { map: made.map as unknown as RawMap }), tool: 'terser' };
}

/** `@license`, `@preserve`, `@cc_on` and comments that begin with `!`: what every bundler takes for a licence. */
const licencePattern = /^\**!|@license|@preserve|@cc_on/i;

function licencesOf({ comments }: ParseResult): string[] {
  return comments.map(({ value }) => value).filter(value => licencePattern.test(value));
}

/** What is wrong with what a tool made; undefined when it can be taken. */
function problemOf(
  code: string,
  path: string,
  sourceType: SourceType,
  licences: readonly string[],
): string | undefined {
  const parsed = parse(code, sourceType);
  if (parsed.errors[0]) return `what came out does not parse: ${parsed.errors[0].message} (${path})`;
  const normal = (text: string) => text.replace(/\s+/g, ' ').trim();
  const kept = new Set(licencesOf(parsed).map(normal));
  const lost = licences.find(licence => !kept.has(normal(licence)));
  return lost === undefined ? undefined : `the licence '${normal(lost).slice(0, 60)}' was lost`;
}
