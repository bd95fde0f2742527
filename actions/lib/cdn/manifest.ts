import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import type { Variant } from './urls/urls.ts';

/** What is served, by path of the site. */
export type SiteManifest = ReadonlyMap<string, { sha256: string }>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const path = z.string().startsWith('/');
const manifestSchema = z.object({
  assets: z.array(
    z.object({
      path,
      sha256,
      variants: z.array(z.object({ path, sha256, format: z.string(), width: z.int().positive() })).default([]),
    }),
  ),
});
type Manifest = z.infer<typeof manifestSchema>;

/** @throws OpsError `CDN_MANIFEST` (exit 2) */
export function readSiteManifest(file: string): SiteManifest {
  const { assets } = parseSiteManifest(file, () => readFileSync(file, 'utf8'));
  return new Map(assets.flatMap(asset => [asset, ...asset.variants]).map(each => [each.path, { sha256: each.sha256 }]));
}

/** By the path of the original. */
export function variantsOf({ assets }: Manifest): Record<string, Variant[]> {
  return Object.fromEntries(
    assets.filter(({ variants }) => variants.length > 0).map(asset => [asset.path, asset.variants]),
  );
}

/** @throws OpsError `CDN_MANIFEST` (exit 2) */
export function parseSiteManifest(file: string, read: () => string): Manifest {
  const broken = (what: string, cause?: unknown) =>
    new OpsError('CDN_MANIFEST', `The manifest ${file} ${what}`, {
      hint: 'Write it with: ops assets optimize --manifest <file>.',
      exit: 'usage',
      cause,
    });
  let content: unknown;
  try {
    content = JSON.parse(read());
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw broken(code === 'ENOENT' ? 'is not there' : code ? `cannot be read (${code})` : 'is no JSON', cause);
  }
  const parsed = manifestSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw broken(`is not one: ${issue.path.join('.')} ${issue.message}`);
}
