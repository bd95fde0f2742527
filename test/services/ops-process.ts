import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The command line as a process of its own: Node, this file, and what a person would type. */
export const opsScript = join(root, 'scripts', 'ops.ts');

/** As `npm run ops` has it: half of what a short command costs is to compile what was compiled before. */
export const compileCache = {
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'compiled'),
};
