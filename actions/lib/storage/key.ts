import { createHash, randomUUID } from 'node:crypto';
import { OpsError } from '../errors/index.ts';
import { isProcessAlive, thisMachine } from '../process/index.ts';

/**
 * Refuses a key that could leave the root of a store or that some store would write differently.
 *
 * Allowed: 1 to 1,024 bytes of UTF-8 (the limit of S3), `/` between segments of at most 255 bytes (the limit of Linux
 * file systems). Refused: empty segments, `.` and `..`, a leading `/`, control characters, `\` (a separator on Windows
 * FTP servers) and segments that begin with `.tmp-`, which are unfinished uploads.
 * @throws OpsError `STORAGE_KEY`
 */
export function assertKey(key: string): void {
  const fault = faultOf(key);
  if (fault === undefined) return;
  throw new OpsError('STORAGE_KEY', `The key ${JSON.stringify(key.slice(0, 200))} is refused: ${fault}`, {
    hint: "A key is segments joined by '/', without '..', control characters or a leading '/'.",
  });
}

/** Refuses a prefix of `list` that is neither empty nor a folder (`a/b/`). @throws OpsError `STORAGE_KEY` */
export function assertPrefix(prefix: string): void {
  if (prefix === '') return;
  if (prefix.endsWith('/')) assertKey(prefix.slice(0, -1));
  else {
    throw new OpsError('STORAGE_KEY', `The prefix ${JSON.stringify(prefix)} is refused: it must end with '/'`, {
      hint: "Without the '/' the prefix 'shop' would also match 'shop_staging'.",
    });
  }
}

/** True for what `assertKey` lets through: whatever a listing shows can also be read. */
export function isKey(key: string): boolean {
  return faultOf(key) === undefined;
}

export const temporaryLead = '.tmp-';

/**
 * The name of an upload that is not published yet: machine, process, and chance. With the first two a sweep on the same
 * machine knows at once that nobody will finish it.
 */
export function temporaryName(pid = process.pid): string {
  return `${temporaryLead}${machineTag()}-${pid}-${randomUUID()}`;
}

/** Whether the process of this machine that began the upload is gone. Of other machines nothing is known: false. */
export function isOfDeadProcess(name: string): boolean {
  const made = /^\.tmp-([0-9a-f]{12})-(\d{1,10})-/.exec(name);
  return made !== null && made[1] === machineTag() && !isProcessAlive(Number(made[2]));
}

function machineTag(): string {
  return createHash('sha256').update(thisMachine()).digest('hex').slice(0, 12);
}

export function isTemporary(name: string): boolean {
  return name.startsWith(temporaryLead);
}

/** Key order is the order of UTF-8 bytes, as S3 lists; JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function faultOf(key: string): string | undefined {
  if (key === '') return 'it is empty';
  if (!key.isWellFormed()) return 'it is not valid Unicode';
  if (Buffer.byteLength(key) > 1024) return 'it is longer than 1,024 bytes';
  if (/[\u0000-\u001f\u007f\\]/.test(key)) return 'it holds a control character or a backslash';
  for (const segment of key.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '.' || segment === '..') return `it has the segment '${segment}'`;
    if (isTemporary(segment)) return `names that begin with '${temporaryLead}' are kept for unfinished uploads`;
    if (Buffer.byteLength(segment) > 255) return 'it has a segment longer than 255 bytes';
  }
  return undefined;
}
