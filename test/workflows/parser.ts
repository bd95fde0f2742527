import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Parser from '@actions/workflow-parser';
import type * as ActionParser from '@actions/workflow-parser/actions/index';
import { build } from 'esbuild';

/** GitHub's own parser of workflows and of action.yml. */
export interface GitHubParser {
  /** What GitHub would refuse, one line each. */
  workflowErrors(name: string, content: string): Promise<string[]>;
  actionErrors(name: string, content: string): string[];
}

type Packages = typeof Parser & Pick<typeof ActionParser, 'parseAction' | 'convertActionTemplate'>;

/**
 * The published package imports JSON without the attribute that Node asks for, and so cannot be imported: esbuild
 * bundles it, JSON included, into a CommonJS file.
 */
export async function loadParser(): Promise<GitHubParser> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-parser-'));
  try {
    const outfile = join(folder, 'parser.cjs');
    const entry = join(folder, 'entry.mjs');
    await writeFile(
      entry,
      "export * from '@actions/workflow-parser';\nexport * from '@actions/workflow-parser/actions/index';\n",
    );
    const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      nodePaths: [join(root, 'node_modules')],
      logLevel: 'error',
    });
    return wrap(createRequire(import.meta.url)(outfile) as Packages);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function wrap(packages: Packages): GitHubParser {
  const trace = new packages.NoOperationTraceWriter();
  return {
    async workflowErrors(name, content) {
      const { context, value } = packages.parseWorkflow({ name, content }, trace);
      const errors = context.errors.getErrors().map(error => error.message);
      if (!value || errors.length > 0) return errors;
      const template = await packages.convertWorkflowTemplate(context, value);
      return (template.errors ?? []).map(error => error.Message);
    },
    actionErrors(name, content) {
      const { context, value } = packages.parseAction({ name, content }, trace);
      if (value) packages.convertActionTemplate(context, value);
      return context.errors.getErrors().map(error => error.message);
    },
  };
}
