import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { type LibraryOptions, libraryContext } from '../reports/index.ts';
import { parseSiteManifest, variantsOf } from './manifest.ts';
import { type PurgeData, type PurgeInput, purgeOperation } from './operations/purge.ts';
import { type CdnUrls, createCdnUrls } from './urls/urls.ts';

export type CdnServiceOptions = LibraryOptions;

export interface CdnService extends CdnUrls {
  /**
   * Purges paths of every zone, or whole URLs, and verifies it; a path that ends with `*` is a prefix. It does not throw for
   * what the verification finds: `verified` says so.
   * @throws OpsError as `purgeOperation`
   */
  purgeCache(
    paths: readonly string[],
    options?: { zone?: string; soft?: boolean; verify?: boolean },
  ): Promise<PurgeData>;
}

/** The configuration is read once, at the first call: URLs are made for every image of every page. */
export function createCdnService(options: CdnServiceOptions = {}): CdnService {
  let made: CdnUrls | undefined;
  const urls = () => {
    made ??= cdnUrlsOf(libraryContext(options));
    return made;
  };
  return {
    getCDNUrl: (...args) => urls().getCDNUrl(...args),
    getOptimizedImageUrl: (...args) => urls().getOptimizedImageUrl(...args),
    getResponsiveImageSrcSet: (...args) => urls().getResponsiveImageSrcSet(...args),
    async purgeCache(paths, { zone, soft, verify = true } = {}) {
      const input: PurgeInput = {
        paths,
        zone,
        hosts: [],
        tags: [],
        isEverything: false,
        isSoft: soft,
        changedSince: undefined,
        build: undefined,
        isVerified: verify,
        dryRun: false,
      };
      return (await purgeOperation.execute(input, libraryContext(options))).data;
    },
  };
}

/** With the environment and the configuration of the working directory. */
export const cdnService: CdnService = createCdnService();

/** @throws OpsError `CDN_MANIFEST` (exit 2) when the configuration names one that cannot be read */
export function cdnUrlsOf({ config, cwd }: Pick<OpsContext, 'config' | 'cwd'>): CdnUrls {
  const { zones, manifest } = config.cdn;
  const needsVariants = Object.values(zones).some(zone => zone.transform === 'variants');
  if (!needsVariants || !manifest) return createCdnUrls({ zones });
  const file = resolve(cwd, manifest);
  return createCdnUrls({ zones, variants: variantsOf(parseSiteManifest(file, () => readFileSync(file, 'utf8'))) });
}
