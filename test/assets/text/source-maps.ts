/** A reader of source maps of its own (ECMA-426), so that what one library writes is not read by the same one. */
export class SourceMapConsumer {
  readonly #sources: string[];
  /** By line: generated column, source, line, column. */
  readonly #lines: number[][][];

  constructor({ mappings, sources }: { mappings: string; sources: string[] }) {
    this.#sources = sources;
    let [source, line, column] = [0, 0, 0];
    this.#lines = mappings.split(';').map(text => {
      let generated = 0;
      return text
        .split(',')
        .filter(segment => segment !== '')
        .map(segment => {
          const [g = 0, s = 0, l = 0, c = 0] = decode(segment);
          generated += g;
          source += s;
          line += l;
          column += c;
          return [generated, source, line, column];
        });
    });
  }

  /** All counted from 0. */
  originalOf(line: number, column: number): { source: string; line: number; column: number } | undefined {
    const segment = this.#lines[line]?.findLast(([generated]) => generated! <= column);
    return segment && { source: this.#sources[segment[1]!]!, line: segment[2]!, column: segment[3]! };
  }
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function decode(segment: string): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const character of segment) {
    const digit = digits.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
