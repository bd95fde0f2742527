import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { findProgram, freePorts, killAll, run, startDaemon } from './processes.ts';

export interface S3Server {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** A bucket that exists and is empty. */
  bucket: string;
  /** Freezes the gateway as a network that swallows everything would; `false` thaws it. */
  freeze(frozen: boolean): void;
  /** The gateway dies at once; `stop` is still needed. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const bucket = 'backups';

/**
 * A real S3 server: one-node Ceph with its RADOS Gateway, on free ports of the loopback interface, its data in memory.
 * It needs no root and answers in about two seconds; several can run side by side.
 */
export async function startS3Server(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-s3-'));
  const [monitorPort, httpPort] = (await freePorts(2)) as [number, number];
  const endpoint = `http://127.0.0.1:${httpPort}`;
  const keys = { accessKeyId: `test-${randomUUID().slice(0, 8)}`, secretAccessKey: `secret/+${randomUUID()}` };
  const daemons: ChildProcess[] = [];
  const stop = async () => {
    await killAll(daemons);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const env = await writeCluster(folder, monitorPort, httpPort);
    const ceph = (program: string, ...args: string[]) => run(findProgram(program)!, args, { env, timeout: 30_000 });
    const daemon = (program: string, ...args: string[]) => {
      const child = startDaemon(findProgram(program)!, ['-f', ...args], env);
      daemons.push(child);
      return keepTail(child);
    };

    await writeKeyring(folder, ceph);
    await ceph(
      'ceph-mon',
      '--mkfs',
      '-i',
      'a',
      '--monmap',
      join(folder, 'monmap'),
      '--keyring',
      join(folder, 'keyring'),
    );
    daemon('ceph-mon', '-i', 'a');
    const osd = randomUUID();
    await ceph('ceph', 'osd', 'new', osd);
    await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
    daemon('ceph-osd', '-i', '0');
    const gateway = daemon('radosgw', '-n', 'client.rgw.x');
    await untilAnswering(endpoint, gateway);
    await ceph(
      'radosgw-admin',
      ...['user', 'create', '--uid=test', '--display-name=test'],
      ...[`--access-key=${keys.accessKeyId}`, `--secret=${keys.secretAccessKey}`],
    );
    await createBucket(endpoint, keys);
    const kill = () => killAll([gateway.child]);
    const freeze = (frozen: boolean) => void gateway.child.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
    return { endpoint, region: 'us-east-1', bucket, ...keys, freeze, kill, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function writeCluster(folder: string, monitorPort: number, httpPort: number): Promise<NodeJS.ProcessEnv> {
  for (const name of ['mon', 'osd0', 'rgw', 'run']) await mkdir(join(folder, name));
  const fsid = randomUUID();
  const configuration = `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitorPort}]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${folder}/keyring
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 8589934592
osd class dir = /usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/rados-classes
osd class load list = *
osd class default list = *
mon allow pool size one = true
mon data avail crit = 1
mon max pg per osd = 1000
# The monitor gathers changes for a second by default, and the gateway creates its pools one after the other.
paxos propose interval = 0.01
paxos min wait = 0.01
log to file = false
log to stderr = true
mon cluster log to file = false
mon cluster log to stderr = false
admin socket =
run dir = ${folder}/run
[mon.a]
mon data = ${folder}/mon
[osd.0]
osd data = ${folder}/osd0
[client.rgw.x]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${httpPort}
rgw crypt require ssl = false
`;
  await writeFile(join(folder, 'ceph.conf'), configuration);
  await run(findProgram('monmaptool')!, [
    ...['--create', '--addv', 'a', `[v2:127.0.0.1:${monitorPort}]`, '--fsid', fsid],
    join(folder, 'monmap'),
  ]);
  return { ...process.env, CEPH_CONF: join(folder, 'ceph.conf') };
}

async function writeKeyring(folder: string, ceph: (program: string, ...args: string[]) => Promise<unknown>) {
  const keyring = join(folder, 'keyring');
  const capabilities: Record<string, string[]> = {
    'mon.': ['--cap', 'mon', 'allow *'],
    'client.admin': ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
    'osd.0': ['--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow profile osd'],
    'client.rgw.x': ['--cap', 'mon', 'allow rwx', '--cap', 'osd', 'allow rwx'],
  };
  await writeFile(keyring, '');
  for (const [name, caps] of Object.entries(capabilities)) {
    await ceph('ceph-authtool', keyring, '--gen-key', '-n', name, ...caps);
  }
}

interface Daemon {
  child: ChildProcess;
  /** The last it said, for the error when it does not come up. */
  tail(): string;
}

function keepTail(child: ChildProcess): Daemon {
  let tail = '';
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-2000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { child, tail: () => tail };
}

async function untilAnswering(endpoint: string, gateway: Daemon): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (gateway.child.exitCode !== null)
      throw new Error(`radosgw ended with ${gateway.child.exitCode}: ${gateway.tail()}`);
    try {
      await fetch(endpoint, { signal: AbortSignal.timeout(2000) });
      return;
    } catch {
      await wait(50);
    }
  }
  throw new Error(`radosgw did not answer within a minute: ${gateway.tail()}`);
}

async function createBucket(endpoint: string, credentials: { accessKeyId: string; secretAccessKey: string }) {
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
}
