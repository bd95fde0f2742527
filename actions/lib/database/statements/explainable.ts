import type { Node } from 'libpg-query';
import type { ParsedStatement } from './parser.ts';
import { lastName, walk } from './syntax.ts';

/**
 * The statement as the server takes it back. `pg_stat_statements` writes `interval '1 day'` as `interval $1` and
 * `EXTRACT(day FROM x)` as `EXTRACT($1 FROM x)`, which its own grammar refuses (pganalyze/pg_query#169); they become
 * `CAST($1 AS interval)` and `date_part($1, x)`. Everything else stays as it was written, byte for byte.
 */
export function explainableSql(statement: ParsedStatement): string {
  const source = Buffer.from(statement.text);
  return spliced(source, edits(statement.node, source));
}

/**
 * The same with `$n` written as `($n)::integer` where it is added to or taken from something without a type of its own:
 * `current_date - $1` is then a date again, and not a number of days between two dates. For a second try only.
 */
export function explainableSqlWithIntegers(statement: ParsedStatement): string {
  const source = Buffer.from(statement.text);
  const found = edits(statement.node, source);
  walk(statement.node, node => {
    if (!('A_Expr' in node) || !['+', '-', '*', '/'].includes(lastName(node.A_Expr.name))) return true;
    for (const side of [node.A_Expr.lexpr, node.A_Expr.rexpr]) {
      if (!side || !('ParamRef' in side)) continue;
      const start = side.ParamRef.location ?? 0;
      const text = `$${side.ParamRef.number ?? 0}`;
      found.push({ start, end: start + text.length, text: `(${text})::integer` });
    }
    return true;
  });
  return spliced(source, found);
}

interface Edit {
  /** Offsets into the bytes of the text. */
  start: number;
  end: number;
  text: string;
}

function edits(root: Node, source: Buffer): Edit[] {
  const found: Edit[] = [];
  walk(root, node => {
    if ('TypeCast' in node) {
      const { arg, typeName, location } = node.TypeCast;
      // Only the form `type 'literal'` has no location of its own; CAST and :: have one.
      if (arg && 'ParamRef' in arg && location === -1 && typeName?.location !== undefined) {
        const start = typeName.location;
        const at = arg.ParamRef.location ?? 0;
        const end = at + `$${arg.ParamRef.number ?? 0}`.length;
        const type = source.subarray(start, at).toString().trim();
        if (start < at) found.push({ start, end, text: `CAST(${source.subarray(at, end)} AS ${type})` });
      }
    }
    if (
      'FuncCall' in node &&
      node.FuncCall.funcformat === 'COERCE_SQL_SYNTAX' &&
      lastName(node.FuncCall.funcname) === 'extract'
    ) {
      const [field] = node.FuncCall.args ?? [];
      if (field && 'ParamRef' in field) {
        const start = node.FuncCall.location ?? 0;
        const at = field.ParamRef.location ?? 0;
        const end = at + `$${field.ParamRef.number ?? 0}`.length;
        const from = /^\s*from\b/i.exec(source.subarray(end).toString())?.[0] ?? '';
        found.push({ start, end: end + from.length, text: `pg_catalog.date_part(${source.subarray(at, end)},` });
      }
    }
    return true;
  });
  return found;
}

function spliced(source: Buffer, found: readonly Edit[]): string {
  const parts: string[] = [];
  let done = 0;
  for (const edit of [...found].sort((a, b) => a.start - b.start)) {
    if (edit.start < done) continue;
    parts.push(source.subarray(done, edit.start).toString(), edit.text);
    done = edit.end;
  }
  parts.push(source.subarray(done).toString());
  return parts.join('');
}
