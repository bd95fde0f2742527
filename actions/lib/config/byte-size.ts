import { z } from 'zod';

const unitBytes = {
  B: 1,
  KB: 1000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
} as const;

/** Bytes of `500 KB`, `1.5MiB`, `300B`; undefined when it is not a size. */
export function byteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes]) : undefined;
}

/** A size in the configuration: bytes, or written `500KB`, and read as bytes. */
export const byteSizeSchema = z
  .union([z.int().min(0), z.string()])
  .refine(value => typeof value === 'number' || byteSize(value) !== undefined, 'must be bytes, or a size such as 500KB')
  .transform(value => (typeof value === 'number' ? value : byteSize(value)!));
