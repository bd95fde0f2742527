import { applyPax, blockBytes, parseHeader, parsePax, type TarHeader, text, unreadable } from './tar-header.ts';

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'folder' | 'fifo';

export interface TarEntry {
  type: TarEntryType;
  /** As in the archive, without the slash that ends a folder's name. */
  path: Buffer;
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  /** Of the content, holes included; 0 for all but files. */
  sizeBytes: number;
  isSparse: boolean;
  /** Where a symlink or a hard link points. */
  link: Buffer | undefined;
  /** For a folder of an incremental archive: what is in it, `<code><name>` each. */
  names: Buffer[] | undefined;
}

export interface TarVisitor {
  entry(entry: TarEntry): void;
  /** Content of the entry in order; between the pieces of a sparse file are holes. */
  content(bytes: Buffer, offset: number): void;
  /** The entry's content is complete. */
  done(): void;
}

const types: Record<string, TarEntryType> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'folder',
  '6': 'fifo',
  '7': 'file',
  D: 'folder',
};

/** An extended header holds the names of one folder: this is a folder of some ten million. */
const largestHeaderBytes = 512 * 1024 * 1024;

/**
 * Reads a GNU tar archive as its bytes pass by, in chunks of any size. It holds one header at a time, and a content
 * never; what it does not know it refuses, since it is also what stands between a bad archive and the disk.
 * @throws OpsError `FILES_ARCHIVE` from `push` and `end`
 */
export class TarReader {
  readonly #visitor: TarVisitor;
  #state: 'header' | 'meta' | 'sparse-map' | 'content' | 'padding' | 'end' = 'header';
  /** What is being collected: a block, an extended header, a sparse map. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #neededBytes = blockBytes;
  #meta: { kind: 'x' | 'K' | 'L' | 'D'; sizeBytes: number } = { kind: 'x', sizeBytes: 0 };
  #pax: Map<string, Buffer> | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #pending: TarHeader | undefined;
  #zeroBlocks = 0;
  /** Pieces of the content that are to come: a sparse file has several. */
  #pieces: { offset: number; bytes: number }[] = [];
  #paddingBytes = 0;

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && this.#state !== 'end') {
      if (this.#state === 'content') rest = this.#passContent(rest);
      else if (this.#state === 'padding') rest = this.#skipPadding(rest);
      else rest = this.#collect(rest);
    }
    if (rest.some(byte => byte !== 0)) throw unreadable('something follows its end');
  }

