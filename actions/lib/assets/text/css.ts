import { Features, transform } from 'lightningcss';
import { LeftAsItIs, type Minified, type RawMap } from './outcome.ts';

/**
 * Browsers of the end of 2020. It decides only what is *not* done: declarations written twice for older browsers stay
 * both, and no rule is rewritten into syntax that these do not read. (Without targets lightningcss drops the first of
 * `color: red; color: oklch(…)`.)
 */
const version = (major: number, minor = 0) => (major << 16) | (minor << 8);
const targets = {
  chrome: version(87),
  edge: version(87),
  firefox: version(78),
  ios_saf: version(14, 5),
  safari: version(14, 1),
};

/** Media queries are written as `min-width`, which is shorter to read for all of them. All else stays what it is: */
const neverRewritten = Object.values(Features as unknown as Record<string, number>)
  .filter(feature => typeof feature === 'number')
  .reduce((all, feature) => all | feature, 0);
const exclude = neverRewritten & ~(Features as unknown as Record<'MediaQueries', number>).MediaQueries;

/**
 * CSS, smaller, with its licences on top.
 * @throws LeftAsItIs `invalid` with line and column; `unsure` when what comes out does not parse
 */
export function minifyCss(code: string, path: string, wantsMap: boolean): Minified {
  const made = pass(code, path, wantsMap);
  try {
    pass(made.code, path, false);
  } catch (error) {
    throw new LeftAsItIs('unsure', `what came out does not parse: ${(error as Error).message}`);
  }
  const head = headOf(code, made.code);
  const lines = head.split('\n').length - 1;
  return {
    code: `${head}${made.code}`,
    ...(made.map && { map: { ...made.map, mappings: `${';'.repeat(lines)}${made.map.mappings}` } }),
    tool: 'lightningcss',
  };
}

function pass(code: string, path: string, wantsMap: boolean): { code: string; map?: RawMap | undefined } {
  try {
    const made = transform({
      filename: path,
      code: Buffer.from(code),
      minify: true,
      targets,
      exclude,
      errorRecovery: false,
      sourceMap: wantsMap,
    });
    const map = made.map ? (JSON.parse(Buffer.from(made.map).toString()) as RawMap) : undefined;
    return { code: Buffer.from(made.code).toString(), map: map && { ...map, sources: [path] } };
  } catch (error) {
    const { loc, message } = error as Error & { loc?: { line: number; column: number } };
    throw new LeftAsItIs('invalid', loc ? `line ${loc.line}, column ${loc.column}: ${message}` : message);
  }
}

/**
 * What lightningcss drops and must stay: the charset when there is more than ASCII, and licences, each on its line. (It
 * keeps those that are the very first thing.)
 */
function headOf(before: string, after: string): string {
  // CSS Syntax 3, 3.2: only these very bytes, and only at the very beginning.
  const charset = /^@charset "[^"]*";/.exec(before)?.[0];
  const head = charset && /[^\u0000-\u007f]/.test(after) ? [charset] : [];
  return [...head, ...licencesOf(before).filter(licence => !after.includes(licence))].map(line => `${line}\n`).join('');
}

/** A comment inside a string is none. */
function licencesOf(code: string): string[] {
  const tokens = code.matchAll(/"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'|\/\*[\s\S]*?\*\//g);
  const licences = [...tokens]
    .map(([token]) => token)
    .filter(token => /^\/\*(!|[\s\S]*@(license|preserve))/i.test(token));
  return [...new Set(licences)];
}
