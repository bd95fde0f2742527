import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { bundleAction } from '../../scripts/build.ts';

/** A folder of `actions/`. */
export type ActionName = string;

/** What the frame sets for every action, whatever happens. */
export const frameOutputs = ['status', 'exit-code', 'report-path', 'report-url'];

export interface ActionRun {
  code: number | null;
  stdout: string;
  /** Both streams, without the lines that tell the runner what to mask. */
  visible: string;
  outputs: Record<string, string>;
  summary: string;
}

export interface RunOptions {
  inputs?: Record<string, string>;
  env?: Record<string, string>;
  /** Content of `.github/ops.yml`. */
  config?: string | undefined;
  event?: { name: string; payload?: object };
  onStart?: (child: ChildProcess) => void;
}

/**
 * The built actions in a folder without node_modules, and a workspace to run them in as the runner does: inputs as
 * INPUT_*, outputs and summary as files.
 */
export class Runner implements AsyncDisposable {
  readonly root: string;
  readonly workspace: string;
  /** Emptied by the runner after each job; here it stays. */
  readonly temporary: string;
  #runs = 0;

  private constructor(root: string) {
    this.root = root;
    this.workspace = join(root, 'workspace');
    this.temporary = join(root, '_temp');
  }

  static async open(names: readonly ActionName[]): Promise<Runner> {
    const runner = new Runner(await mkdtemp(join(tmpdir(), 'ops-actions-')));
    await mkdir(join(runner.workspace, '.github'), { recursive: true });
    await mkdir(runner.temporary);
    for (const name of names) await bundleAction(name, join(runner.root, name, 'dist'));
    return runner;
  }

  async run(name: ActionName, options: RunOptions = {}): Promise<ActionRun> {
    const folder = join(this.root, `run-${++this.#runs}`);
    await mkdir(folder);
    const file = (part: string) => join(folder, part);
    const event = options.event ?? { name: 'workflow_dispatch' };
    await writeFile(file('event.json'), JSON.stringify(event.payload ?? {}));
    await writeFile(file('output'), '');
    await writeFile(file('summary'), '');
    const config = join(this.workspace, '.github', 'ops.yml');
    if (options.config === undefined) await rm(config, { force: true });
    else await writeFile(config, options.config);

    const child = spawn(process.execPath, [join(this.root, name, 'dist', 'main.mjs')], {
      cwd: this.workspace,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        TMPDIR: tmpdir(),
        GITHUB_ACTIONS: 'true',
        GITHUB_WORKSPACE: this.workspace,
        RUNNER_TEMP: this.temporary,
        GITHUB_EVENT_NAME: event.name,
        GITHUB_EVENT_PATH: file('event.json'),
        GITHUB_OUTPUT: file('output'),
        GITHUB_STEP_SUMMARY: file('summary'),
        GITHUB_SERVER_URL: 'https://github.example',
        GITHUB_REPOSITORY: 'shop/ops',
        GITHUB_RUN_ID: '4711',
        GITHUB_RUN_ATTEMPT: '2',
        GITHUB_SHA: '0123456789abcdef0123456789abcdef01234567',
        ...Object.fromEntries(
          Object.entries(options.inputs ?? {}).map(([input, value]) => [`INPUT_${input.toUpperCase()}`, value]),
        ),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
      options.onStart?.(child);
    });
    const outputs = readOutputs(await readFile(file('output'), 'utf8'));
    await checkOutputs(name, outputs);
    const summary = await readFile(file('summary'), 'utf8');
    // The verdict comes first, whatever the action.
    if (summary !== '' && !summary.startsWith('## '))
      throw new Error(`${name} leads its summary with: ${summary.slice(0, 80)}`);
    const visible = `${stdout.replace(/^::add-mask::.*\n/gm, '')}${stderr}`;
    return { code, stdout, visible, outputs, summary };
  }

  /** Every file of the workspace and of the runs, as one text. */
  async everythingWritten(): Promise<string> {
    const texts: string[] = [];
    for (const entry of await readdir(this.root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.parentPath.endsWith('dist')) continue;
      texts.push((await readFile(join(entry.parentPath, entry.name))).toString('latin1'));
    }
    return texts.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

/** GitHub passes on only what is declared: an output that is not is lost without a word. */
async function checkOutputs(name: ActionName, outputs: ActionRun['outputs']): Promise<void> {
  const manifest = parse(await readFile(join(import.meta.dirname, '../../actions', name, 'action.yml'), 'utf8'));
  const declared = new Set(Object.keys(manifest.outputs));
  const undeclared = Object.keys(outputs).filter(output => !declared.has(output));
  if (undeclared.length > 0) throw new Error(`${name} sets outputs that it does not declare: ${undeclared.join(', ')}`);
  const missing = frameOutputs.filter(output => outputs[output] === undefined);
  if (missing.length > 0) throw new Error(`${name} did not set: ${missing.join(', ')}`);
}

function readOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  for (const [, name, , value] of text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)) outputs[name!] = value!;
  return outputs;
}
