import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { formatBytes, formatCount, formatDuration } from '../../actions/lib/log/index.ts';
import { findPhotos, largeMegapixels, writeLargePhotos, writeSmallPhotos } from './assets-photos.ts';
import { writeTexts } from './assets-texts.ts';
import { benchWeight } from './assets-weight.ts';
import { type Measured, measure } from './measured-child.ts';
import type { Result } from './results.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const parts = ['weight', 'large', 'rerun', 'text'] as const;
type Part = (typeof parts)[number];

interface Options {
  images: string | undefined;
  large: number;
  files: number;
  photos: number;
  texts: number;
}

/**
 * Photographs against JPEG of a fixed quality, large ones for memory and cores, a second run on a tree that has not changed,
 * and a tree of text that is new. `--images DIR` names photographs. For a short run: `--only weight,large,rerun,text` takes
 * some of it; `--large 4` photographs of 24 megapixels; `--files 2000` of the tree, `--photos 100` of them; `--texts 5000`.
 */
export async function benchAssets(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string' },
      only: { type: 'string', default: parts.join(',') },
      large: { type: 'string', default: '4' },
      files: { type: 'string', default: '2000' },
      photos: { type: 'string', default: '100' },
      texts: { type: 'string', default: '5000' },
    },
  });
  const options: Options = {
    images: values.images,
    large: countOf('large', values.large),
    files: countOf('files', values.files),
    photos: countOf('photos', values.photos),
    texts: countOf('texts', values.texts),
  };
  const folder = await mkdtemp(join(tmpdir(), 'ops-bench-assets-'));
  try {
    const results: Result[] = [];
    for (const part of partsOf(values.only)) results.push(...(await run(part, options, folder)));
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function countOf(name: string, value: string): number {
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  throw new OpsError('USAGE', `--${name} is '${value}', and must be a whole number of at least 1`, { exit: 'usage' });
}

function partsOf(only: string): Part[] {
  const wanted = only.split(',');
  const unknown = wanted.find(name => !parts.some(part => part === name));
  if (unknown === undefined) return parts.filter(part => wanted.includes(part));
  throw new OpsError('USAGE', `'${unknown}' is not a part of this`, {
    hint: `--only ${parts.join(',')}`,
    exit: 'usage',
  });
}

async function run(part: Part, options: Options, folder: string): Promise<Result[]> {
  const photos = () => findPhotos(options.images, folder);
  switch (part) {
    case 'weight':
      return benchWeight(await photos(), join(folder, 'weight'));
    case 'large':
      return benchLarge(await photos(), options, join(folder, 'large'));
    case 'rerun':
      return benchRerun(await photos(), options, join(folder, 'rerun'));
    case 'text':
      return benchTexts(options, join(folder, 'texts'));
  }
}

/** In place, with every variant that the defaults ask for. */
async function benchLarge(photos: readonly string[], { large }: Options, folder: string): Promise<Result[]> {
  await writeLargePhotos(photos, large, folder);
  const { seconds, tree } = await ops(['assets', 'optimize', '**/*.{jpg,png}', '--in-place'], folder);
  const { peakBytes, cpuSeconds, idleSeconds } = tree;
  return [
    {
      name: 'memory with large photographs',
      value: peakBytes / 1e6,
      target: 600,
      unit: 'MB',
      detail: `${large} of ${largeMegapixels.toFixed(0)} megapixels in ${formatDuration(seconds)}, all processes together`,
    },
    {
      name: 'cores left idle meanwhile',
      value: idleSeconds / (idleSeconds + cpuSeconds),
      target: 0.2,
      unit: '',
      detail: `${formatDuration(cpuSeconds)} of work on ${availableParallelism()} cores, ${formatDuration(idleSeconds)} idle; what others took is not counted`,
    },
  ];
}

async function benchRerun(photos: readonly string[], options: Options, folder: string): Promise<Result[]> {
  const images = Math.min(options.photos, options.files);
  await writeSmallPhotos(photos, images, join(folder, 'photos'));
  if (options.files > images) await writeTexts(options.files - images, join(folder, 'texts'));
  const words = ['assets', 'optimize', '{photos,texts}/*.{jpg,js,cjs,mjs,json,css,html,svg}', '--in-place'];
  const first = await ops(words, folder);
  say(`first run on ${formatCount(options.files)} files: ${formatDuration(first.seconds)}`);
  const second = await ops(words, folder);
  const { cachedFiles, writtenFiles } = dataOf(second);
  if (cachedFiles !== options.files || writtenFiles !== 0) {
    throw new Error(
      `The second run took ${cachedFiles} of ${options.files} files from the cache, and wrote ${writtenFiles}`,
    );
  }
  return [
    {
      name: 'second run / first',
      value: second.seconds / first.seconds,
      target: 0.02,
      unit: '×',
      detail: `${formatDuration(second.seconds)} against ${formatDuration(first.seconds)}, ${formatCount(options.files)} files with ${formatCount(images)} photographs, start of the program included`,
    },
  ];
}

async function benchTexts({ texts }: Options, folder: string): Promise<Result[]> {
  const bytes = await writeTexts(texts, folder);
  const run = await ops(['assets', 'check', '*.{js,cjs,mjs,json,css,html,svg}'], folder);
  const { files, cachedFiles } = dataOf(run);
  if (files !== texts || cachedFiles !== 0)
    throw new Error(`${files} files were checked, ${cachedFiles} of them known`);
  return [
    {
      name: `${formatCount(texts)} text files checked`,
      value: run.seconds,
      target: 60,
      unit: 's',
      detail: `${formatBytes(bytes)} of JavaScript, JSON, CSS, HTML and SVG, every file new to it; ${formatDuration(run.tree.cpuSeconds)} of work on ${availableParallelism()} cores`,
    },
  ];
}

/** As a user runs it: a process of its own, start-up included. Exit code 3 says that files could be smaller. */
function ops(words: readonly string[], folder: string): Promise<Measured> {
  return measure(process.execPath, [...process.execArgv, join(root, 'scripts', 'ops.ts'), ...words, '--json'], {
    cwd: root,
    env: { LOG_LEVEL: 'error', INIT_CWD: folder },
    okExitCodes: [0, 3],
  });
}

function dataOf({ stdout }: Measured): { files: number; cachedFiles: number; writtenFiles: number } {
  return JSON.parse(stdout).data;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
