import { parentPort } from 'node:worker_threads';
import type { MemoryGate } from './memory-gate.ts';
import { optimizeImage } from './optimize.ts';
import type { FromWorker, ToWorker } from './pool.ts';

/** One thread of the pool: an image at a time. Memory is asked of the pool, which knows what the others hold. */
const port = parentPort!;
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
};

port.on('message', (message: ToWorker) => {
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

async function work({ path, bytes, settings }: Extract<ToWorker, { kind: 'work' }>): Promise<void> {
  cancel = new AbortController();
  try {
    const outcome = await optimizeImage({ path, bytes, settings, signal: cancel.signal, gate });
    send({ kind: 'done', outcome });
  } catch (thrown) {
    send({ kind: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}

function send(message: FromWorker): void {
  port.postMessage(message);
}
