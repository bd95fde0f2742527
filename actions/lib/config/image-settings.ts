import { z } from 'zod';

/** What a picture may be written as. WebP and AVIF are variants beside the original; JPEG and PNG are for narrow widths. */
export const variantFormats = ['avif', 'webp', 'jpeg', 'png'] as const;
export type VariantFormat = (typeof variantFormats)[number];

/** How images are made smaller. Everything in it changes what is written, so all of it belongs in a cache key. */
export const imageSettingsSchema = z.strictObject({
  target: z
    .number()
    .min(30)
    .max(95)
    .default(80)
    .describe('SSIMULACRA2 each lossy image must reach: 90 visually lossless, 80 very high, 70 high, 50 medium'),
  graphics: z
    .enum(['lossless', 'lossy'])
    .default('lossless')
    .describe('Flat graphics (few colours, even areas) keep every pixel, or are held to the target like photographs'),
  formats: z.array(z.enum(variantFormats)).default(['avif', 'webp']).describe('Variants made of each image'),
  widths: z
    .array(z.int().min(16).max(16_383))
    .max(16)
    .default([640, 1280, 1920])
    .describe('Responsive widths in pixels; never wider than the original'),
  maxWidth: z
    .int()
    .min(16)
    .max(16_383)
    .default(2560)
    .describe('The widest variant: the original width, or this when the original is wider'),
  inPlace: z.boolean().default(true).describe('Also make the original smaller in its own format'),
  minSavingRatio: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.05)
    .describe('An original is replaced only when at least this part of it is saved'),
  minSavingBytes: z.int().min(0).default(1024).describe('… and at least this many bytes'),
  metadata: z
    .strictObject({
      keep: z
        .enum(['copyright', 'all', 'none'])
        .default('copyright')
        .describe('copyright: rights and author only; all: everything but the place; none: nothing'),
      location: z.enum(['strip', 'keep']).default('strip').describe('Where the picture was taken'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      maxPixels: z
        .int()
        .min(1)
        .default(100_000_000)
        .describe('An image that would decode to more pixels, all frames counted, is refused before it is decoded'),
      maxBytes: z.int().min(1).default(100_000_000).describe('A larger file is refused'),
      timeoutSeconds: z.int().min(1).max(3600).default(300).describe('One encode or decode must end within this'),
    })
    .prefault({}),
  effort: z
    .strictObject({
      avif: z.int().min(0).max(9).default(3).describe('4 takes five times as long as 3 for 4 % fewer bytes'),
      webp: z.int().min(0).max(6).default(6),
    })
    .prefault({}),
});

export type ImageSettings = z.infer<typeof imageSettingsSchema>;
export type ImageSettingsInput = z.input<typeof imageSettingsSchema>;
