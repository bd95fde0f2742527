import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFtpServer } from '../../services/ftp.ts';
import { requireService } from '../../services/requirements.ts';
import { startS3Server } from '../../services/s3.ts';
import { mountTmpfs } from '../../storage/tmpfs.ts';
import { type Env, expectRefused, filesBelow, Stage, whenSeen } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  // About 18 MB that no compression makes smaller.
  await stage.database(
    'shop',
    `create table noise as
       select i as id, string_agg(chr(33 + (random() * 90)::int), '') as text
         from generate_series(1, 6000) i, generate_series(1, 300) j group by i;
     create table copies as select n.* from noise n, generate_series(1, 9);`,
  );
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Everything that a set is made of; `--json` has each destination's own failure. */
const destinationsOf = (data: unknown) =>
  (data as { sets: { destinations: { name: string; failure: string | null }[] }[] }).sets[0]!.destinations;

const slow: Env = { BACKUP_COMPRESSION_LEVEL: '12' };

/** A part is on its way or there. */
const isSending = (folder: string) => filesBelow(folder).some(file => file.startsWith('parts/'));

describe('a local destination that', () => {
  test('is full says so, and what was sent is removed at once', async context => {
    const disk = await mountTmpfs(context, 'size=8m');
    const env = stage.env('shop', { BACKUP_LOCAL_PATH: join(disk, 'b') });
    expectRefused(await stage.ops('backup database', env), 1, 'STORAGE_FULL', /no space left/, /Free space/);
    expect(filesBelow(disk)).toEqual([]);
  });

  test('is full while another is not: the other gets a whole set, and the check names the full one', async context => {
    const disk = await mountTmpfs(context, 'size=8m');
    const config = join(stage.root, 'two.yml');
    const [full, roomy] = [join(disk, 'b'), join(stage.root, 'roomy')];
    writeFileSync(
      config,
      `backup: { destinations: [{ kind: local, path: ${full} }, { kind: local, path: ${roomy} }] }\n`,
    );
    const env = stage.env('shop', { BACKUP_LOCAL_PATH: undefined });
    const report = await stage.report(`backup database --config ${config}`, env);
    expect(report).toMatchObject({ exitCode: 3, status: 'critical' });
    expect(report.checks[0]).toMatchObject({ id: 'backup.database.destinations', target: 'shop' });
    expect(report.checks[0]!.message).toMatch(`is missing at local:${full} (STORAGE_FULL`);
    expect(filesBelow(disk)).toEqual([]);
    stage.expectNothingOrphaned(roomy);
    const verified = await stage.ops(`backup verify latest --level content --config ${config}`, env);
    expect(verified, verified.stderr).toMatchObject({ exitCode: 0 });

    execFileSync('mount', ['-o', 'remount,size=200m', disk]);
    const repaired = await stage.report(`backup database --config ${config}`, env);
    expect(repaired).toMatchObject({ exitCode: 0, status: 'ok' });
    stage.expectNothingOrphaned(full);
    stage.expectNothingOrphaned(roomy);
  });

  test('is read-only says so', async context => {
    const disk = await mountTmpfs(context, 'size=50m,ro');
    const env = stage.env('shop', { BACKUP_LOCAL_PATH: join(disk, 'b') });
    expectRefused(await stage.ops('backup database', env), 1, 'STORAGE_DENIED', /read-only/);
  });

  test('is taken away in mid-upload says so once', async context => {
    const disk = await mountTmpfs(context, 'size=200m');
    const env = stage.env('shop', { ...slow, BACKUP_LOCAL_PATH: join(disk, 'b') });
    const { child, ended } = stage.start('backup database', env);
    await whenSeen(() => isSending(join(disk, 'b')), child);
    execFileSync('umount', ['-l', disk]);
    chmodSync(disk, 0o500);
    // What stands in its place takes no more files.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,ro', 'tmpfs', disk]);
    expectRefused(await ended, 1, 'STORAGE_(UNREACHABLE|DENIED)', /parts\/database|pending\/database/);
    expect(filesBelow(disk)).toEqual([]);
  });
});

