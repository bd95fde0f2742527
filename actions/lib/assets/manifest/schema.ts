import { z } from 'zod';
import { sha256Schema } from '../result.ts';

/** For the site: what there is of each file, and the markup that lets a browser choose. */
export const manifestSchemaName = 'production-ops/assets-manifest/1';

const path = z.string().describe('As the site serves it, beginning with assets.publicPath; percent-encoded');
const bytes = z.int().min(0);

const variantSchema = z.strictObject({
  path,
  format: z.enum(['avif', 'webp', 'jpeg', 'png']),
  type: z.string().describe('Media type, for <source type>'),
  width: z.int().min(1),
  height: z.int().min(1),
  bytes,
  sha256: sha256Schema,
  score: z.number().nullable().describe('SSIMULACRA2 against the original at this width; null for the file itself'),
});

const assetSchema = z.strictObject({
  source: z.string().describe('The file in the tree'),
  path,
  type: z.string().describe('Media type'),
  bytes,
  sha256: sha256Schema,
  width: z.int().optional(),
  height: z.int().optional(),
  variants: z
    .array(variantSchema)
    .describe('Those of one format reach to the widest that is shown: with the file itself, where it is that'),
  encodings: z.array(z.strictObject({ encoding: z.enum(['gzip', 'br', 'zstd']), path, bytes, sha256: sha256Schema })),
  srcset: z.record(z.string(), z.string()).optional().describe('By media type: the srcset attribute, not escaped'),
  picture: z.string().optional().describe('<picture>, ready to paste; alt is empty and is yours to write'),
});

export const manifestSchema = z.strictObject({
  schema: z.literal(manifestSchemaName),
  publicPath: z.string(),
  assets: z.array(assetSchema).describe('By source'),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestAsset = Manifest['assets'][number];
export type ManifestVariant = z.infer<typeof variantSchema>;
