import { parentPort } from 'node:worker_threads';
import { optimizeText } from './optimize.ts';
import type { TextOutcome } from './outcome.ts';
import type { TextDone, TextJob } from './pool.ts';
import { precompress } from './precompress.ts';

/** One thread of the pool: a job at a time, answered in order. */
parentPort?.on('message', async (job: TextJob) => {
  // Its time begins when it does: what a thread needs to start is not the file's.
  parentPort?.postMessage({ isBegun: true });
  try {
    parentPort?.postMessage({ done: await work(job) });
  } catch (error) {
    parentPort?.postMessage({ failure: (error as Error).message });
  }
});

async function work({ file, precompress: settings }: TextJob): Promise<TextDone> {
  const { kind } = file;
  const outcome: TextOutcome = kind ? await optimizeText({ ...file, kind }) : { status: 'same' };
  const served = outcome.status === 'smaller' ? outcome.bytes : file.bytes;
  return { outcome, encodings: settings ? await precompress(served, settings) : [] };
}