requireService('s3')('an S3 destination that', () => {
  test('dies in mid-upload, with a whole set elsewhere: exit 3, it is named, and the next run repairs', async () => {
    const s3 = await startS3Server();
    try {
      stage.secret(s3.secretAccessKey);
      const env = stage.env('shop', {
        ...slow,
        BACKUP_S3_BUCKET: s3.bucket,
        BACKUP_S3_ENDPOINT: s3.endpoint,
        BACKUP_S3_REGION: s3.region,
        BACKUP_S3_ACCESS_KEY_ID: s3.accessKeyId,
        BACKUP_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      });
      const wrong = {
        ...env,
        BACKUP_LOCAL_PATH: undefined,
        BACKUP_S3_SECRET_ACCESS_KEY: stage.secret('wrong/+secret-of-s3'),
      };
      expectRefused(await stage.ops('backup database', wrong), 1, 'STORAGE_DENIED', /backups/, /secret key/);

      const { child, ended } = stage.start('backup database --json', env);
      await whenSeen(() => isSending(stage.destination), child);
      await s3.kill();
      const ran = await ended;
      expect(ran.exitCode, ran.stderr).toBe(3);
      const report = JSON.parse(ran.stdout);
      expect(destinationsOf(report.data).map(d => d.failure?.split(':')[0] ?? null)).toEqual([
        null,
        'STORAGE_UNREACHABLE',
      ]);
      expect(report.checks[0].message).toMatch(/missing at s3:backups/);
      const local = { ...env, BACKUP_S3_BUCKET: undefined };
      expect((await stage.ops('backup verify latest --level content', local)).exitCode).toBe(0);
      stage.expectNothingOrphaned();

      const only = { ...env, BACKUP_LOCAL_PATH: undefined };
      expectRefused(await stage.ops('backup database', only), 1, 'STORAGE_UNREACHABLE', /s3:backups/);
    } finally {
      await s3.stop();
    }
  });
});

requireService('ftp')('an FTP destination that', () => {
  test('dies in mid-upload: the other has the set, exit 3, and the next run with it back clears and repairs', async () => {
    const first = await startFtpServer({ folder: join(stage.root, 'ftp') });
    stage.secret(first.password);
    const env = stage.env('shop', { ...slow, BACKUP_FTP_URL: first.url });
    try {
      const { child, ended } = stage.start('backup database --json', env);
      await whenSeen(() => isSending(first.folder), child);
      await first.kill();
      const ran = await ended;
      expect(ran.exitCode, ran.stderr).toBe(3);
      const report = JSON.parse(ran.stdout);
      expect(report.checks[0].message).toMatch(/missing at ftp:127\.0\.0\.1.* \(STORAGE_UNREACHABLE/);
      expect(filesBelow(first.folder).some(file => file.endsWith('manifest.json'))).toBe(false);
    } finally {
      await first.stop();
    }
    const second = await startFtpServer({ folder: first.folder });
    stage.secret(second.password);
    try {
      await stage.backUp({ ...env, BACKUP_FTP_URL: second.url });
      stage.expectNothingOrphaned(second.folder);
      stage.expectNothingOrphaned();

      const url = second.url.replace(encodeURIComponent(second.password), stage.secret('wrong-ftp-password'));
      const refused = await stage.ops('backup database', { ...env, BACKUP_LOCAL_PATH: undefined, BACKUP_FTP_URL: url });
      expectRefused(refused, 1, 'STORAGE_DENIED', /ftp:127\.0\.0\.1/, /BACKUP_FTP_URL/);
    } finally {
      await second.stop();
    }
  });

  test('takes no files says so', async () => {
    const ftp = await startFtpServer({ readOnly: true });
    stage.secret(ftp.password);
    try {
      const env = stage.env('shop', { BACKUP_LOCAL_PATH: undefined, BACKUP_FTP_URL: ftp.url });
      expectRefused(await stage.ops('backup database', env), 1, 'STORAGE_DENIED', /ftp:127\.0\.0\.1/);
    } finally {
      await ftp.stop();
    }
  });
});
