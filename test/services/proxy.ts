import { connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  port: number;
  /** Cuts every connection that is open now. */
  cutAll(): void;
  stop(): Promise<void>;
}

/** What has been said so far on one connection. */
export interface Exchange {
  /** The last 4 KB that the client sent. */
  asked: string;
  answeredBytes: number;
}

/**
 * A TCP proxy before a real server that loses answers: before each piece of an answer is passed on, `isCut` may decide
 * to cut the connection instead. The server has done its work by then, and the client does not know.
 */
export async function startProxy(targetPort: number, isCut: (exchange: Exchange) => boolean): Promise<Proxy> {
  const open = new Set<Socket>();
  const server = createServer(client => {
    const upstream = connect(targetPort, '127.0.0.1');
    const exchange: Exchange = { asked: '', answeredBytes: 0 };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', chunk => {
      exchange.asked = (exchange.asked + chunk.toString('latin1')).slice(-4096);
    });
    client.pipe(upstream);
    upstream.on('data', chunk => {
      exchange.answeredBytes += chunk.length;
      if (isCut(exchange)) return void client.destroy();
      if (client.write(chunk)) return;
      upstream.pause();
      client.once('drain', () => upstream.resume());
    });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  const cutAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cutAll,
    stop: async () => {
      cutAll();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
