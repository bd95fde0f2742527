import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';

export const encodings = ['gzip', 'br', 'zstd'] as const;
export type Encoding = (typeof encodings)[number];

/** What a server that looks for ready-made files appends: nginx `gzip_static`, Caddy `precompressed`. */
export const encodingSuffix: Readonly<Record<Encoding, string>> = { gzip: '.gz', br: '.br', zstd: '.zst' };

export interface PrecompressSettings {
  encodings: readonly Encoding[];
  /** Files below this are sent as they are: their headers weigh more. */
  minBytes: number;
  /** A compressed file must be smaller than the file by this share of it. */
  minGainRatio: number;
}

const compress: Readonly<Record<Encoding, (bytes: Uint8Array) => Promise<Buffer>>> = {
  // Node writes no time and no name into the header: the same bytes come of the same bytes.
  gzip: bytes => promisify(gzip)(bytes, { level: 9 }),
  br: bytes =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  zstd: bytes =>
    promisify(zstdCompress)(bytes, {
      params: {
        [constants.ZSTD_c_compressionLevel]: 19,
        [constants.ZSTD_c_checksumFlag]: 1,
        // RFC 8878 lets browsers refuse windows above 8 MiB (RFC 9659).
        [constants.ZSTD_c_windowLog]: 23,
      },
      pledgedSrcSize: bytes.length,
    }),
};

/** The encodings that gain enough, smallest last named first served by the server's own order; none is larger than the file. */
export async function precompress(
  bytes: Uint8Array,
  settings: PrecompressSettings,
): Promise<{ encoding: Encoding; bytes: Uint8Array }[]> {
  if (bytes.length < settings.minBytes) return [];
  const made = await Promise.all(
    settings.encodings.map(async encoding => ({ encoding, bytes: await compress[encoding](bytes) })),
  );
  return made.filter(({ bytes: each }) => each.length <= bytes.length * (1 - settings.minGainRatio));
}
