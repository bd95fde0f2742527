import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { codeSpan, inertText } from '../../markdown/index.ts';
import type { Check, Operation, Report } from '../../reports/index.ts';
import { exchange } from '../http.ts';
import { openProvider } from '../providers/index.ts';
import { cdnUrlsOf } from '../service.ts';
import type { ImageOptions } from '../urls/urls.ts';

export interface CdnConfigInput {
  /** Ask every zone and origin whether it answers. */
  isChecked: boolean;
}

const configDataSchema = z.strictObject({
  zones: z.array(
    z.strictObject({ name: z.string(), url: z.string(), origin: z.string().nullable(), transform: z.string() }),
  ),
  provider: z.string().nullable(),
  providerState: z.string().describe('`ready`, or what is missing'),
});
export type CdnConfigData = z.infer<typeof configDataSchema>;

/** What is configured, without a secret; with `isChecked` also whether it answers. Nothing is stored. */
export const cdnConfigOperation: Operation<CdnConfigInput, CdnConfigData> = {
  kind: 'cdn.config',
  dataSchema: configDataSchema,
  async execute({ isChecked }, context) {
    const { zones, provider } = context.config.cdn;
    const data: CdnConfigData = {
      zones: Object.entries(zones).map(([name, { url, origin, transform }]) => ({
        name,
        url,
        origin: origin ?? null,
        transform,
      })),
      provider: provider?.kind ?? null,
      providerState: stateOf(() => openProvider(context)),
    };
    const urls = data.zones.flatMap(({ url, origin }) => (origin ? [url, origin] : [url]));
    const checks = isChecked ? await Promise.all([...new Set(urls)].map(url => answers(url, context.signal))) : [];
    return { data, checks, isDryRun: true };
  },
  lines({ data, checks }) {
    if (!data) return [];
    return [
      data.provider ? `Purges go to ${data.provider}: ${data.providerState}` : data.providerState,
      ...(data.zones.length === 0 ? ['No zone: set CDN_URL, or cdn.zones in .github/ops.yml'] : []),
      ...data.zones.map(
        zone =>
          `  ${zone.name}: ${zone.url}${zone.origin ? ` in front of ${zone.origin}` : ''}, transform ${zone.transform}`,
      ),
      ...checks.map(check => `  ${check.status === 'ok' ? 'ok' : 'NOT KNOWN'}: ${check.message}`),
    ];
  },
  summary: ({ data }) =>
    [
      `## CDN: ${inertText(data?.provider ?? 'no provider')}`,
      '',
      ...(data?.zones ?? []).map(zone => `- ${codeSpan(zone.name)}: ${codeSpan(zone.url)}`),
      '',
    ].join('\n'),
};

function stateOf(open: () => unknown): string {
  try {
    open();
    return 'ready';
  } catch (thrown) {
    if (thrown instanceof OpsError) return `${thrown.message}. ${thrown.hint ?? ''}`.trim();
    throw thrown;
  }
}

async function answers(url: string, signal: AbortSignal): Promise<Check> {
  const base = { id: 'cdn.config.answers', target: url, threshold: 500, unit: 'status' };
  try {
    const { status } = await exchange({ method: 'GET', url: new URL(url), signal });
    return {
      ...base,
      status: status < 500 ? 'ok' : 'unknown',
      value: status,
      message: `${url} answers HTTP ${status}`,
    };
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof OpsError)) throw thrown;
    return { ...base, status: 'unknown', value: null, message: thrown.message };
  }
}

export interface CdnUrlInput {
  path: string;
  zone: string;
  image: ImageOptions | undefined;
  widths: readonly number[];
}

const urlDataSchema = z.strictObject({ url: z.string(), srcset: z.string().nullable() });
export type CdnUrlData = z.infer<typeof urlDataSchema>;

/** The URL of a path, as the site would write it. Throws `CDN_NO_ZONE`, `CDN_CANNOT` (exit 2). */
export const cdnUrlOperation: Operation<CdnUrlInput, CdnUrlData> = {
  kind: 'cdn.url',
  dataSchema: urlDataSchema,
  async execute({ path, zone, image, widths }, context) {
    const urls = cdnUrlsOf(context);
    try {
      const url = image ? urls.getOptimizedImageUrl(path, image, zone) : urls.getCDNUrl(path, zone);
      const srcset = widths.length > 0 ? urls.getResponsiveImageSrcSet(path, widths, image, zone) : null;
      return { data: { url, srcset }, checks: [], isDryRun: true };
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw new OpsError('CDN_CANNOT', thrown.message, {
        hint: `Zones: ${Object.keys(context.config.cdn.zones).join(', ') || 'none'}.`,
        exit: 'usage',
        cause: thrown,
      });
    }
  },
  lines: ({ data }: Report<CdnUrlData>) => (data ? [data.srcset ?? data.url] : []),
  summary: ({ data }) => `${codeSpan(data?.url ?? '')}\n`,
};
