const blocks = '▁▂▃▄▅▆▇█';

/** `▁▃█`: one block for each value, from the least to the greatest; all alike when there is no difference. */
export function sparkline(values: readonly number[]): string {
  const least = Math.min(...values);
  const range = Math.max(...values) - least;
  return values
    .map(value => blocks[range === 0 ? 3 : Math.round(((value - least) / range) * (blocks.length - 1))])
    .join('');
}
