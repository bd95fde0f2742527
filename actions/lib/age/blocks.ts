/**
 * Cuts a stream into blocks of one size and always holds the last one back. An age chunk is sealed differently when
 * it is the last, and that a block is not the last is only known once a byte follows it.
 */
export class Blocks {
  readonly #held: Buffer;
  #heldBytes = 0;

  constructor(blockBytes: number) {
    this.#held = Buffer.allocUnsafeSlow(blockBytes);
  }

  /**
   * Calls `onBlock` for each whole block that more bytes follow. A block may be a view of `input` or of a buffer that
   * is used again: it is valid only during the call.
   */
  push(input: Uint8Array, onBlock: (block: Uint8Array) => void): void {
    const size = this.#held.length;
    let at = 0;
    if (this.#heldBytes > 0) {
      at = Math.min(size - this.#heldBytes, input.length);
      this.#held.set(input.subarray(0, at), this.#heldBytes);
      this.#heldBytes += at;
      if (at === input.length) return;
      onBlock(this.#held);
    }
    for (; input.length - at > size; at += size) onBlock(input.subarray(at, at + size));
    this.#held.set(input.subarray(at), 0);
    this.#heldBytes = input.length - at;
  }

  /** What is held back: the last block once the stream has ended, empty only if the stream was. */
  rest(): Uint8Array {
    return this.#held.subarray(0, this.#heldBytes);
  }
}
