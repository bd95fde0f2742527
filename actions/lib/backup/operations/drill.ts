import { z } from 'zod';
import { formatBytes, formatCount, formatDuration } from '../../log/index.ts';
import type { Check, Operation, Report } from '../../reports/index.ts';
import type { Storage } from '../../storage/index.ts';
import { openDestinations } from '../destinations.ts';
import { locateSet } from '../locate.ts';
import { proveSet } from '../prove-set.ts';
import type { SetKind } from '../sets/manifest.ts';
import type { ProofResult } from '../verdict.ts';
import { chosenSet, chosenSetSchema } from './chosen-set.ts';

const seconds = z.number().min(0);
const dataSchema = z.strictObject({
  verdict: z.enum(['PROVED', 'FAILED', 'COULD NOT VERIFY']),
  set: chosenSetSchema,
  findings: z.array(z.string()),
  notes: z.array(z.string()),
  /** Measured: fetch, decrypt, restore and verify, each part timed. */
  rtoSeconds: seconds,
  /** Measured: the instant the drill stands for − the instant of the snapshot. */
  rpoSeconds: seconds,
  objectives: z.strictObject({ rtoSeconds: seconds, rpoSeconds: seconds }),
  timings: z.record(z.string(), seconds),
  compared: z
    .strictObject({
      tables: z.int(),
      rows: z.int(),
      hashedWhole: z.int(),
      hashedSample: z.int(),
      objects: z.int(),
      assertions: z.array(
        z.strictObject({ name: z.string(), passed: z.boolean(), got: z.string(), expected: z.string() }),
      ),
    })
    .nullable(),
  restoredBytes: z.int().nullable(),
});
export type DrillData = z.infer<typeof dataSchema>;

export interface DrillInput {
  id: string;
  kind: SetKind | undefined;
  source: string | undefined;
  from: Storage['kind'] | undefined;
}

/** Restores a set into a throw-away server, judges it, and records the verdict beside the set. */
export const drillOperation: Operation<DrillInput, DrillData> = {
  kind: 'drill.run',
  dataSchema,
  async execute(input, context) {
    const declaredAt = context.now();
    const startedAt = performance.now();
    const storages = openDestinations(context);
    try {
      const { storage, manifest } = await locateSet(context, storages, { ...input, kind: input.kind ?? 'database' });
      const proof = await proveSet(context, storage, manifest);
      const data: DrillData = {
        verdict: proof.verdict,
        set: chosenSet(manifest, storage),
        findings: proof.findings,
        notes: proof.notes,
        rtoSeconds: (performance.now() - startedAt) / 1000,
        rpoSeconds: Math.max(0, (declaredAt.getTime() - Date.parse(manifest.snapshotAt)) / 1000),
        objectives: { ...context.config.drill.objectives },
        timings: timingsOf(proof),
        compared: comparedOf(proof),
        restoredBytes: proof.restore?.plainBytes ?? null,
      };
      return { data, checks: checksOf(data) };
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
  },
  lines: report => (report.data ? drillLines(report.data) : []),
  summary,
};

export function timingsOf(proof: ProofResult): Record<string, number> {
  return {
    serverSeconds: proof.timings.serverSeconds,
    ...(proof.restore?.timings ?? {}),
    restoreSeconds: proof.timings.restoreSeconds,
    compareSeconds: proof.timings.compareSeconds,
    totalSeconds: proof.timings.totalSeconds,
  };
}

function comparedOf(proof: ProofResult): DrillData['compared'] {
  const { comparison } = proof;
  return comparison
    ? {
        tables: comparison.tablesCompared,
        rows: comparison.rowsCompared,
        hashedWhole: comparison.hashedWhole,
        hashedSample: comparison.hashedSample,
        objects: comparison.objectsCompared,
        assertions: comparison.assertions,
      }
    : null;
}

function checksOf(data: DrillData): Check[] {
  const target = data.set.source;
  const verdict: Check = {
    id: 'drill.verdict',
    target,
    status: ({ PROVED: 'ok', FAILED: 'critical', 'COULD NOT VERIFY': 'unknown' } as const)[data.verdict],
    value: data.findings.length,
    threshold: 0,
    unit: 'findings',
    message: data.verdict === 'PROVED' ? `Set ${data.set.id} is proved` : `${data.verdict}: ${data.findings[0] ?? ''}`,
  };
  return [
    verdict,
    objective('drill.rpo', 'RPO', data.rpoSeconds, data.objectives.rpoSeconds, target),
    // A restore that did not succeed has no recovery time.
    ...(data.verdict === 'PROVED'
      ? [objective('drill.rto', 'RTO', data.rtoSeconds, data.objectives.rtoSeconds, target)]
      : []),
  ];
}

function objective(id: string, name: string, value: number, threshold: number, target: string): Check {
  const isMet = value <= threshold;
  return {
    id,
    target,
    status: isMet ? 'ok' : 'critical',
    value,
    threshold,
    unit: 'seconds',
    message: `${name} ${formatDuration(value)}, objective ${formatDuration(threshold)}${isMet ? '' : ': missed'}`,
  };
}

export function drillLines(data: DrillData): string[] {
  const { compared } = data;
  return [
    `${data.verdict}: set ${data.set.id} of ${data.set.source}, snapshot of ${data.set.snapshotAt}, from ${data.set.storage}`,
    ...(compared ? [`  compared ${comparedText(data)}`] : []),
    ...data.findings.map(finding => `  ${data.verdict === 'FAILED' ? 'finding' : 'reason'}: ${finding}`),
    ...data.notes.map(note => `  note: ${note}`),
    ...(data.verdict === 'PROVED'
      ? [`  measured RTO ${formatDuration(data.rtoSeconds)} (objective ${formatDuration(data.objectives.rtoSeconds)})`]
      : []),
    `  measured RPO ${formatDuration(data.rpoSeconds)} (objective ${formatDuration(data.objectives.rpoSeconds)})`,
  ];
}

function comparedText(data: DrillData): string {
  const c = data.compared!;
  if (data.set.kind === 'files') return `${formatCount(c.objects)} entries`;
  const asserted =
    c.assertions.length > 0
      ? `, ${c.assertions.filter(a => a.passed).length} of ${c.assertions.length} assertions`
      : '';
  return `${c.tables} tables, ${formatCount(c.rows)} rows (content of ${c.hashedWhole} tables whole${c.hashedSample > 0 ? `, of ${c.hashedSample} by sample` : ''}), ${formatCount(c.objects)} objects${asserted}`;
}

function summary(report: Report<DrillData>): string {
  const { data } = report;
  if (!data) return `## Drill failed to run\n\n${report.error?.message ?? ''}\n\n${report.error?.hint ?? ''}\n`;
  return [
    `## ${data.verdict}: \`${data.set.id}\` of ${data.set.source}`,
    '',
    '| | measured | objective |',
    '|---|---|---|',
    `| RTO | ${data.verdict === 'PROVED' ? formatDuration(data.rtoSeconds) : '–'} | ${formatDuration(data.objectives.rtoSeconds)} |`,
    `| RPO | ${formatDuration(data.rpoSeconds)} | ${formatDuration(data.objectives.rpoSeconds)} |`,
    '',
    ...(data.compared ? [`Compared ${comparedText(data)}.`, ''] : []),
    ...data.findings.map(finding => `- ${finding}`),
    ...data.notes.map(note => `- note: ${note}`),
    '',
    `Snapshot of ${data.set.snapshotAt}, from ${data.set.storage}${data.restoredBytes === null ? '' : `, ${formatBytes(data.restoredBytes)} restored`}.`,
    '',
  ].join('\n');
}
