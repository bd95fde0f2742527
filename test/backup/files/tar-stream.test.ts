import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contentHasher } from '../../../actions/lib/backup/files/content-hash.ts';
import { type TarEntry, TarReader } from '../../../actions/lib/backup/files/tar-stream.ts';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import { makeOddTree, makeSparse, run } from './fixture.ts';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'ops-tar-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

const incremental = '--incremental';
const posix = ['--format=posix', '--sparse'];

describe('the tar reader', () => {
  test.each([
    ['pax', posix],
    ['old GNU', ['--format=gnu']],
    ['incremental pax', [...posix, incremental]],
    ['incremental old GNU', ['--format=gnu', incremental]],
  ])('sees in a %s archive of odd files what is on the disk, however the bytes are cut', async (format, args) => {
    const folder = join(base, format);
    await mkdir(folder);
    await makeOddTree(name => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]));
    const archive = await makeArchive(folder, args);
    const whole = parse(archive, [archive.length]);
    await expectAsOnDisk(whole, folder);
    if (format.startsWith('incremental')) {
      const courses = whole.find(seen => seen.entry.path.toString() === './courses')!;
      expect(courses.entry.names!.map(String).sort()).toEqual(['Dweaving', 'Ysecond name']);
    }
    const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(sizes, cuts => {
        expect(parse(archive, cuts)).toEqual(whole);
      }),
      { numRuns: 15 },
    );
    expect(parse(archive.subarray(0, 30_000), [1], { isCut: true })).toEqual(
      parse(archive.subarray(0, 30_000), [30_000], { isCut: true }),
    );
  });

  test('reads any tree that GNU tar writes', async () => {
    let n = 0;
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 120 })
      .map(bytes => Buffer.from(bytes.map(byte => (byte === 0 || byte === 0x2f ? 0x2d : byte))))
      .filter(bytes => !['.', '..'].includes(bytes.toString('latin1')));
    const file = fc.record({
      name,
      content: fc.uint8Array({ maxLength: 2000 }),
      holeBytes: fc.constantFrom(0, 0, 5000, 300_000),
      target: fc.option(name),
      mtime: fc.integer({ min: -100_000, max: 5_000_000_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(file, { maxLength: 8, selector: f => f.name.toString('latin1') }),
        async files => {
          const folder = join(base, `any-${n++}`);
          await mkdir(folder);
          for (const { name, content, holeBytes, target, mtime } of files) {
            const path = Buffer.concat([Buffer.from(`${folder}/`), name]);
            if (target) await symlink(target, path);
            else {
              if (holeBytes > 0) makeSparse(path, holeBytes * 2, [[holeBytes, Buffer.from(content).toString('hex')]]);
              else await writeFile(path, content);
              await utimes(path, mtime, mtime);
            }
          }
          const archive = await makeArchive(folder, posix);
          await expectAsOnDisk(parse(archive, [777]), folder);
        },
      ),
      { numRuns: 12 },
    );
  });

  test('reads a sparse file in so many pieces that their map is longer than a block', async () => {
    const folder = join(base, 'pieces');
    await mkdir(folder);
    const pieces = Array.from({ length: 500 }, (_, i) => [i * 1_000_000 + 17, `piece ${i}`] as const);
    makeSparse(Buffer.from(join(folder, 'many')), 500_000_000, pieces);
    const archive = await makeArchive(folder, posix);
    const many = parse(archive, [100]).find(seen => seen.entry.path.toString() === './many')!;
    expect(many.entry).toMatchObject({ isSparse: true, sizeBytes: 500_000_000 });
    const hasher = contentHasher(true);
    const content = await readFile(join(folder, 'many'));
    for (let at = 0; at < content.length; at += 1_000_001) hasher.update(content.subarray(at, at + 1_000_001), at);
    expect(many.hash).toEqual(hasher.digest());
  });

  test('refuses an archive that stops early, wherever it was cut', async () => {
    const archive = await smallArchive();
    const end = archive.findLastIndex(byte => byte !== 0);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: end }), length => {
        expect(() => parse(archive.subarray(0, length), [512])).toThrow(
          expect.objectContaining({ code: 'FILES_ARCHIVE' }),
        );
      }),
    );
  });

  test('either reads or refuses whatever somebody made of an archive, and never breaks in another way', async () => {
    const archive = await smallArchive();
    const change = fc.record({
      at: fc.integer({ min: 0, max: archive.length - 1 }),
      byte: fc.integer({ max: 255, min: 0 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, isSealed) => {
        const altered = Buffer.from(archive);
        for (const { at, byte } of changes) altered[at] = byte;
        // With the checksum put right again, the change reaches what lies behind it.
        if (isSealed) for (const { at } of changes) seal(altered.subarray(at - (at % 512), at - (at % 512) + 512));
        try {
          parse(altered, [10_000]);
        } catch (error) {
          expect(error).toBeInstanceOf(OpsError);
          expect((error as OpsError).code).toBe('FILES_ARCHIVE');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, (header: Buffer) => void]>([
    ['an unknown type', header => header.write('S', 156)],
    ['a global header', header => header.write('g', 156)],
    ['content in a folder', header => header.write('5', 156)],
    ['a size that is no number', header => header.write('9'.repeat(11), 124)],
  ])('refuses %s, which GNU tar might take for something else', async (_what, alter) => {
    const folder = join(base, 'alter');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'file'), 'some content');
    const archive = await makeArchive(folder, ['--format=ustar'], 'file');
    const header = archive.subarray(0, 512);
    expect(parse(archive, [512])).toHaveLength(1);
    alter(header);
    seal(header);
    expect(() => parse(archive, [512])).toThrow(expect.objectContaining({ code: 'FILES_ARCHIVE' }));
  });
});

describe('the hash of a sparse file', () => {
  test('depends on its content alone, not on where its holes are or how it is read', () => {
    const piece = fc.record({ zeros: fc.nat(20_000), bytes: fc.uint8Array({ maxLength: 6000 }) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.integer({ min: 1, max: 9000 }), (pieces, step) => {
        const content = Buffer.concat(pieces.flatMap(p => [Buffer.alloc(p.zeros), Buffer.from(p.bytes)]));
        const byPieces = contentHasher(true);
        let offset = 0;
        for (const { zeros, bytes } of pieces) {
          offset += zeros;
          byPieces.update(Buffer.from(bytes), offset);
          offset += bytes.length;
        }
        const whole = contentHasher(true);
        for (let at = 0; at < content.length; at += step) whole.update(content.subarray(at, at + step), at);
        const expected = whole.digest();
        expect(byPieces.digest()).toEqual(expected);
        const changed = Buffer.from(content);
        if (changed.length === 0) return;
        changed[changed.length - 1]! ^= 1;
        const other = contentHasher(true);
        other.update(changed, 0);
        expect(other.digest()).not.toEqual(expected);
      }),
    );
  });
});

interface Seen {
  entry: TarEntry;
  hash: unknown;
}

/** @param cuts lengths of the chunks, used over and over */
function parse(archive: Buffer, cuts: readonly number[], options: { isCut?: boolean } = {}): Seen[] {
  const seen: Seen[] = [];
  let entry: TarEntry | undefined;
  let hasher = contentHasher(false);
  const reader = new TarReader({
    entry(next) {
      entry = next;
      hasher = contentHasher(next.isSparse);
    },
    content: (bytes, offset) => hasher.update(bytes, offset),
    done: () => seen.push({ entry: entry!, hash: hasher.digest() }),
  });
  let at = 0;
  for (let i = 0; at < archive.length; i++) {
    const length = cuts[i % cuts.length]!;
    // A copy that is overwritten afterwards, as a pool of buffers would: nothing may be kept of it.
    const chunk = Buffer.from(archive.subarray(at, at + length));
    reader.push(chunk);
    chunk.fill(0xaa);
    at += length;
  }
  if (!options.isCut) reader.end();
  return seen;
}

async function expectAsOnDisk(seen: readonly Seen[], folder: string): Promise<void> {
  const listed = await run('find', ['.', '-print0'], { cwd: folder, encoding: 'buffer' });
  const names = listed.stdout.toString('latin1').split('\0').slice(0, -1);
  expect(seen.map(({ entry }) => entry.path.toString('latin1')).sort()).toEqual(names.sort());
  for (const { entry, hash } of seen) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), entry.path]);
    const stats = await lstat(path, { bigint: true });
    const mtime = Number(
      BigInt.asIntN(
        64,
        (stats.mtimeNs - (((stats.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n,
      ),
    );
    expect([entry.mtimeSeconds, entry.uid, entry.gid]).toEqual([mtime, Number(stats.uid), Number(stats.gid)]);
    if (entry.type === 'hardlink') {
      const target = await lstat(Buffer.concat([Buffer.from(`${folder}/`), entry.link!]), { bigint: true });
      expect(target.ino).toBe(stats.ino);
      continue;
    }
    if (entry.type === 'symlink') expect(entry.link).toEqual(await readlink(path, { encoding: 'buffer' }));
    else expect(entry.mode).toBe(Number(stats.mode & 0o7777n));
    if (entry.type !== 'file') continue;
    const content = await readFile(path);
    expect(entry.sizeBytes).toBe(content.length);
    if (!entry.isSparse) expect(hash).toEqual({ sha256: createHash('sha256').update(content).digest('hex') });
    else {
      const hasher = contentHasher(true);
      hasher.update(content, 0);
      expect(hash).toEqual(hasher.digest());
    }
  }
}

async function makeArchive(folder: string, args: string[], member = '.'): Promise<Buffer> {
  const { stdout } = await run('tar', ['--create', '--file=-', ...args, member], {
    cwd: folder,
    encoding: 'buffer',
    maxBuffer: 200_000_000,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  return stdout;
}

let small: Promise<Buffer> | undefined;
function smallArchive(): Promise<Buffer> {
  small ??= (async () => {
    const folder = join(base, 'small');
    await mkdir(join(folder, 'inner'), { recursive: true });
    await writeFile(join(folder, 'inner/ä file'), 'content');
    makeSparse(Buffer.from(join(folder, 'sparse')), 300_000, [[100_000, 'x']]);
    await symlink('inner', join(folder, 'link'));
    return makeArchive(folder, [...posix, incremental]);
  })();
  return small;
}

function seal(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
