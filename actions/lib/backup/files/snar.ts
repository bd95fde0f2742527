import { OpsError } from '../../errors/index.ts';

/**
 * GNU tar's snapshot file, format 2 (manual, "Format of the Incremental Snapshot Files"): a line with the version, then
 * fields that each end with NUL: seconds and nanoseconds of the run; for each folder: is it on NFS, seconds and
 * nanoseconds of its mtime, device, inode, name, its content as `<code><name>` fields, an empty one, one more empty one.
 */
export interface SnarRules {
  /** Taken off the time of the run. */
  marginSeconds?: number;
  /** Whether tar may know this folder from the run before; what is not known is archived whole. */
  keepFolder?(name: Buffer, inode: string): Promise<boolean>;
  /** Whether tar may know this name in a folder; a name it does not know is archived. */
  keepName?(folder: Buffer, name: Buffer): boolean;
}

/**
 * A snapshot file with some of its memory taken out. One field is in memory at a time.
 * @throws OpsError `FILES_STATE` when it is not one
 */
export async function* rewriteSnar(source: AsyncIterable<Buffer>, rules: SnarRules): AsyncGenerator<Buffer> {
  const fields = fieldsOf(source);
  const out = new Batch();
  const next = async () => {
    const field = await fields.next();
    if (field.done) throw bad('it stops before its end');
    return field.value;
  };
  const version = await next();
  const seconds = /^(GNU tar-[^\n]*-2\n)(\d+)$/.exec(version.toString('latin1'));
  if (!seconds) throw bad('its format is not known');
  out.add(Buffer.from(`${seconds[1]}${Math.max(0, Number(seconds[2]) - (rules.marginSeconds ?? 0))}`));
  out.add(await next());
  for (let field = await fields.next(); !field.done; field = await fields.next()) {
    const record = [field.value, await next(), await next(), await next(), await next(), await next()];
    if (!record.slice(0, 5).every(value => /^-?\d+$/.test(value.toString('latin1')))) throw bad('a number is missing');
    const folder = record[5]!;
    const isKept = (await rules.keepFolder?.(folder, record[4]!.toString('latin1'))) ?? true;
    if (isKept) for (const value of record) out.add(value);
    for (let entry = await next(); entry.length > 0; entry = await next()) {
      if (isKept && (rules.keepName?.(folder, entry.subarray(1)) ?? true)) out.add(entry);
      if (out.isFull) yield out.take();
    }
    if ((await next()).length > 0) throw bad('a folder has no end');
    if (isKept) {
      out.add(Buffer.alloc(0));
      out.add(Buffer.alloc(0));
    }
    if (out.isFull) yield out.take();
  }
  yield out.take();
}

class Batch {
  #fields: Buffer[] = [];
  #bytes = 0;

  add(field: Buffer): void {
    this.#fields.push(field, terminator);
    this.#bytes += field.length + 1;
  }

  get isFull(): boolean {
    return this.#bytes > 64 * 1024;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#fields);
    this.#fields = [];
    this.#bytes = 0;
    return bytes;
  }
}

const terminator = Buffer.alloc(1);

async function* fieldsOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    let at = 0;
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, at)) {
      const part = chunk.subarray(at, end);
      yield Buffer.concat([held, part]);
      held = Buffer.alloc(0);
      at = end + 1;
    }
    held = Buffer.concat([held, chunk.subarray(at)]);
  }
  if (held.length > 0) throw bad('it stops before its end');
}

function bad(why: string): OpsError {
  return new OpsError('FILES_STATE', `The record that the next files backup builds on cannot be read: ${why}`, {
    hint: 'A full set does not need it.',
  });
}
