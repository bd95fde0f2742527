import { createCipheriv, createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  link,
  lutimes,
  mkdir,
  open,
  readdir,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { epoch } from './generators.ts';
import { badOption } from './sessions.ts';

export interface UploadsOptions {
  /** Regular files, about; the odd ones come on top. Default 400. */
  files?: number;
  /** Bytes on disk, about. Default 24 MB. */
  totalBytes?: number;
  seed?: number;
}

export interface UploadsFacts {
  files: number;
  directories: number;
  symlinks: number;
  /** Sum of the lengths; a sparse file counts with its holes, a hard link adds none. */
  bytes: number;
}

export const defaultUploadSeed = 1871;

/**
 * The platform's uploads folder: photos, thumbnails, certificates and documents, and everything that makes a backup of
 * files hard: names with spaces, umlauts, quotes, a newline, a leading dash and bytes that are not UTF-8, symbolic
 * links (also dangling), a hard link, an empty folder, an empty file, a sparse file, modes, times with fractions.
 * The same options give the same bytes, names, modes and times. `dir` is made when it is missing.
 * @throws OpsError PLATFORM_OPTIONS when `dir` is not empty
 */
export async function createUploads(dir: string, options: UploadsOptions = {}): Promise<UploadsFacts> {
  const { files = 400, totalBytes = 24_000_000, seed = defaultUploadSeed } = options;
  await mkdir(dir, { recursive: true });
  if ((await readdir(dir)).length > 0) throw badOption(`The uploads folder ${dir} is not empty`);
  await chmod(dir, defaultDirectoryMode);
  const tree = new Tree(dir, seed);
  for (const file of planUploads(files, totalBytes - sparseDataBytes, seed)) await tree.write(file);
  await addOddities(tree);
  return tree.finish();
}

export interface UploadsGrowth {
  added: string[];
  changed: string[];
  removed: string[];
}

export interface UploadsGrowthOptions {
  /** 1 for the first day after `createUploads`, 2 for the next …; a day is applied once. Default 1. */
  day?: number;
  /** New, changed and removed files, each as a share of `files`. Default 0.01. */
  share?: number;
  /** As given to `createUploads`. */
  files?: number;
  seed?: number;
}

/**
 * One day of business on the tree of `createUploads`: new photos, some replaced or appended to, some removed; returns
 * their paths, relative to `dir`. Times are fixed too; an incremental backup notices the changes by ctime, which nobody can set.
 */
export async function growUploads(dir: string, options: UploadsGrowthOptions = {}): Promise<UploadsGrowth> {
  const { day = 1, share = 0.01, files = 400, seed = defaultUploadSeed } = options;
  const count = Math.max(2, Math.round(files * share));
  const present = (await readdir(join(dir, 'products'), { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort((a, b) => rank(seed, day, a) - rank(seed, day, b) || (a < b ? -1 : 1));
  const changed = present.slice(0, count).sort();
  const removed = present.slice(count, 2 * count).sort();

  const tree = new Tree(dir, seed, epochMs + day * dayMs);
  const added: UploadFile[] = Array.from({ length: count }, (_, n) => ({
    kind: 'jpeg',
    path: `products/new-${String(day).padStart(3, '0')}/${n}/original.jpg`,
    bytes: 20_000 + Math.round(80_000 * unit(seed, `growth/${day}/${n}`)),
    mode: 0o644,
  }));
  for (const file of added) await tree.write(file);
  for (const [n, path] of changed.entries()) {
    if (n % 2 === 0) await tree.append(path, `day ${day}`);
    else await tree.write({ kind: 'jpeg', path, bytes: 30_000 + day, mode: 0o644 }, `day ${day}`);
  }
  for (const path of removed) await tree.remove(path);
  await tree.finish();
  return { added: added.map(file => file.path), changed, removed };
}

interface UploadFile {
  kind: 'jpeg' | 'pdf' | 'text';
  path: string;
  bytes: number;
  mode: number;
}

const dayMs = 86_400_000;
const epochMs = Date.parse(`${epoch}T00:00:00Z`);
const smallestBytes = 700;

/** The ordinary files: sizes log-normal, thumbnails a twelfth of their photo. */
function planUploads(files: number, totalBytes: number, seed: number): UploadFile[] {
  const plan: (UploadFile & { weight: number })[] = [];
  for (let n = 0; plan.length < files; n++) {
    const weight = Math.exp(0.7 * normal(seed, `size/${n}`));
    const add = (kind: UploadFile['kind'], path: string, factor: number, mode: number) => {
      if (plan.length < files) plan.push({ kind, path, weight: weight * factor, bytes: 0, mode });
    };
    if (n % 9 === 7) add('pdf', `certificates/${2019 + (n % 7)}/certificate-${n}.pdf`, 2, 0o640);
    else if (n % 9 === 8) add('text', `documents/${1 + (n % 12)}/notes-${n}.md`, 0.05, 0o664);
    else {
      const folder = `products/${Math.floor(n / 25)}/${n}`;
      add('jpeg', `${folder}/original.jpg`, 1, 0o644);
      add('jpeg', `${folder}/thumbs/320.jpg`, 1 / 12, 0o644);
    }
  }
  const weights = plan.reduce((sum, file) => sum + file.weight, 0);
  return plan.map(({ weight, ...file }) => ({
    ...file,
    bytes: Math.max(smallestBytes, Math.round((weight / weights) * totalBytes)),
  }));
}

const sparseDataBytes = 8192;
const sparseLengthBytes = 4 * 1024 * 1024;

async function addOddities(tree: Tree): Promise<void> {
  const text = (path: string | Buffer, content: string, mode = 0o644) => tree.put(path, Buffer.from(content), mode);
  await text('odd/two  spaces and a trailing one ', 'spaces\n');
  await text('odd/Werkstätten/Größe „XL“ — Œuvre.txt', 'umlauts\n');
  // The same letter composed and decomposed: two files, unless something on the way "normalises".
  await text('odd/caf\u00e9.txt', 'composed\n');
  await text('odd/cafe\u0301.txt', 'decomposed\n');
  await text('odd/-rf', 'a leading dash\n');
  await text('odd/--checkpoint-action=exec=true', 'an option in disguise\n');
  await text('odd/line\nbreak\ttab', 'a newline\n');
  await text('odd/back\\slash "quotes" \'single\' $HOME `id` *?[x].txt', 'what a shell would like\n');
  await text('odd/🪵✂.txt', 'outside the basic plane\n');
  await text(
    Buffer.concat([Buffer.from('odd/latin1-'), Buffer.from([0xfc, 0xdf, 0xff]), Buffer.from('.txt')]),
    'not UTF-8\n',
  );
  await text(`odd/${'long'.repeat(60)}.txt`, 'a name of 244 bytes\n');
  await text(`odd/deep/${Array.from({ length: 24 }, (_, n) => `level-${n}`).join('/')}/file.txt`, 'far below\n');
  await text('odd/.hidden', 'hidden\n', 0o600);
  await text('odd/read-only.txt', 'read-only\n', 0o444);
  await text('odd/run.sh', '#!/bin/sh\necho crafts\n', 0o755);
  await text('odd/empty', '');
  await tree.directory('odd/empty folder', 0o750);
  await tree.directory('odd/shared', 0o2775);
  await tree.link('odd/current', '../products/0/0/original.jpg');
  await tree.link('odd/folder link', '../products');
  await tree.link('odd/dangling', '/nowhere/at all');
  await tree.hardLink('products/0/0/original.jpg', 'odd/hard link.jpg');
  await tree.sparse('odd/sparse.img');
}

/** Writes below one folder and remembers what it made, so that the times of folders can be set when all is in. */
class Tree {
  readonly #dir: string;
  readonly #seed: number;
  readonly #baseMs: number;
  readonly #directories = new Map<string, number>();
  readonly #facts: UploadsFacts = { files: 0, directories: 0, symlinks: 0, bytes: 0 };

  constructor(dir: string, seed: number, baseMs = epochMs) {
    this.#dir = dir;
    this.#seed = seed;
    this.#baseMs = baseMs;
  }

  async write(file: UploadFile, variant = ''): Promise<void> {
    const make = { jpeg: jpegBytes, pdf: pdfBytes, text: textBytes }[file.kind];
    await this.put(
      file.path,
      make(file.bytes, length => keystream(this.#seed, `${file.path}/${variant}`, length)),
      file.mode,
    );
  }

  async put(path: string | Buffer, content: Buffer, mode: number): Promise<void> {
    const raw = Buffer.isBuffer(path) ? path : Buffer.from(path);
    // A slash is one byte in UTF-8 and never part of another character, so the folder of a raw name is plain text.
    await this.directory(raw.subarray(0, raw.lastIndexOf('/')).toString());
    const full = Buffer.concat([Buffer.from(`${this.#dir}/`), raw]);
    await writeFile(full, content);
    // By itself, because the mode given on creation is cut by the umask.
    await chmod(full, mode);
    await this.#stamp(full, raw.toString('latin1'));
    this.#facts.files++;
    this.#facts.bytes += content.length;
  }

  async append(path: string, variant: string): Promise<void> {
    const full = Buffer.from(join(this.#dir, path));
    await appendFile(full, keystream(this.#seed, `${path}/${variant}`, 900));
    await this.#stamp(full, path);
  }

  async remove(path: string): Promise<void> {
    // So that the folder's time, which this changes, is set with the others.
    await this.directory(parentOf(path));
    await rm(join(this.#dir, path));
  }

  async directory(path: string, mode = defaultDirectoryMode): Promise<void> {
    if (path === '' || this.#directories.has(path)) return;
    await this.directory(parentOf(path));
    await mkdir(join(this.#dir, path), { recursive: true });
    await chmod(join(this.#dir, path), mode);
    this.#directories.set(path, mode);
  }

  async link(path: string, target: string): Promise<void> {
    await this.directory(parentOf(path));
    const full = join(this.#dir, path);
    await symlink(target, full);
    const at = this.#timeOf(path);
    await lutimes(full, at, at);
    this.#facts.symlinks++;
  }

  async hardLink(existing: string, path: string): Promise<void> {
    await this.directory(parentOf(path));
    await link(join(this.#dir, existing), join(this.#dir, path));
    this.#facts.files++;
  }

  /** Data, a hole, data, and a hole up to the end. */
  async sparse(path: string): Promise<void> {
    await this.put(path, keystream(this.#seed, path, sparseDataBytes / 2), 0o644);
    const full = join(this.#dir, path);
    const handle = await open(full, 'r+');
    try {
      const data = keystream(this.#seed, `${path}/2`, sparseDataBytes / 2);
      await handle.write(data, 0, data.length, sparseLengthBytes / 2);
    } finally {
      await handle.close();
    }
    await truncate(full, sparseLengthBytes);
    await this.#stamp(Buffer.from(full), path);
    this.#facts.bytes += sparseLengthBytes - sparseDataBytes / 2;
  }

  async finish(): Promise<UploadsFacts> {
    // Deepest first: touching a folder's content would change its time again.
    const paths = [...this.#directories.keys()].sort((a, b) => b.split('/').length - a.split('/').length);
    for (const path of paths) await this.#stamp(Buffer.from(join(this.#dir, path)), path);
    await utimes(this.#dir, this.#timeOf(''), this.#timeOf(''));
    return { ...this.#facts, directories: this.#directories.size };
  }

  async #stamp(full: Buffer, name: string): Promise<void> {
    const at = this.#timeOf(name);
    await utimes(full, at, at);
  }

  /** Seconds with milliseconds. After the epoch every time is the day's noon, before it the year is filled. */
  #timeOf(name: string): number {
    if (this.#baseMs > epochMs) return this.#baseMs / 1000 - 43_200;
    return Math.floor(this.#baseMs - unit(this.#seed, `time/${name}`) * 365 * dayMs) / 1000;
  }
}

const defaultDirectoryMode = 0o755;

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

type Fill = (length: number) => Buffer;

/**
 * A JPEG that decodes to 64 × 64 grey pixels, padded to `bytes` with comment segments (FF FE) before the picture, so
 * that it has the weight and the entropy of a photo. One quantisation table, Huffman tables with a single symbol:
 * every block is two zero bits (ITU T.81, annex B).
 */
function jpegBytes(bytes: number, fill: Fill): Buffer {
  const segment = (marker: number, body: Buffer) => {
    const head = Buffer.from([0xff, marker, 0, 0]);
    head.writeUInt16BE(body.length + 2, 2);
    return Buffer.concat([head, body]);
  };
  const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const oneSymbol = (tableId: string) => segment(0xc4, hex(`${tableId} 01 000000000000000000000000000000 00`));
  const start = [hex('ffd8'), segment(0xe0, hex('4a46494600 0101 00 0001 0001 00 00'))];
  const picture = [
    segment(0xdb, Buffer.concat([hex('00'), Buffer.alloc(64, 1)])),
    segment(0xc0, hex('08 0040 0040 01 01 11 00')),
    oneSymbol('00'),
    oneSymbol('10'),
    segment(0xda, hex('01 01 00 00 3f 00')),
    Buffer.alloc((64 * 2) / 8),
    hex('ffd9'),
  ];
  let padding = bytes - [...start, ...picture].reduce((sum, part) => sum + part.length, 0);
  const comments: Buffer[] = [];
  while (padding > 4) {
    const length = Math.min(padding - 4, 65_533);
    comments.push(segment(0xfe, fill(length)));
    padding -= length + 4;
  }
  return Buffer.concat([...start, ...comments, ...picture]);
}

/** A one-page PDF whose content lies unread in an attached stream; the cross-reference table is right. */
function pdfBytes(bytes: number, fill: Fill): Buffer {
  const payload = fill(Math.max(0, bytes - 560));
  const objects = [
    Buffer.from('<< /Type /Catalog /Pages 2 0 R >>'),
    Buffer.from('<< /Type /Pages /Kids [3 0 R] /Count 1 >>'),
    Buffer.from('<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>'),
    Buffer.concat([Buffer.from(`<< /Length ${payload.length} >>\nstream\n`), payload, Buffer.from('\nendstream')]),
  ];
  const parts = [Buffer.from('%PDF-1.4\n%âãÏÓ\n', 'latin1')];
  const offsets: number[] = [];
  let at = parts[0]!.length;
  for (const [n, body] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${n + 1} 0 obj\n`), body, Buffer.from('\nendobj\n')]);
    offsets.push(at);
    at += part.length;
    parts.push(part);
  }
  const entries = offsets.map(offset => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  parts.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${at}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
}

const noteWords =
  'Holz Ton Leder Glas Kurs Lieferung atelier commande glaze oven order Muster tissu wool Samstag offen'.split(' ');

function textBytes(bytes: number, fill: Fill): Buffer {
  const words = [...fill(Math.ceil(bytes / 4))].map(
    (byte, n) => noteWords[byte % noteWords.length]! + (n % 12 === 11 ? '\n' : ' '),
  );
  return Buffer.from(words.join('')).subarray(0, bytes);
}

/** Incompressible bytes that follow from seed and name: AES-CTR over zeros is the fastest such source in Node. */
function keystream(seed: number, name: string, length: number): Buffer {
  const key = digest(seed, name);
  return createCipheriv('aes-256-ctr', key, key.subarray(0, 16)).update(Buffer.alloc(length));
}

function normal(seed: number, name: string): number {
  return Math.sqrt(-2 * Math.log(1 - unit(seed, name))) * Math.cos(2 * Math.PI * unit(seed, `${name}/angle`));
}

function rank(seed: number, day: number, path: string): number {
  return unit(seed, `growth/${day}/${path}`);
}

/** In [0, 1). */
function unit(seed: number, name: string): number {
  return digest(seed, name).readUIntBE(0, 6) / 2 ** 48;
}

function digest(seed: number, name: string): Buffer {
  return createHash('sha256').update(`${seed}\0${name}`).digest();
}
