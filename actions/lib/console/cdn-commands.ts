import type { ImageOptions, PurgeInput } from '../cdn/index.ts';
import { OpsError } from '../errors/index.ts';
import { runInTerminal } from '../run/index.ts';
import type { Arguments, Option } from './arguments.ts';
import { type Command, dryRun } from './command.ts';

const area = () => import('../cdn/index.ts');

const zone: Option = { type: 'value', placeholder: '<name>', help: 'The zone; see them with: ops cdn config' };

export const cdnCommands: readonly Command[] = [
  {
    name: 'cdn config',
    help: 'The zones and the provider that are configured, and what is missing',
    options: { check: { type: 'flag', help: 'Ask every zone and origin whether it answers' } },
    run: async (args, terminal) =>
      runInTerminal((await area()).cdnConfigOperation, { isChecked: args.flag('check') }, terminal),
  },
  {
    name: 'cdn url',
    positionals: '<path>',
    help: 'The URL of a path on the CDN, of an image in another size or format, or its srcset',
    options: {
      zone,
      width: { type: 'value', placeholder: '<px>', help: 'Width of the image' },
      height: { type: 'value', placeholder: '<px>', help: 'Height of the image' },
      quality: { type: 'value', placeholder: '<1-100>', help: 'Quality of the image' },
      format: {
        type: 'value',
        placeholder: '<format>',
        choices: ['auto', 'avif', 'webp', 'jpeg', 'png'],
        help: 'Format of the image',
      },
      widths: { type: 'list', placeholder: '<400,800>', help: 'Print a srcset with these widths' },
    },
    async run(args, terminal) {
      const [path, ...more] = args.positionals;
      if (path === undefined || more.length > 0)
        throw wrongCount('cdn url takes one path', 'ops cdn url /photo.jpg --width 400');
      const image = imageOf(args);
      const widths = args.list('widths').map(wholeWidth);
      return runInTerminal(
        (await area()).cdnUrlOperation,
        { path, zone: args.value('zone') ?? 'default', image, widths },
        terminal,
      );
    },
  },
  {
    name: 'cdn purge',
    positionals: '[path|url …]',
    help: 'Take paths out of the caches (a * at the end: all that begins so), and verify that they are fresh',
    options: {
      zone,
      host: { type: 'list', placeholder: '<host,…>', help: 'Everything of these hosts' },
      tag: { type: 'list', placeholder: '<tag,…>', help: 'Everything with these cache tags' },
      everything: { type: 'flag', help: 'Everything there is' },
      'changed-since': {
        type: 'value',
        placeholder: '<ref|manifest>',
        help: 'What changed below cdn.root since a git ref, or since the manifest of the build before',
      },
      soft: { type: 'flag', help: 'Mark as stale instead of removing, where the CDN can' },
      build: {
        type: 'value',
        placeholder: '<id>',
        help: 'Wait until the origin shows this at cdn.purge.buildPath before anything is purged',
      },
      'no-verify': { type: 'flag', help: 'Do not look whether it worked' },
      'dry-run': dryRun,
    },
    async run(args, terminal) {
      const input: PurgeInput = {
        paths: args.positionals,
        zone: args.value('zone'),
        hosts: args.list('host'),
        tags: args.list('tag'),
        isEverything: args.flag('everything'),
        isSoft: args.flag('soft') || undefined,
        changedSince: args.value('changed-since'),
        build: args.value('build'),
        isVerified: !args.flag('no-verify'),
        dryRun: args.flag('dry-run'),
      };
      return runInTerminal((await area()).purgeOperation, input, terminal);
    },
  },
  {
    name: 'cdn audit',
    positionals: '[page …]',
    help: 'Look at pages and their assets as visitors get them: cache headers, compression, types, stale copies',
    options: { zone },
    run: async (args, terminal) =>
      runInTerminal((await area()).auditOperation, { pages: args.positionals, zone: args.value('zone') }, terminal),
  },
];

function imageOf(args: Arguments): ImageOptions | undefined {
  const format = args.value('format') as ImageOptions['format'];
  const sizes = Object.fromEntries(
    (['width', 'height', 'quality'] as const).flatMap(name => {
      const count = args.count(name);
      return count === undefined ? [] : [[name, count]];
    }),
  );
  const image: ImageOptions = { ...sizes, ...(format && { format }) };
  return Object.keys(image).length > 0 ? image : undefined;
}

function wholeWidth(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw wrongCount(`--widths has '${text}', which is no width in pixels`, '--widths 400,800,1200');
}

function wrongCount(message: string, example: string): OpsError {
  return new OpsError('USAGE', message, { hint: `For example: ${example}.`, exit: 'usage' });
}
