import { runInTerminal } from '../run/index.ts';
import type { Arguments, Option } from './arguments.ts';
import type { Command } from './command.ts';

const area = () => import('../assets/index.ts');

const shard: Option = { type: 'value', placeholder: '<i/n>', help: 'Only the files of one of n jobs, e.g. 2/8' };
const out: Option = { type: 'value', placeholder: '<folder>', help: 'Write all that the site needs there' };
const inPlace: Option = {
  type: 'flag',
  help: 'Replace sources by smaller ones; without --out the rest stands beside them',
};
const manifest: Option = {
  type: 'value',
  placeholder: '<file>',
  help: 'Write sizes, hashes, srcset and <picture> of every file',
};

const bundle: Option = {
  type: 'value',
  placeholder: '<folder>',
  help: 'Hand on what was made to the job that puts it together, and write nothing else',
};

/** Files that the site serves. */
export const assetsCommands: readonly Command[] = [
  {
    name: 'assets check',
    positionals: '[<globs>…]',
    help: 'Find images that are too heavy, broken budgets and damaged files; change nothing',
    options: { shard, bundle },
    run: async (args, terminal) =>
      runInTerminal(
        (await area()).assetsCheckOperation,
        { globs: args.positionals, shard: await shardOf(args), bundle: args.value('bundle') },
        terminal,
      ),
  },
  {
    name: 'assets optimize',
    positionals: '[<globs>…]',
    help: 'Make files smaller, with variants, compressed files and a manifest',
    options: {
      shard,
      out,
      'in-place': inPlace,
      manifest,
      bundle,
    },
    run: async (args, terminal) =>
      runInTerminal(
        (await area()).assetsOptimizeOperation,
        { globs: args.positionals, shard: await shardOf(args), bundle: args.value('bundle'), ...destination(args) },
        terminal,
      ),
  },
  {
    name: 'assets merge',
    positionals: '<folder>…',
    help: 'Put together what the shards of one run made',
    options: { out, 'in-place': inPlace, manifest },
    run: async (args, terminal) =>
      runInTerminal((await area()).assetsMergeOperation, { bundles: args.positionals, ...destination(args) }, terminal),
  },
  {
    name: 'assets propose',
    positionals: '[<globs>…]',
    help: 'Open one pull request with what could be smaller, or bring it up to date',
    options: {
      bundles: { type: 'value', placeholder: '<folder>', help: 'Take what jobs of assets check --bundle handed on' },
    },
    run: async (args, terminal) => {
      const bundles = args.value('bundles');
      return runInTerminal(
        (await area()).assetsProposeOperation,
        { globs: args.positionals, bundles: bundles === undefined ? [] : [bundles] },
        terminal,
      );
    },
  },
];

async function shardOf(args: Arguments) {
  const text = args.value('shard');
  return text === undefined ? undefined : (await area()).parseShard(text);
}

function destination(args: Arguments) {
  return { out: args.value('out'), inPlace: args.flag('in-place'), manifest: args.value('manifest') };
}
