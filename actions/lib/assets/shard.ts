import { createHash } from 'node:crypto';
import { OpsError } from '../errors/index.ts';

/** One of several jobs that share the files of a tree between them. */
export interface Shard {
  /** From 1. */
  index: number;
  count: number;
}

/** `2/8`. @throws OpsError `USAGE` */
export function parseShard(text: string): Shard {
  const match = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || index > count) {
    throw new OpsError('USAGE', `'${text}' is not a shard`, { hint: 'Write which of how many: 2/8.', exit: 'usage' });
  }
  return { index, count };
}

/** By the hash of the path alone: a file stays in its shard whatever else comes or goes. */
export function isInShard(path: string, { index, count }: Shard): boolean {
  const hash = createHash('sha256').update(path).digest().readUInt32BE(0);
  return hash % count === index - 1;
}
