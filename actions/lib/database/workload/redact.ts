/**
 * The text of a statement without a literal of the user: every constant becomes a parameter (`$1`, `$2` … after those it
 * has), comments are left out. `pg_stat_statements` does most of this itself, but not for utility statements before 16
 * (`ALTER ROLE … PASSWORD 'x'`), not for a statement whose entry was evicted while it ran, and `pg_stat_activity` not at all.
 *
 * A reader of its own rather than the parser: texts are cut off in the middle, or are no SQL at all, and must not leak
 * then either. What cannot be read for certain is dropped with all that follows it.
 */
export function redactStatement(text: string, longest = 4000): string {
  const tokens = [...tokensOf(text)];
  let next = Math.max(0, ...tokens.map(token => (token.kind === 'parameter' ? Number(token.text.slice(1)) || 0 : 0)));
  let redacted = '';
  for (const token of withoutValues(tokens)) {
    if (token.kind === 'constant') redacted += `$${++next}`;
    else if (token.kind === 'comment') redacted += ' ';
    else redacted += token.text;
  }
  const flat = redacted.replace(/\s+/g, ' ').trim();
  return flat.length > longest ? `${flat.slice(0, longest)} …` : flat;
}

/** Whether `redactStatement` would change more than space and comments: the text holds a constant. */
export function hasLiteral(text: string): boolean {
  return [...tokensOf(text)].some(({ kind }) => kind === 'constant' || kind === 'cut');
}

type Token = {
  kind: 'word' | 'quoted' | 'parameter' | 'constant' | 'comment' | 'space' | 'other' | 'cut';
  text: string;
};

/**
 * The lexical rules of https://www.postgresql.org/docs/current/sql-syntax-lexical.html, in the order that decides. A
 * constant, comment or quoted name without an end runs to the end of the text.
 */
const patterns: readonly [kind: Token['kind'], pattern: RegExp][] = [
  ['space', /\s+/y],
  ['comment', /--[^\n\r]*/y],
  ['quoted', /(?:[uU]&)?"(?:[^"]|"")*"/y],
  // With a backslash for escape; U&, B, X and N strings have none, like plain ones.
  ['constant', /[eE]'(?:[^'\\]|\\[\s\S]|'')*'/y],
  // A backslash before a quote ends the string in one setting of standard_conforming_strings, and not in the other.
  ['constant', /(?:[uU]&|[bBxXnN])?'(?:[^'\\]|''|\\(?!'))*'/y],
  ['parameter', /\$\d+/y],
  ['word', /[\p{L}_\u0080-\uffff][\p{L}\p{N}_$\u0080-\uffff]*/uy],
  ['constant', /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?)/y],
  ['other', /[^'"$\d\p{L}_\s\u0080-\uffff]/uy],
];

function* tokensOf(text: string): Generator<Token> {
  let at = 0;
  while (at < text.length) {
    const special = text.startsWith('/*', at) ? blockComment(text, at) : dollarQuoted(text, at);
    if (special) {
      yield special.token;
      at = special.end;
      continue;
    }
    const found = patterns.flatMap(([kind, pattern]) => {
      pattern.lastIndex = at;
      const match = pattern.exec(text)?.[0];
      return match ? [{ kind, text: match }] : [];
    })[0];
    // A constant without an end, or whose end is not certain.
    if (!found) {
      yield { kind: 'cut', text: '…' };
      return;
    }
    yield found;
    at += found.text.length;
  }
}

/** They nest. */
function blockComment(text: string, start: number): { token: Token; end: number } {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    if (text.startsWith('/*', at)) depth++;
    else if (text.startsWith('*/', at)) depth--;
    else {
      at++;
      continue;
    }
    at += 2;
    if (depth === 0) break;
  }
  return { token: { kind: 'comment', text: '' }, end: at };
}

function dollarQuoted(text: string, start: number): { token: Token; end: number } | undefined {
  if (text[start] !== '$') return undefined;
  const tag = /\$(?:[\p{L}_\u0080-\uffff][\p{L}\p{N}_\u0080-\uffff]*)?\$/uy;
  tag.lastIndex = start;
  const open = tag.exec(text)?.[0];
  if (!open) return undefined;
  const close = text.indexOf(open, start + open.length);
  return { token: { kind: 'constant', text: '' }, end: close < 0 ? text.length : close + open.length };
}

/**
 * `SET app.token = hunter2` and `ALTER … SET key TO value` take a value without quotes, and so do options of the kind
 * `(password hunter2)`: what follows is dropped.
 */
function withoutValues(tokens: readonly Token[]): readonly Token[] {
  const words = tokens.filter(({ kind }) => kind === 'word' || kind === 'other' || kind === 'quoted');
  const first = words[0]?.text.toUpperCase();
  const isSetting = first === 'SET' || (first === 'ALTER' && words.some(({ text }) => text.toUpperCase() === 'SET'));
  const password = tokens.findIndex(({ kind, text }) => kind === 'word' && /^password$/i.test(text));
  const isUtility = first !== undefined && !/^(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE|\()$/.test(first);
  let end = isUtility && password >= 0 ? password + 1 : -1;
  if (isSetting) {
    const set = tokens.findIndex(({ kind, text }) => kind === 'word' && text.toUpperCase() === 'SET');
    const sign = tokens.findIndex(({ text }, index) => index > set && (text === '=' || text.toUpperCase() === 'TO'));
    if (sign >= 0) end = end < 0 ? sign + 1 : Math.min(end, sign + 1);
  }
  return end < 0 ? tokens : [...tokens.slice(0, end), { kind: 'other', text: ' …' }];
}
