import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkFloors } from './floors.ts';
import { lint, runNode, typeCheck } from './tools.ts';

/** `npm run check`: format and lint, types, generated files, floors and versions. All of them, then the exit code. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

const outcomes = [
  ['format and lint', await lint(root)],
  ['types', await typeCheck(root)],
  ['generated files', (await runNode(root, ['--import', 'tsx', 'scripts/build.ts', '--check'])) === 0],
  ['floors and versions', await floors()],
] as const;
for (const [name, isFine] of outcomes) console.log(`${isFine ? 'ok    ' : 'FAILED'} ${name}`);
process.exitCode = outcomes.every(([, isFine]) => isFine) ? 0 : 1;

async function floors(): Promise<boolean> {
  const breaches = await checkFloors(root);
  for (const breach of breaches) console.error(breach);
  return breaches.length === 0;
}
