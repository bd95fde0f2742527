import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'node_modules');

/** A fifth is made on the spot, because npm packages hold hardly any style sheet, page or drawing. */
const madePart = 0.2;
const [leastBytes, mostBytes] = [1000, 200_000];

/**
 * JavaScript and JSON as people wrote it, from the packages that this repository needs, and style sheets, pages and
 * drawings. No two files are alike: what is alike is worked on once.
 * @returns their bytes
 */
export async function writeTexts(count: number, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const made = Math.floor(count * madePart);
  const sources = await packageFiles();
  let bytes = 0;
  for (let index = 0; index < count; index++) {
    const [suffix, text] =
      index < made ? madeText(index) : await realText(sources[(index - made) % sources.length]!, index - made);
    bytes += Buffer.byteLength(text);
    await writeFile(join(folder, `${index}${suffix}`), text);
  }
  return bytes;
}

async function packageFiles(): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(packages, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:[cm]?js|json)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const { size } = await stat(path);
    if (size >= leastBytes && size <= mostBytes) found.push(path);
  }
  // By a fixed order that mixes packages: that of the names would put all of one package together.
  return found
    .map(path => [hashOf(path), path] as const)
    .sort(([a], [b]) => a - b)
    .map(([, path]) => path);
}

async function realText(path: string, index: number): Promise<[suffix: string, text: string]> {
  const text = await readFile(path, 'utf8');
  const suffix = extname(path);
  if (suffix === '.json') return [suffix, `${text}${' '.repeat(index % 7919)}`];
  return [suffix, `${text.replace(/\n\/\/# sourceMappingURL=.*/, '')}\n/* ${index} */\n`];
}

function madeText(index: number): [suffix: string, text: string] {
  const lines = Array.from({ length: 40 + (index % 160) }, (_, line) => line);
  switch (index % 5) {
    case 0:
      return [
        '.svg',
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">\n${lines.map(line => `  <path fill="#${colour(index, line)}" d="M ${line}.5000 ${index % 300}.2500 L ${line * 2}.1250 10.0 z" />`).join('\n')}\n</svg>\n`,
      ];
    case 1:
      return [
        '.html',
        `<!doctype html>\n<html lang="en">\n<head>\n  <title>Page ${index}</title>\n</head>\n<body>\n${lines.map(line => `  <!-- ${line} -->\n  <p class="item item-${line}">Line ${line} of page ${index}</p>`).join('\n')}\n</body>\n</html>\n`,
      ];
    default:
      return [
        '.css',
        lines
          .map(
            line =>
              `/* Block ${line} */\n.page-${index} .block-${line} {\n  margin: 0px ${line}px 0px ${line}px;\n  color: #${colour(index, line)};\n}\n`,
          )
          .join('\n'),
      ];
  }
}

function colour(index: number, line: number): string {
  return ((index * 7919 + line * 104_729) % 0xffffff).toString(16).padStart(6, '0');
}

function hashOf(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}
