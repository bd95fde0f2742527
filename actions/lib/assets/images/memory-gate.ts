/** Lets as much memory be taken at one time as there is; whoever asks for more waits for the others to let go. */
export interface MemoryGate {
  /** Resolves with what gives it back. What is larger than all there is waits until it is alone. */
  hold(bytes: number): Promise<() => void>;
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
  let taken = 0;

  const admit = () => {
    for (let at = nextAt(); at !== undefined; at = nextAt()) {
      for (const passed of waiting.slice(0, at)) passed.overtaken++;
      const [{ bytes, resolve }] = waiting.splice(at, 1) as [Waiting];
      taken += bytes;
      let isHeld = true;
      resolve(() => {
        if (isHeld) taken -= bytes;
        isHeld = false;
        admit();
      });
    }
  };

  /** The first that there is memory for, but none behind one that has been overtaken often enough. */
  const nextAt = (): number | undefined => {
    for (const [at, { bytes, overtaken }] of waiting.entries()) {
      if (taken + bytes <= totalBytes) return at;
      if (overtaken >= patience) return undefined;
    }
    return undefined;
  };

  return {
    hold(bytes) {
      const { promise, resolve } = Promise.withResolvers<() => void>();
      waiting.push({ bytes: Math.min(bytes, totalBytes), overtaken: 0, resolve });
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
