/** The last `maxBytes` of a byte stream, however long it is. */
export class Tail {
  readonly #maxBytes: number;
  #kept: Buffer = Buffer.alloc(0);
  #isCut = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    const all = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    const isOver = all.length > this.#maxBytes;
    this.#isCut ||= isOver;
    // A copy, so that a short tail does not keep a large read buffer alive.
    this.#kept = isOver ? Buffer.from(all.subarray(all.length - this.#maxBytes)) : all;
  }

  /** As UTF-8; the first line is left out where it was cut in two. */
  text(): string {
    const text = this.#kept.toString('utf8');
    const newline = text.indexOf('\n');
    return (this.#isCut && newline >= 0 ? text.slice(newline + 1) : text).trimEnd();
  }
}
