/**
 * Lets as much memory be taken at one time as there is. A step of work (a decode, an encode, a score) waits for what it
 * takes while it runs, and waits holding no other step. What stays between steps is counted at once: whoever has it
 * cannot wait for others that may wait for it.
 */
export interface MemoryGate {
  /** For one step. Resolves with what gives it back; a step that never fits goes when no other is under way. */
  hold(bytes: number): Promise<() => void>;
  /** What is there between steps. @returns what gives it back */
  keep(bytes: number): () => void;
}

/** So often may others that need less go first: cores are not left idle, and nothing large waits for ever. */
const patience = 8;

interface Waiting {
  bytes: number;
  overtaken: number;
  resolve: (release: () => void) => void;
}

export function createMemoryGate(totalBytes: number): MemoryGate {
  const waiting: Waiting[] = [];
  let kept = 0;
  let taken = 0;
  let steps = 0;

  const admit = () => {
    for (let at = nextAt(); at !== undefined; at = nextAt()) {
      for (const passed of waiting.slice(0, at)) passed.overtaken++;
      const [{ bytes, resolve }] = waiting.splice(at, 1) as [Waiting];
      taken += bytes;
      steps++;
      resolve(
        once(() => {
          taken -= bytes;
          steps--;
          admit();
        }),
      );
    }
  };

  /** The first that there is memory for, but none behind one that has been overtaken often enough. */
  const nextAt = (): number | undefined => {
    if (steps === 0) return waiting.length > 0 ? 0 : undefined;
    for (const [at, { bytes, overtaken }] of waiting.entries()) {
      if (kept + taken + bytes <= totalBytes) return at;
      if (overtaken >= patience) return undefined;
    }
    return undefined;
  };

  return {
    hold(bytes) {
      const { promise, resolve } = Promise.withResolvers<() => void>();
      waiting.push({ bytes, overtaken: 0, resolve });
      admit();
      return promise;
    },
    keep(bytes) {
      kept += bytes;
      return once(() => {
        kept -= bytes;
        admit();
      });
    },
  };
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}

/** For work outside of a pool: nobody to wait for. */
export const openGate: MemoryGate = { hold: async () => () => {}, keep: () => () => {} };

/** A gate for one piece of work: with it ends all that it keeps, results too, which are then those of whoever asked. */
export function scopeOf(gate: MemoryGate): MemoryGate & Disposable {
  const kept = new Set<() => void>();
  return {
    hold: bytes => gate.hold(bytes),
    keep(bytes) {
      const forget = gate.keep(bytes);
      kept.add(forget);
      return () => {
        kept.delete(forget);
        forget();
      };
    },
    [Symbol.dispose]() {
      for (const forget of kept) forget();
      kept.clear();
    },
  };
}

/** Runs `work` while it may take so many bytes. */
export async function holding<Result>(gate: MemoryGate, bytes: number, work: () => Promise<Result>): Promise<Result> {
  const release = await gate.hold(bytes);
  try {
    return await work();
  } finally {
    release();
  }
}
