import { stat } from 'node:fs/promises';

/** What a file system says of a file without reading it: size, modification and change time in nanoseconds, inode. */
export type Signature = readonly [size: string, mtimeNs: string, ctimeNs: string, ino: string];

/** Of a file that is not there. */
export const noSignature: Signature = ['0', '0', '0', '0'];

/** @throws Error of the file system */
export async function signatureOf(path: string): Promise<Signature> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return [String(size), String(mtimeNs), String(ctimeNs), String(ino)];
}

export function sameSignature(a: Signature, b: Signature): boolean {
  return a.every((part, at) => part === b[at]);
}

/** A change within this time of another may leave the same times (the clock of a file system ticks in 4 to 10 ms). */
const tickNs = 100_000_000n;

/** Whether a change after the moment would show in the signature. @param at milliseconds since 1970 */
export function isSettled([, mtimeNs, ctimeNs]: Signature, at: number): boolean {
  const moment = BigInt(Math.floor(at)) * 1_000_000n;
  return BigInt(mtimeNs) + tickNs < moment && BigInt(ctimeNs) + tickNs < moment;
}
