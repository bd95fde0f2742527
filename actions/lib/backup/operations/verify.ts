import { z } from 'zod';
import { formatBytes, formatCount } from '../../log/index.ts';
import type { Operation } from '../../reports/index.ts';
import type { Storage } from '../../storage/index.ts';
import { openDestinations } from '../destinations.ts';
import { locateSet } from '../locate.ts';
import { proveSet } from '../prove-set.ts';
import type { SetKind } from '../sets/manifest.ts';
import { verifySet } from '../verify-set.ts';

export const verifyLevels = ['stored', 'content', 'restore'] as const;
export type VerifyLevel = (typeof verifyLevels)[number];

const dataSchema = z.strictObject({
  level: z.enum(verifyLevels),
  verdict: z.enum(['WHOLE', 'PROVED', 'FAILED', 'COULD NOT VERIFY']),
  set: z.strictObject({ kind: z.enum(['database', 'files']), id: z.string(), source: z.string(), storage: z.string() }),
  findings: z.array(z.string()),
  partsRead: z.int(),
  storedBytes: z.int(),
});
export type VerifyData = z.infer<typeof dataSchema>;

export interface VerifyInput {
  id: string;
  level: VerifyLevel;
  kind: SetKind | undefined;
  source: string | undefined;
  from: Storage['kind'] | undefined;
}

/** Reads a set at one of three levels: its stored bytes, its content, or by restoring it. */
export const verifyOperation: Operation<VerifyInput, VerifyData> = {
  kind: 'backup.verify',
  dataSchema,
  async execute(input, context) {
    const storages = openDestinations(context);
    try {
      const { storage, manifest } = await locateSet(context, storages, input);
      const set = { kind: manifest.kind, id: manifest.id, source: manifest.source, storage: storage.name };
      let data: VerifyData;
      if (input.level === 'restore') {
        const proof = await proveSet(context, storage, manifest);
        const storedBytes = manifest.parts.reduce((sum, part) => sum + part.storedBytes, 0);
        data = {
          level: input.level,
          verdict: proof.verdict,
          set,
          findings: proof.findings,
          partsRead: manifest.parts.length,
          storedBytes,
        };
      } else {
        const { findings, partsRead, storedBytes } = await verifySet(context, storage, manifest, input.level);
        data = {
          level: input.level,
          verdict: findings.length === 0 ? 'WHOLE' : 'FAILED',
          set,
          findings,
          partsRead,
          storedBytes,
        };
      }
      const status = data.verdict === 'FAILED' ? 'critical' : data.verdict === 'COULD NOT VERIFY' ? 'unknown' : 'ok';
      return {
        data,
        checks: [
          {
            id: 'backup.verify',
            target: manifest.source,
            status,
            value: data.findings.length,
            threshold: 0,
            unit: 'findings',
            message: data.findings[0] ?? `Set ${manifest.id} is ${data.verdict.toLowerCase()} at level ${input.level}`,
          },
        ],
      };
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
  },
  lines: ({ data }) =>
    data
      ? [
          `${data.verdict} at level ${data.level}: set ${data.set.id} of ${data.set.source} in ${data.set.storage} (${formatCount(data.partsRead)} parts, ${formatBytes(data.storedBytes)})`,
          ...data.findings.map(finding => `  finding: ${finding}`),
        ]
      : [],
  summary: ({ data, error }) =>
    data
      ? [
          `## ${data.verdict}: \`${data.set.id}\` at level ${data.level}`,
          '',
          ...data.findings.map(finding => `- ${finding}`),
          '',
        ].join('\n')
      : `## Verification failed to run\n\n${error?.message ?? ''}\n`,
};
