/** One measured claim. */
export interface Result {
  name: string;
  /** What was measured, in words and numbers. */
  detail: string;
  value: number;
  /** The value must not be larger. */
  target: number;
  unit: string;
}

/** Prints a table; returns whether every target is reached. */
export function printResults(results: readonly Result[]): boolean {
  const rows = results.map(result => [
    result.value <= result.target ? 'reached' : 'MISSED',
    result.name,
    `${format(result.value)} ${result.unit}`.trim(),
    `≤ ${format(result.target)}`,
    result.detail,
  ]);
  const header = ['', 'measure', 'value', 'target', ''];
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)));
  for (const row of [header, ...rows]) {
    const line = row.map((text, column) => text.padEnd(widths[column]!)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  return results.every(result => result.value <= result.target);
}

function format(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 3);
}
