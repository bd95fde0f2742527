import { z } from 'zod';
import { byteSizeSchema } from './byte-size.ts';
import { imageSettingsSchema } from './image-settings.ts';

const glob = z.string().min(1);
const limits = z.record(glob, byteSizeSchema).default({});

const budgets = z.strictObject({
  perFile: limits.describe('Most bytes of each file, e.g. { "**/*.js": 200KB }'),
  perFolder: limits.describe('Most bytes of the matching files of each folder together'),
  total: limits.describe('Most bytes of all matching files together'),
  perMegapixel: limits.describe('Most bytes of an image for each million of its pixels'),
});

const precompress = z.strictObject({
  encodings: z
    .array(z.enum(['gzip', 'br', 'zstd']))
    .default(['gzip', 'br'])
    .describe('Made beside each file that gains'),
  minBytes: z.int().min(0).default(1024).describe('Files below this are not compressed'),
  minGainRatio: z.number().min(0).max(0.9).default(0.05).describe('Kept only when at least this share is saved'),
});

/** `assets:` in the configuration: what is looked at, how it is made smaller, and how heavy it may be. */
export const assetsSchema = z.strictObject({
  include: z
    .array(glob)
    .default(['**/*.{avif,gif,jpeg,jpg,png,svg,webp}'])
    .describe('Files that are looked at when none are named; suffixes in whatever case'),
  exclude: z
    .array(glob)
    .default(['**/node_modules/**', '**/.git/**', '**/.ops/**', '**/vendor/**'])
    .describe('Never looked at'),
  images: imageSettingsSchema.prefault({}),
  text: z
    .strictObject({
      keepNames: z
        .boolean()
        .default(true)
        .describe('Names of functions and classes in JavaScript stay, for code that reads them'),
    })
    .prefault({}),
  precompress: precompress.prefault({}),
  publicPath: z
    .string()
    .regex(/^(https?:\/\/[^?#]*|\/[^?#]*)$/, 'must be a path such as / or /assets/, or an address')
    .default('/')
    .describe('Where the site serves the files from, for addresses in the manifest'),
  hashedNames: z.boolean().default(false).describe('Output names hold the hash of the content: photo.1a2b3c4d.jpg'),
  sizes: z.string().min(1).default('100vw').describe('The sizes attribute of <picture> in the manifest'),
  check: z
    .strictObject({
      savingRatio: z
        .number()
        .min(0)
        .max(1)
        .default(0.1)
        .describe('An image that could be smaller by this share at the target fails the check …'),
      savingBytes: byteSizeSchema.prefault(1024).describe('… when that is at least this many bytes'),
    })
    .prefault({}),
  budgets: budgets.prefault({}),
  cache: z
    .strictObject({
      path: z.string().min(1).default('.ops/assets-cache').describe('Folder of the cache'),
      keepDays: z.int().min(1).max(3660).default(30).describe('What was not used for this long is removed'),
    })
    .prefault({}),
  branch: z
    .string()
    .regex(/^(?!.*(?:\.\.|\/\/|@\{))[\w.][\w./+-]*[\w+-]$/, 'must be the name of a branch')
    .default('ops/assets')
    .describe('Of the pull request that proposes smaller files; made when it is missing'),
});

export type AssetsConfig = z.output<typeof assetsSchema>;
