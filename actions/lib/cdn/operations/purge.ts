import { resolve } from 'node:path';
import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { formatDuration } from '../../log/index.ts';
import { cell, codeSpan, inertText } from '../../markdown/index.ts';
import type { Check, Operation, Report } from '../../reports/index.ts';
import { readSiteManifest } from '../manifest.ts';
import { openProvider } from '../providers/index.ts';
import { type PurgeAsk, purgeRequest } from '../purge/ask.ts';
import { changedPaths } from '../purge/changed.ts';
import { counted } from '../purge/refuse.ts';
import type { PurgePlan } from '../purge/request.ts';
import { sendPlan } from '../purge/send.ts';
import { urlsToVerify } from '../verify/choose.ts';
import { originServesBuild } from '../verify/origin.ts';
import { type VerifiedUrl, verifyUrls } from '../verify/verify.ts';

export interface PurgeInput extends Omit<PurgeAsk, 'isSoft'> {
  /** Undefined: as configured. */
  isSoft: boolean | undefined;
  /** A git ref or a manifest: only what changed since then. */
  changedSince: string | undefined;
  /** What the origin must serve at `cdn.purge.buildPath` before anything is purged. */
  build: string | undefined;
  isVerified: boolean;
  dryRun: boolean;
}

const verifiedUrl = z.strictObject({
  url: z.string(),
  freshness: z.enum(['fresh', 'kept', 'stale', 'unverified', 'unreachable']),
  reason: z.string(),
  seconds: z.number(),
});

export const purgeDataSchema = z.strictObject({
  provider: z.string(),
  isSoft: z.boolean(),
  calls: z.array(z.strictObject({ summary: z.string(), itemCount: z.int(), items: z.array(z.string()) })),
  notes: z.array(z.string()),
  /** What the provider called the calls. */
  ids: z.array(z.string()),
  originQuestions: z
    .int()
    .describe('How many things the origin was asked before the purge; 0: nothing was known to ask'),
  purgeSeconds: z.number(),
  verified: z.array(verifiedUrl),
});
export type PurgeData = z.infer<typeof purgeDataSchema>;

// A report is committed: a purge of 30,000 URLs is told by its first ones.
const mostItemsKept = 200;

/**
 * Plan, origin, purge, look. Throws `CDN_CANNOT`, `CDN_NO_ZONE`, `CDN_NOT_CONFIGURED` (exit 2) before any call,
 * `CDN_ORIGIN_STALE` before the purge, and what the provider answers.
 */
export const purgeOperation: Operation<PurgeInput, PurgeData> = {
  kind: 'cdn.purge',
  dataSchema: purgeDataSchema,
  async execute(input, context) {
    const { cdn } = context.config;
    const provider = openProvider(context);
    const paths = [...input.paths, ...(await changed(input, context))];
    const data: PurgeData = {
      provider: provider.kind,
      isSoft: input.isSoft ?? cdn.purge.soft,
      calls: [],
      notes: [],
      ids: [],
      originQuestions: 0,
      purgeSeconds: 0,
      verified: [],
    };
    if (input.changedSince !== undefined && paths.length === 0) {
      data.notes.push(`Nothing changed since ${input.changedSince}: nothing was purged.`);
      return { data, checks: [], isDryRun: input.dryRun };
    }
    const request = purgeRequest({ ...input, paths, isSoft: data.isSoft }, cdn);
    const plan = provider.plan(request);
    describe(plan, data);
    for (const note of plan.notes) context.log.info(note);
    if (input.dryRun) return { data, checks: [], isDryRun: true };

    const manifest = cdn.manifest ? readSiteManifest(resolve(context.cwd, cdn.manifest)) : undefined;
    const { urls, unseen } = urlsToVerify(request, cdn);
    data.originQuestions = await originServesBuild({
      zones: cdn.zones,
      build: buildOf(input, context),
      urls,
      manifest,
      withinSeconds: cdn.purge.waitForOrigin,
      signal: context.signal,
    });
    const startedAtMs = performance.now();
    data.ids = await sendPlan(provider, plan, context);
    data.purgeSeconds = (performance.now() - startedAtMs) / 1000;
    if (!input.isVerified) return { data, checks: [] };
    data.verified = await verifyUrls(urls, {
      zones: cdn.zones,
      manifest,
      purgedAtMs: startedAtMs,
      propagationSeconds: data.purgeSeconds + provider.propagationSeconds,
      progress: context.progress,
      signal: context.signal,
    });
    return { data, checks: [verifiedCheck(data.verified, unseen)] };
  },
  lines: purgeLines,
  summary: purgeSummary,
};

