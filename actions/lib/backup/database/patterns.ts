/**
 * Table patterns of the configuration: `schema.table`, or `table` in any schema; `*` and `?` within a name; case counts.
 * A quoted pattern matches its text as it is: `"Sales 2024"."a*b"`.
 */
export interface TablePatterns {
  matches(table: { schema: string; name: string }): boolean;
  /** Patterns that have matched nothing so far. */
  unmatched(): string[];
}

export function compilePatterns(patterns: readonly string[]): TablePatterns {
  const compiled = patterns.map(pattern => ({ pattern, ...compile(pattern), used: false }));
  return {
    matches(table) {
      let found = false;
      for (const entry of compiled) {
        if ((entry.schema && !entry.schema.test(table.schema)) || !entry.name.test(table.name)) continue;
        entry.used = true;
        found = true;
      }
      return found;
    },
    unmatched: () => compiled.filter(entry => !entry.used).map(entry => entry.pattern),
  };
}

function compile(pattern: string): { schema: RegExp | undefined; name: RegExp } {
  const names = split(pattern);
  const name = names.pop() ?? /^$/;
  return { schema: names.pop(), name };
}

/** Splits at dots outside quotes and turns each side into an anchored expression. */
function split(pattern: string): RegExp[] {
  const sources: string[] = [];
  let source = '';
  let isQuoted = false;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i);
    if (char === '"' && isQuoted && pattern.charAt(i + 1) === '"') {
      source += '"';
      i++;
    } else if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted) source += escapeRegExp(char);
    else if (char === '.') {
      sources.push(source);
      source = '';
    } else if (char === '*') source += '.*';
    else if (char === '?') source += '.';
    else source += escapeRegExp(char);
  }
  return [...sources, source].map(text => new RegExp(`^${text}$`, 'su'));
}

function escapeRegExp(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/**
 * Names as patterns for `pg_dump`, a few long ones instead of one each: pg_dump asks the server once per pattern.
 * Alternation is written as the regular expression that pg_dump allows outside quotes; a name is quoted inside it.
 * https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
 */
export function pgDumpPatterns(tables: readonly { schema: string; name: string }[], maxChars = 60_000): string[] {
  const bySchema = new Map<string, string[]>();
  for (const table of tables) {
    const names = bySchema.get(table.schema) ?? [];
    names.push(quote(table.name));
    bySchema.set(table.schema, names);
  }
  const patterns: string[] = [];
  for (const [schema, names] of bySchema) {
    let group: string[] = [];
    let length = 0;
    const flush = () => {
      if (group.length > 0) patterns.push(`${quote(schema)}.(${group.join('|')})`);
      group = [];
      length = 0;
    };
    for (const name of names) {
      if (length + name.length > maxChars) flush();
      group.push(name);
      length += name.length + 1;
    }
    flush();
  }
  return patterns;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
