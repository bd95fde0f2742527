import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, type Transform } from 'node:stream';
import { ageDecryptStream, createAgeEncryptor } from '../../actions/lib/age/index.ts';
import { type OpsError, toOpsError } from '../../actions/lib/errors/index.ts';

export const chunkBytes = 64 * 1024;
export const sealedChunkBytes = chunkBytes + 16;

/** Bytes that look random and are the same in every run. */
export function seededBytes(length: number, seed = 'age'): Buffer {
  const blocks: Buffer[] = [];
  for (let n = 0; n * 64 < length; n++) blocks.push(createHash('sha512').update(`${seed}:${n}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

/** One age file, its plain bytes given to the encryptor in pieces of these lengths, the rest in one. */
export async function encryptInPieces(plain: Buffer, recipients: string[], lengths: number[] = []): Promise<Buffer> {
  const encryptor = await createAgeEncryptor(recipients);
  const sealed = inPieces(plain, lengths).flatMap(piece => encryptor.update(piece));
  return Buffer.concat([encryptor.header, ...sealed, ...encryptor.final()]);
}

export function inPieces(bytes: Buffer, lengths: number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length));
    at = Math.min(bytes.length, at + length);
  }
  return [...pieces, bytes.subarray(at)];
}

export interface Decrypted {
  /** What came out, also before a failure. */
  plain: Buffer;
  error: OpsError | undefined;
}

export async function decryptInPieces(file: Buffer, identities: string[], lengths: number[] = []): Promise<Decrypted> {
  const pieces = inPieces(file, lengths).filter(piece => piece.length > 0);
  return await through(pieces, ageDecryptStream(identities));
}

export async function through(pieces: Buffer[], transform: Transform): Promise<Decrypted> {
  const out: Buffer[] = [];
  try {
    for await (const chunk of Readable.from(pieces).compose(transform)) out.push(chunk);
  } catch (error) {
    return { plain: Buffer.concat(out), error: toOpsError(error) };
  }
  return { plain: Buffer.concat(out), error: undefined };
}

/** The stock tools, with identities in files of mode 0600 that go away with it. */
export class StockAge implements AsyncDisposable {
  readonly #folder: string;
  #files = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<StockAge> {
    return new StockAge(await mkdtemp(join(tmpdir(), 'ops-age-test-')));
  }

  async keygen(): Promise<string> {
    return (await run('age-keygen', [], Buffer.alloc(0))).toString();
  }

  async encrypt(plain: Buffer, recipients: string[]): Promise<Buffer> {
    return await run('age', ['--encrypt', ...recipients.flatMap(recipient => ['--recipient', recipient])], plain);
  }

  async decrypt(file: Buffer, identity: string): Promise<Buffer> {
    const path = join(this.#folder, `identity-${++this.#files}.txt`);
    await writeFile(path, `${identity}\n`, { mode: 0o600 });
    return await run('age', ['--decrypt', '--identity', path], file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function run(command: string, args: string[], input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout: 30_000 });
    const out: Buffer[] = [];
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk;
    });
    child.on('error', reject);
    child.on('close', code => {
      if (code === 0) resolve(Buffer.concat(out));
      else reject(new Error(`${command} ended with ${code}: ${complaint}`));
    });
    // A tool that refuses its input stops reading; its exit code and message say why.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
