import { z } from 'zod';

/**
 * What is known of one file after it was looked at: the shape of the cache, of a shard, of the manifest's source and of what
 * a check in a pull request hands on. Sizes are bytes; hashes are SHA-256, hex.
 */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);
const score = z.number().min(-1000).max(100).nullable();

export const fileTypes = ['image', 'svg', 'javascript', 'css', 'html', 'json', 'other'] as const;
export type FileType = (typeof fileTypes)[number];

const variantSchema = z.strictObject({
  format: z.enum(['avif', 'webp', 'jpeg', 'png']),
  width: z.int().min(1),
  height: z.int().min(1),
  bytes,
  sha256: sha256Schema,
  score,
});
export type Variant = z.infer<typeof variantSchema>;

/** A path inside the tree: relative, with `/`, never up. */
export const treePathSchema = z
  .string()
  .min(1)
  .max(4096)
  .refine(
    path =>
      !path.startsWith('/') && !path.includes('\0') && !path.split('/').some(part => part === '..' || part === ''),
    'must be a path inside the tree',
  );

export const fileResultSchema = z.strictObject({
  path: treePathSchema,
  type: z.enum(fileTypes),
  /** As it was found. */
  bytes,
  sha256: sha256Schema.nullable().describe('Null when it could not be read'),
  status: z.enum(['smaller', 'same', 'left']),
  /** Why it is left as it is. */
  left: z.strictObject({ code: z.string().max(60), reason: z.string().max(1000) }).nullable(),
  notes: z.array(z.string().max(1000)).max(50),
  image: z.strictObject({ format: z.string().max(20), width: z.int(), height: z.int(), frames: z.int() }).nullable(),
  /** The file itself, smaller, in its own format. */
  after: z.strictObject({ bytes, sha256: sha256Schema, score, tool: z.string().max(60) }).nullable(),
  /** Its source map, rewritten with it. */
  map: z.strictObject({ path: treePathSchema, bytes, sha256: sha256Schema }).nullable(),
  variants: z.array(variantSchema).max(200),
  encodings: z.array(z.strictObject({ encoding: z.enum(['gzip', 'br', 'zstd']), bytes, sha256: sha256Schema })).max(3),
});
export type FileResult = z.infer<typeof fileResultSchema>;

/** Of a file that nothing could be done with. */
export function leftFile(
  path: string,
  type: FileType,
  of: { bytes: number; sha256: string | null },
  code: string,
  reason: string,
): FileResult {
  return {
    path,
    type,
    ...of,
    status: 'left',
    left: { code: code.slice(0, 60), reason: reason.replace(/\s*[\r\n]+\s*/g, ' ').slice(0, 1000) },
    notes: [],
    image: null,
    after: null,
    map: null,
    variants: [],
    encodings: [],
  };
}

/** Damaged as against not understood: it will not show or load on the site either. */
const damaged = new Set([
  'UNREADABLE',
  'IMAGE_EMPTY',
  'IMAGE_UNREADABLE',
  'IMAGE_UNKNOWN_FORMAT',
  'IMAGE_WRONG_EXTENSION',
  'IMAGE_TOO_MANY_PIXELS',
  'IMAGE_TOO_LARGE',
  'IMAGE_DAMAGED',
  'IMAGE_TIMEOUT',
  'LINK_OUTSIDE',
  'CHANGED',
  'WRITE',
]);

export function isDamaged({ left }: FileResult): boolean {
  return left !== null && damaged.has(left.code);
}

/** It says as much of the machine and the hour as of the file: another run may well get further. */
const ofTheMoment = new Set(['IMAGE_TIMEOUT', 'IMAGE_UNREADABLE']);

export function isOfTheMoment({ left }: FileResult): boolean {
  return left !== null && ofTheMoment.has(left.code);
}

/** What the file weighs once its savings are taken. */
export function bytesAfter({ after, bytes: now }: FileResult): number {
  return after?.bytes ?? now;
}
