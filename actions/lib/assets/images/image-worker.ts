import { readFile } from 'node:fs/promises';
import { OpsError } from '../../errors/index.ts';
import { putBlob } from '../blobs.ts';
import { sha256Of, sha256OfFile } from '../sha256.ts';
import type { MemoryGate } from './memory-gate.ts';
import { optimizeImage } from './optimize.ts';
import type { ImageOutcome } from './outcome.ts';
import { release } from './pixels.ts';
import type { FromWorker, StoredOutcome, ToWorker } from './pool.ts';

/** One process of the pool: an image at a time. Memory is asked of the pool, which knows what the others hold. */
const granted = new Map<number, () => void>();
let tickets = 0;
let cancel = new AbortController();

const gate: MemoryGate = {
  hold(bytes) {
    const ticket = tickets++;
    const { promise, resolve } = Promise.withResolvers<() => void>();
    granted.set(ticket, () => resolve(() => send({ kind: 'release', ticket })));
    send({ kind: 'hold', ticket, bytes });
    return promise;
  },
  keep(bytes) {
    const ticket = tickets++;
    send({ kind: 'keep', ticket, bytes });
    return () => send({ kind: 'release', ticket });
  },
};

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'granted':
      granted.get(message.ticket)?.();
      return void granted.delete(message.ticket);
    case 'abort':
      return cancel.abort();
    case 'work':
      return void work(message);
  }
});

// Ctrl-C reaches every process of a terminal: the pool says when it is enough, and its end is ours.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());

const changed = 'it changed meanwhile';

async function work(request: Extract<ToWorker, { kind: 'work' }>): Promise<void> {
  const { path, file, sha256, settings, cacheFolder } = request;
  cancel = new AbortController();
  try {
    const bytes = await readFile(file);
    if (sha256Of(bytes) !== sha256) throw new Error(changed);
    const outcome = await optimizeImage({ path, bytes, file, settings, signal: cancel.signal, gate });
    if (bytes.length === 0 && (await sha256OfFile(file)) !== sha256) throw new Error(changed);
    send({ kind: 'done', outcome: await stored(outcome, cacheFolder) });
  } catch (thrown) {
    if (thrown instanceof OpsError && thrown.code === 'ASSETS_CACHE')
      return send({ kind: 'not kept', message: thrown.message, hint: thrown.hint });
    send({ kind: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}

async function stored(outcome: ImageOutcome, cacheFolder: string): Promise<StoredOutcome> {
  if (outcome.kind === 'refused') return outcome;
  const put = async <Made extends { bytes: Buffer }>(made: Made) => {
    const bytes = await putBlob(cacheFolder, made.bytes);
    release({ data: made.bytes });
    return { ...made, bytes };
  };
  const { inPlace, variants, ...rest } = outcome;
  return {
    ...rest,
    ...(inPlace && { inPlace: await put(inPlace) }),
    variants: await Promise.all(variants.map(put)),
  };
}

function send(message: FromWorker): void {
  process.send?.(message);
}