  /** The archive has ended; throws when that was not where it says it ends. */
  end(): void {
    if (this.#state !== 'end') throw unreadable('it stops before its end');
  }

  #collect(chunk: Buffer): Buffer {
    const missing = this.#neededBytes - this.#heldBytes;
    const part = chunk.subarray(0, missing);
    this.#held.push(part);
    this.#heldBytes += part.length;
    if (this.#heldBytes === this.#neededBytes) {
      const [only] = this.#held;
      const whole = this.#held.length === 1 ? only! : Buffer.concat(this.#held);
      this.#held = [];
      this.#heldBytes = 0;
      if (this.#state === 'header') this.#onHeader(whole);
      else if (this.#state === 'meta') this.#onMeta(whole.subarray(0, this.#meta.sizeBytes));
      else this.#onSparseMap(whole);
    } else {
      // The caller may use its buffer again.
      this.#held[this.#held.length - 1] = Buffer.from(part);
    }
    return chunk.subarray(part.length);
  }

  #onHeader(block: Buffer): void {
    if (block.every(byte => byte === 0)) {
      if (this.#pax || this.#longName || this.#longLink) throw unreadable('an extended header belongs to nothing');
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2) this.#state = 'end';
      return;
    }
    if (this.#zeroBlocks > 0) throw unreadable('a lone block of zeros');
    const header = parseHeader(block);
    const kind = header.typeflag;
    if (kind !== 'x' && kind !== 'L' && kind !== 'K') {
      this.#onMember(header);
      return;
    }
    const isTaken = kind === 'x' ? this.#pax : kind === 'L' ? this.#longName : this.#longLink;
    if (isTaken || (kind === 'x' ? (this.#longName ?? this.#longLink) : this.#pax)) {
      throw unreadable('extended headers that contradict each other');
    }
    this.#collectMeta(kind, header.sizeBytes);
  }

  #collectMeta(kind: 'x' | 'K' | 'L' | 'D', sizeBytes: number): void {
    if (sizeBytes > largestHeaderBytes) throw unreadable(`an extended header of ${sizeBytes} bytes`);
    this.#meta = { kind, sizeBytes };
    this.#state = 'meta';
    this.#neededBytes = Math.ceil(sizeBytes / blockBytes) * blockBytes;
    if (this.#neededBytes === 0) this.#onMeta(Buffer.alloc(0));
  }

  #onMeta(content: Buffer): void {
    this.#expectHeader();
    const { kind } = this.#meta;
    if (kind === 'x') this.#pax = parsePax(Buffer.from(content));
    else if (kind === 'L') this.#longName = text(content);
    else if (kind === 'K') this.#longLink = text(content);
    else this.#begin(this.#takePending(), namesOf(content));
  }

  #onMember(raw: TarHeader): void {
    const pax = this.#pax;
    const header = applyPax(
      { ...raw, path: this.#longName ?? raw.path, link: this.#longLink ?? raw.link },
      pax ?? new Map(),
    );
    this.#longName = undefined;
    this.#longLink = undefined;
    const type = types[header.typeflag];
    if (!type) throw unreadable(`a member of type '${header.typeflag}'`);
    if (type === 'file' && header.path.at(-1) === 0x2f) throw unreadable('a file whose name ends with a slash');
    this.#pending = header;
    if (header.typeflag === 'D') {
      this.#collectMeta('D', header.sizeBytes);
    } else if (type !== 'file') {
      if (header.sizeBytes > 0) throw unreadable('content where there cannot be any');
      const dumpdir = pax?.get('GNU.dumpdir');
      this.#begin(this.#takePending(), dumpdir && namesOf(dumpdir));
    } else if (pax?.has('GNU.sparse.major')) {
      const version = `${pax.get('GNU.sparse.major')}.${pax.get('GNU.sparse.minor') ?? '0'}`;
      if (version !== '1.0') throw unreadable(`a sparse file of format ${version}`);
      this.#state = 'sparse-map';
      this.#neededBytes = blockBytes;
    } else {
      this.#begin(this.#takePending(), undefined);
    }
  }

  /** Format 1.0: the content begins with the map, decimal numbers a line each, filled up to whole blocks. */
  #onSparseMap(block: Buffer): void {
    const header = this.#pending!;
    const map = parseSparseMap(block);
    if (map === undefined) {
      const whole = Math.ceil(header.sizeBytes / blockBytes) * blockBytes;
      if (block.length >= Math.min(whole, largestHeaderBytes)) throw unreadable('a sparse map without end');
      // Collected again, twice as much: what is not map is passed on as content.
      this.#held = [Buffer.from(block)];
      this.#heldBytes = block.length;
      this.#neededBytes = Math.min(block.length * 2, whole);
      return;
    }
    const realsize = Number(this.#pax!.get('GNU.sparse.realsize')?.toString('latin1'));
    const mapBytes = Math.ceil(map.bytes / blockBytes) * blockBytes;
    const stored = map.pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const isSound = map.pieces.every(
      (piece, i) =>
        piece.offset >= (i === 0 ? 0 : map.pieces[i - 1]!.offset + map.pieces[i - 1]!.bytes) &&
        piece.offset + piece.bytes <= realsize,
    );
    if (!Number.isSafeInteger(realsize) || !isSound || mapBytes + stored !== header.sizeBytes) {
      throw unreadable('a sparse map that does not fit its file');
    }
    this.#begin({ ...this.#takePending(), sizeBytes: realsize }, undefined, map.pieces);
    // What was collected beyond the map is content already.
    if (mapBytes < block.length) this.push(block.subarray(mapBytes));
  }

  #takePending(): TarHeader {
    const header = this.#pending!;
    this.#pending = undefined;
    this.#pax = undefined;
    return header;
  }

  #begin(header: TarHeader, names: Buffer[] | undefined, pieces?: { offset: number; bytes: number }[]): void {
    const type = types[header.typeflag]!;
    this.#visitor.entry({
      type,
      path: header.path.at(-1) === 0x2f ? header.path.subarray(0, -1) : header.path,
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      mtimeSeconds: header.mtimeSeconds,
      sizeBytes: type === 'file' ? header.sizeBytes : 0,
      isSparse: pieces !== undefined,
      link: type === 'symlink' || type === 'hardlink' ? header.link : undefined,
      names,
    });
    const all = pieces ?? (type === 'file' ? [{ offset: 0, bytes: header.sizeBytes }] : []);
    this.#pieces = all.filter(piece => piece.bytes > 0);
    this.#paddingBytes = -this.#pieces.reduce((sum, piece) => sum + piece.bytes, 0) & (blockBytes - 1);
    this.#nextPiece();
  }

  #nextPiece(): void {
    if (this.#pieces.length > 0) {
      this.#state = 'content';
      return;
    }
    this.#visitor.done();
    if (this.#paddingBytes > 0) this.#state = 'padding';
    else this.#expectHeader();
  }

  #passContent(chunk: Buffer): Buffer {
    const piece = this.#pieces[0]!;
    const part = chunk.subarray(0, piece.bytes);
    this.#visitor.content(part, piece.offset);
    piece.offset += part.length;
    piece.bytes -= part.length;
    if (piece.bytes === 0) {
      this.#pieces.shift();
      this.#nextPiece();
    }
    return chunk.subarray(part.length);
  }

  #skipPadding(chunk: Buffer): Buffer {
    const skipped = Math.min(this.#paddingBytes, chunk.length);
    this.#paddingBytes -= skipped;
    if (this.#paddingBytes === 0) this.#expectHeader();
    return chunk.subarray(skipped);
  }

  #expectHeader(): void {
    this.#state = 'header';
    this.#neededBytes = blockBytes;
  }
}

/** NUL after each name, and one more at the end. */
function namesOf(dumpdir: Buffer): Buffer[] {
  const names: Buffer[] = [];
  let at = 0;
  while (at < dumpdir.length && dumpdir[at] !== 0) {
    const end = dumpdir.indexOf(0, at);
    if (end < 0) throw unreadable('a list of names without end');
    names.push(Buffer.from(dumpdir.subarray(at, end)));
    at = end + 1;
  }
  return names;
}

/** The number of pieces, then offset and length of each; undefined while some of it is missing. */
function parseSparseMap(bytes: Buffer): { pieces: { offset: number; bytes: number }[]; bytes: number } | undefined {
  let at = 0;
  const next = () => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) return undefined;
    const digits = bytes.toString('latin1', at, end);
    if (!/^\d{1,16}$/.test(digits)) throw unreadable('a sparse map with something else than numbers');
    at = end + 1;
    return Number(digits);
  };
  const count = next();
  if (count === undefined) return undefined;
  const pieces: { offset: number; bytes: number }[] = [];
  while (pieces.length < count) {
    const offset = next();
    const length = offset === undefined ? undefined : next();
    if (offset === undefined || length === undefined) return undefined;
    pieces.push({ offset, bytes: length });
  }
  return { pieces, bytes: at };
}
