/** Time that is given out in shares, so that what comes last is not left with nothing. */
export class Budget {
  readonly #startedAt = performance.now();
  readonly #totalMs: number;

  constructor(seconds: number) {
    this.#totalMs = seconds * 1000;
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  /** @param share of the whole, counted from the start: `until(0.6)` is over when 60 % of the time is used up */
  remainingMs(share = 1): number {
    return Math.max(0, this.#startedAt + this.#totalMs * share - performance.now());
  }

  isOver(share = 1): boolean {
    return this.remainingMs(share) === 0;
  }
}
