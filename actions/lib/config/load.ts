import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import { type Environment, originOf, overlayEnvironment, readSecrets, type SecretValues } from './environment.ts';
import { nearest } from './nearest.ts';
import { type Config, configSchema } from './schema.ts';

export const defaultConfigFile = '.github/ops.yml';

export interface LoadedConfig {
  readonly config: Config;
  readonly secrets: SecretValues;
  /** The file it came from; undefined when the environment alone was enough. */
  readonly file: string | undefined;
}

export interface LoadOptions {
  env: Environment;
  cwd: string;
  /** A file named by the user: it must exist. Without it `.github/ops.yml` is read when it is there. */
  file?: string | undefined;
}

/**
 * Reads, overlays the environment, and validates the whole configuration before anything runs.
 * @throws OpsError `CONFIG_MISSING`, `CONFIG_SYNTAX`, `CONFIG_INVALID`: exit 2, with path, line and remedy
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const path = resolve(options.cwd, options.file ?? defaultConfigFile);
  const shown = options.file ?? defaultConfigFile;
  const exists = existsSync(path);
  if (!exists && options.file !== undefined) {
    throw new OpsError('CONFIG_MISSING', `There is no configuration file ${shown}`, {
      hint: 'Check the path after --config, or leave it out to use the environment alone.',
      exit: 'usage',
    });
  }
  const source = exists ? parseFile(path, shown) : undefined;
  const merged = overlayEnvironment(source?.content ?? {}, options.env);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) throw invalid(parsed.error, shown, source, options.env);
  return Object.freeze({
    config: deepFreeze(parsed.data),
    secrets: readSecrets(options.env),
    file: source ? path : undefined,
  });
}

interface Source {
  content: Record<string, unknown>;
  document: Document;
  lines: LineCounter;
}

function parseFile(path: string, shown: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(readText(path, shown), { lineCounter: lines, uniqueKeys: true });
  const fault = document.errors[0];
  if (fault) {
    const line = fault.linePos?.[0].line;
    throw new OpsError('CONFIG_SYNTAX', `${shown}:${line ?? 1}: ${fault.message.split('\n')[0]}`, {
      hint: 'The file is not valid YAML; look at the indentation and quotes near that line.',
      exit: 'usage',
    });
  }
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new OpsError('CONFIG_INVALID', `${shown}:1: the file must hold keys such as "backup:"`, {
      hint: 'See .github/ops.yml of the repository for an example.',
      exit: 'usage',
    });
  }
  return { content: content as Record<string, unknown>, document, lines };
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new OpsError(
      'CONFIG_MISSING',
      `${shown} cannot be read${code === 'EISDIR' ? ': it is a folder' : ` (${code})`}`,
      {
        hint: 'Name a YAML file that this user may read.',
        exit: 'usage',
        cause,
      },
    );
  }
}

function invalid(error: z.ZodError, shown: string, source: Source | undefined, env: Environment): OpsError {
  // A mistyped key is often why another one is missing: name it first.
  const issues = [...error.issues].sort(
    (a, b) => Number(b.code === 'unrecognized_keys') - Number(a.code === 'unrecognized_keys'),
  );
  const messages = issues.flatMap(issue => describe(issue, shown, source, env));
  const first = messages[0] ?? { text: 'invalid configuration', hint: 'See .github/ops.yml for an example.' };
  const more =
    messages.length > 1
      ? ` (and ${messages.length - 1} more: ${messages
          .slice(1, 4)
          .map(m => m.text)
          .join('; ')})`
      : '';
  return new OpsError('CONFIG_INVALID', `${first.text}${more}`, {
    hint: first.hint,
    exit: 'usage',
  });
}

type Issue = z.core.$ZodIssue;

function describe(
  issue: Issue,
  shown: string,
  source: Source | undefined,
  env: Environment,
): { text: string; hint: string }[] {
  const file = source?.content ?? {};
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path);
    return issue.keys.map(key => {
      const path = [...issue.path, key];
      const near = nearest(key, known);
      return {
        text: `${where(originPath(path, file, env), shown, source)}: unknown key '${path.join('.')}'`,
        hint: near
          ? `Did you mean '${near}'? Known keys here: ${known.join(', ')}.`
          : `Known keys here: ${known.join(', ')}.`,
      };
    });
  }
  const what = `'${issue.path.join('.')}': ${issue.message}`;
  const origin = originOf(issue.path, file, env);
  if ('variable' in origin) {
    return [{ text: `${origin.variable}: ${what}`, hint: `Correct or unset the variable ${origin.variable}.` }];
  }
  return [{ text: `${where(origin.path, shown, source)}: ${what}`, hint: 'Correct that line.' }];
}

function originPath(path: readonly PropertyKey[], file: Source['content'], env: Environment): readonly PropertyKey[] {
  const origin = originOf(path, file, env);
  return 'path' in origin ? origin.path : path;
}

function where(path: readonly PropertyKey[], shown: string, source: Source | undefined): string {
  if (!source) return 'environment';
  // The value may come from the environment or be missing: then the line of the nearest parent that is in the file.
  for (let depth = path.length; depth > 0; depth--) {
    const start = nodeStart(source.document, path.slice(0, depth));
    if (start !== undefined) return `${shown}:${source.lines.linePos(start).line}`;
  }
  return shown;
}

function nodeStart(document: Document, path: readonly PropertyKey[]): number | undefined {
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find(item => isScalar(item.key) && String(item.key.value) === String(path.at(-1)));
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
  }
  const node = document.getIn(path, true) as { range?: [number, number, number] | null } | undefined;
  return node?.range?.[0];
}

/** The keys the schema knows at a path, for the nearest-key hint. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let nodes = [configSchema as unknown as SchemaNode];
  for (const step of path) nodes = nodes.flatMap(node => children(node, step));
  return [...new Set(nodes.flatMap(variants).flatMap(node => Object.keys(node.shape ?? {})))];
}

interface SchemaNode {
  shape?: Record<string, SchemaNode>;
  element?: SchemaNode;
  options?: SchemaNode[];
  def?: { innerType?: SchemaNode };
}

function children(node: SchemaNode, step: PropertyKey): SchemaNode[] {
  return variants(node).flatMap(variant => variant.shape?.[String(step)] ?? variant.element ?? []);
}

/** A schema without its defaults, and a union as its members. */
function variants(node: SchemaNode): SchemaNode[] {
  if (node.def?.innerType) return variants(node.def.innerType);
  return node.options ? node.options.flatMap(variants) : [node];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
