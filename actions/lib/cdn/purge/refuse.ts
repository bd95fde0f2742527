import { OpsError } from '../../errors/index.ts';

/** What a CDN cannot express is an error before anything is sent: exit 2. */
export function cannot(message: string, hint: string): OpsError {
  return new OpsError('CDN_CANNOT', message, { hint, exit: 'usage' });
}

/** `items` in groups of at most `size`. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let start = 0; start < items.length; start += size) groups.push(items.slice(start, start + size));
  return groups;
}

export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : plural}`;
}

/** Printable ASCII without spaces and commas: a tag is one of several in a header. */
export function isTag(text: string, mostLength: number): boolean {
  return /^[!-+\--~]+$/.test(text) && text.length <= mostLength;
}
