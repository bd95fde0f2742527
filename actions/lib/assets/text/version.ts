/**
 * What makes the same file come out differently: the versions of the minifiers, and of the rules here. Part of the key of
 * the cache. A test holds it equal to package.json.
 */
const tools = {
  rules: 1,
  'html-minifier-next': '8.7.0',
  lightningcss: '1.33.0',
  'oxc-minify': '0.145.0',
  'oxc-parser': '0.154.0',
  svgo: '4.1.0',
  terser: '5.51.2',
} as const;

export const textTools: Readonly<Record<string, string | number>> = tools;

/** With Node's own: zlib, Brotli and zstd are in it. */
export const textToolVersion = Object.entries({
  ...tools,
  zlib: process.versions.zlib,
  brotli: process.versions.brotli,
  zstd: process.versions.zstd,
})
  .map(([name, version]) => `${name} ${version}`)
  .join(', ');