async function changed({ changedSince }: PurgeInput, { config, cwd, signal }: OpsContext): Promise<string[]> {
  if (changedSince === undefined) return [];
  const { root, manifest } = config.cdn;
  return changedPaths({ since: changedSince, cwd, root, manifest, signal });
}

function describe(plan: PurgePlan, data: PurgeData): void {
  data.notes.push(...plan.notes);
  let room = mostItemsKept;
  for (const { summary, items } of plan.calls) {
    const kept = items.slice(0, room);
    room -= kept.length;
    data.calls.push({ summary, itemCount: items.length, items: kept });
  }
}

function buildOf({ build }: PurgeInput, { config, log }: OpsContext): { path: string; contains: string } | undefined {
  const { buildPath } = config.cdn.purge;
  if (build === undefined) return undefined;
  if (buildPath) return { path: buildPath, contains: build };
  log.warn('--build has no effect: cdn.purge.buildPath does not say where the origin shows its build');
  return undefined;
}

function verifiedCheck(verified: readonly VerifiedUrl[], unseen: readonly string[]): Check {
  const base = { id: 'cdn.purge.verified', threshold: 0, unit: 'urls' };
  const bad = verified.filter(({ freshness }) => freshness === 'stale' || freshness === 'kept');
  const unknown = verified.filter(({ freshness }) => freshness === 'unverified' || freshness === 'unreachable');
  const first = bad[0] ?? unknown[0];
  const told = first ? `${first.url} ${first.reason}` : '';
  if (bad.length > 0) {
    const isStale = bad.some(({ freshness }) => freshness === 'stale');
    const message = `${bad.length} of ${verified.length} URLs still come from before the purge: ${told}`;
    return { ...base, status: isStale ? 'critical' : 'warning', value: bad.length, message };
  }
  if (unknown.length > 0) {
    const message = `COULD NOT VERIFY ${unknown.length} of ${verified.length} URLs: ${told}`;
    return { ...base, status: 'unknown', value: unknown.length, message };
  }
  if (unseen.length > 0) {
    const message = `COULD NOT VERIFY ${unseen.slice(0, 3).join(', ')}: it names no URL to look at; name one beside it, or set cdn.purge.verifyPaths`;
    return { ...base, status: 'unknown', value: null, message };
  }
  return {
    ...base,
    status: 'ok',
    value: 0,
    message: `${counted(verified.length, 'URL')} ${verified.length === 1 ? 'is' : 'are'} fresh`,
  };
}

function purgeLines({ data, checks }: Report<PurgeData>): string[] {
  if (!data) return [];
  const isPlanned = data.verified.length === 0 && data.purgeSeconds === 0;
  const verdict = checks[0]?.message ?? (isPlanned ? 'Planned, and nothing was sent' : 'Purged, and not verified');
  return [
    data.calls.length === 0 ? (data.notes[0] ?? 'Nothing to purge') : verdict,
    ...data.calls.slice(0, 20).map(call => `  ${call.summary}: ${itemsText(call)}`),
    ...(data.calls.length > 20 ? [`  and ${data.calls.length - 20} more calls`] : []),
    ...(data.calls.length === 0 ? [] : data.notes.map(note => `  ${note}`)),
    ...data.verified
      .filter(({ freshness }) => freshness !== 'fresh')
      .map(seen => `  ${seen.freshness}: ${seen.url} ${seen.reason}`),
  ];
}

function itemsText({ items, itemCount }: PurgeData['calls'][number]): string {
  const shown = items.slice(0, 3).join(' ');
  return itemCount > 3 ? `${shown} … (${itemCount})` : shown;
}

function purgeSummary({ data, checks, error }: Report<PurgeData>): string {
  if (!data) return `## The purge failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const check = checks[0];
  const mark = check === undefined || check.status === 'ok' ? '✅' : check.status === 'unknown' ? '❔' : '❌';
  const looked = data.verified.map(
    seen =>
      `| ${seen.freshness} | ${cell(codeSpan(seen.url))} | ${cell(inertText(seen.reason))} | ${formatDuration(seen.seconds)} |`,
  );
  return [
    `## ${mark} ${inertText(check?.message ?? (data.notes[0] || 'Purged, and not verified'))}`,
    '',
    ...data.calls.slice(0, 50).map(call => `- ${inertText(call.summary)}`),
    ...data.notes.map(note => `- ${inertText(note)}`),
    '',
    ...(looked.length > 0 ? ['| | URL | | after |', '|---|---|---|---|', ...looked, ''] : []),
  ].join('\n');
}
