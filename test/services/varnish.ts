import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findProgram, freePorts, killAll, startDaemon } from './processes.ts';

export interface Varnish {
  /** `http://127.0.0.1:port` */
  url: string;
  stop(): Promise<void>;
}

const ourVcl = fileURLToPath(new URL('../../actions/cdn/', import.meta.url));

/** A real Varnish on a free port in front of `origin`, with the VCL that the README tells people to include. */
export async function startVarnish(
  origin: string,
  options: { grace?: string; purgers?: string } = {},
): Promise<Varnish> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-varnish-'));
  const [port] = (await freePorts(1)) as [number];
  const { hostname, port: originPort } = new URL(origin);
  const vcl = join(folder, 'test.vcl');
  await writeFile(
    vcl,
    `vcl 4.1;
acl production_ops_purgers { "${options.purgers ?? '127.0.0.1'}"; }
include "${ourVcl}purge-tags.vcl";
include "${ourVcl}purge.vcl";
backend default { .host = "${hostname}"; .port = "${originPort}"; }
sub vcl_backend_response { set beresp.grace = ${options.grace ?? '0s'}; }
sub vcl_deliver { if (obj.hits > 0) { set resp.http.x-cache = "HIT"; } else { set resp.http.x-cache = "MISS"; } }
`,
  );
  const args = [
    '-F',
    '-j',
    'none',
    '-n',
    join(folder, 'work'),
    '-a',
    `127.0.0.1:${port}`,
    '-f',
    vcl,
    '-s',
    'malloc,16m',
  ];
  const daemon = startDaemon(findProgram('varnishd')!, args, { PATH: process.env.PATH });
  let tail = '';
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk).slice(-4000);
    });
  }
  const stop = async () => {
    await killAll([daemon]);
    await rm(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    for (const end = Date.now() + 60_000; ; ) {
      if (daemon.exitCode !== null) throw new Error(`varnishd ended with ${daemon.exitCode}: ${tail}`);
      const isUp = await fetch(`${url}/production-ops-ready`, { signal: AbortSignal.timeout(5_000) }).then(
        () => true,
        () => false,
      );
      if (isUp) return { url, stop };
      if (Date.now() > end) throw new Error(`varnishd did not answer within 60 s: ${tail}`);
      await wait(50);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}
