import { OpsError } from '../errors/index.ts';

/** `name` as a quoted SQL identifier. Always quoted: no list of key words to keep up with. Code: PG_QUOTE. */
export function quoteIdent(name: string): string {
  if (name === '') throw new OpsError('PG_QUOTE', 'An SQL name cannot be empty');
  return `"${representable(name).replaceAll('"', '""')}"`;
}

/** `"schema"."name"`. Code: PG_QUOTE. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

/**
 * `text` as an SQL string literal that reads the same with `standard_conforming_strings` on and off: text with a
 * backslash is written as `E'…'`. Code: PG_QUOTE.
 */
export function quoteLiteral(text: string): string {
  const quoted = representable(text).replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** PostgreSQL has no NUL in text, and a lone surrogate would silently become U+FFFD on the way. */
function representable(text: string): string {
  if (text.includes('\0')) throw new OpsError('PG_QUOTE', 'PostgreSQL text cannot hold a NUL character');
  if (!text.isWellFormed()) throw new OpsError('PG_QUOTE', 'The text is not valid Unicode (a lone surrogate)');
  return text;
}
