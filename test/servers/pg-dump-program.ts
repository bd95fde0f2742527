import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import pg from 'pg';

/**
 * pg_dump of PostgreSQL 18 as WebAssembly. What it would say to a socket, it says to one that a worker holds; the thread in
 * which it runs waits for each answer, as a program does. Takes the arguments and the environment of the real one, as far
 * as `--file` and what selects objects go.
 */

/** Called by pg_dump for what it sends; it has the whole answer when this returns. */
interface Server {
  query(sql: string): Promise<{ rows: { search_path: string }[] }>;
  exec(sql: string): Promise<void>;
  execProtocolRawStream(bytes: Uint8Array, options: { onRawData: (bytes: Uint8Array) => void }): void;
}

async function main(args: string[]): Promise<void> {
  const file = args.splice(args.indexOf('--file'), 2)[1]!;
  const { port1, port2 } = new MessageChannel();
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(import.meta.filename, { workerData: { port: port2, turn }, transferList: [port2] });
  const server: Server = {
    query: async () => ({ rows: [{ search_path: '' }] }),
    exec: async () => {},
    execProtocolRawStream(bytes, { onRawData }) {
      Atomics.store(turn, 0, 0);
      port1.postMessage(Uint8Array.from(bytes));
      Atomics.wait(turn, 0, 0);
      const answer = receiveMessageOnPort(port1)?.message as Uint8Array | Error;
      if (answer instanceof Error) throw answer;
      if (answer.length > 0) onRawData(answer);
    },
  };
  try {
    // The worker loads this file as well, and has no use for it.
    const { pgDump } = await import('@electric-sql/pglite-tools/pg_dump');
    const dump = await pgDump({ pg: server as never, args });
    writeFileSync(file, await dump.text());
  } finally {
    await worker.terminate();
  }
}

/** Holds the connection to the real server, which this machine's own client has logged in to. */
async function relay({ port, turn }: { port: MessagePort; turn: Int32Array }): Promise<void> {
  const answer = (message: Uint8Array | Error) => {
    port.postMessage(message);
    Atomics.store(turn, 0, 1);
    Atomics.notify(turn, 0);
  };
  const client = new pg.Client({ ssl: false });
  const { connection } = client as unknown as { connection: pg.Connection };
  const greeting: Buffer[] = [message('R', Buffer.alloc(4))];
  connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    greeting.push(message('S', Buffer.from(`${parameterName}\0${parameterValue}\0`)));
  });
  const connected = client.connect();
  let sent = Buffer.alloc(0);
  let isGreeted = false;
  port.on('message', async (bytes: Uint8Array) => {
    try {
      await connected;
      sent = Buffer.concat([sent, bytes]);
      if (!isGreeted) {
        if (sent.length < 4 || sent.length < sent.readUInt32BE(0)) return answer(new Uint8Array());
        sent = Buffer.alloc(0);
        isGreeted = true;
        connection.stream.removeAllListeners('data');
        return answer(Buffer.concat([...greeting, message('Z', Buffer.from('I'))]));
      }
      // A long statement comes in pieces.
      if (sent.length < 5 || sent.length < sent.readUInt32BE(1) + 1) return answer(new Uint8Array());
      connection.stream.write(sent);
      const isGoodbye = sent[0] === 0x58;
      sent = Buffer.alloc(0);
      answer(isGoodbye ? new Uint8Array() : await untilReady(connection.stream));
    } catch (thrown) {
      answer(thrown as Error);
    }
  });
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Everything up to ReadyForQuery. */
async function untilReady(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  let got = Buffer.alloc(0);
  for (let at = 0; ; ) {
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    got = Buffer.concat([got, chunk]);
    while (got.length >= at + 5 && got.length >= at + 1 + got.readUInt32BE(at + 1)) {
      const isReady = got[at] === 0x5a;
      at += 1 + got.readUInt32BE(at + 1);
      if (isReady) return got;
    }
  }
}

if (workerData?.port) await relay(workerData);
else await main(process.argv.slice(2));
