/** Lets as much memory be taken at one time as there is; whoever asks for more waits for the others to let go. */
export interface MemoryGate {
  /** Resolves with what gives it back. What is larger than all there is waits until it is alone. */
  hold(bytes: number): Promise<() => void>;
}

export function createMemoryGate(totalBytes: number): MemoryGate {
  const waiting: { bytes: number; resolve: (release: () => void) => void }[] = [];
  let taken = 0;

  const admit = () => {
    // In order of arrival: the large ones would wait for ever behind many small ones.
    while (waiting.length > 0 && taken + waiting[0]!.bytes <= totalBytes) {
      const { bytes, resolve } = waiting.shift()!;
      taken += bytes;
      let isHeld = true;
      resolve(() => {
        if (isHeld) taken -= bytes;
        isHeld = false;
        admit();
      });
    }
  };

  return {
    hold(bytes) {
      const { promise, resolve } = Promise.withResolvers<() => void>();
      waiting.push({ bytes: Math.min(bytes, totalBytes), resolve });
      admit();
      return promise;
    },
  };
}

/** For work outside of a pool: nobody to wait for. */
export const openGate: MemoryGate = { hold: async () => () => {} };

/** Runs `work` while it may take so many bytes. */
export async function holding<Result>(gate: MemoryGate, bytes: number, work: () => Promise<Result>): Promise<Result> {
  const release = await gate.hold(bytes);
  try {
    return await work();
  } finally {
    release();
  }
}
