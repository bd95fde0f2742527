import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The URLs of the CDN as a site puts them into its scripts, and the files that went into it. */
export async function browserBundle(): Promise<{ code: string; inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../actions/lib/cdn/urls/urls.ts', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
  });
  return { code: outputFiles[0]!.text, inputs: Object.keys(metafile.inputs) };
}
