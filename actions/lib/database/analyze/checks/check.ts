import type { DatabaseConfig } from '../../../config/index.ts';
import { quoteQualified } from '../../../postgres/index.ts';
import type { CollectedFacts, FactName } from '../facts/collect.ts';
import type { Measured } from '../measure.ts';

/** One thing that a check found. */
export interface Finding {
  /** What it is about, quoted as in SQL: `"public"."orders_note_idx"`. */
  subject: string;
  severity: 'warning' | 'critical';
  /** In the unit of the check. */
  value: number;
  /** One sentence, with numbers in human units. */
  message: string;
  /** The exact statements that mend it, in order; none where only a person can know. */
  mend: string[];
}

export interface Judgement {
  /** What the report's check shows: the worst value, or how many there are. */
  value: number | null;
  threshold: number | null;
  findings: Finding[];
  /** Said with the check, e.g. why nothing could be judged. */
  note?: string;
  /** Nothing can be said: statistics are too young, or hidden. Not the same as well. */
  isUnknown?: boolean;
}

export interface HealthCheck {
  /** `database.indexes.unused` */
  id: string;
  unit: string;
  /** What it is called, in the plural: `unused indexes`. */
  title: string;
  /** What a finding means and costs. */
  meaning: string;
  needs: readonly FactName[];
  judge(facts: CollectedFacts, given: Given): Judgement;
}

export interface Given {
  config: DatabaseConfig;
  /** Measured by pgstattuple, by oid. */
  measured: ReadonlyMap<number, Measured>;
  history: History;
}

/** What earlier reports knew, as far as checks ask for it. */
export interface History {
  /** When the report before was made. */
  previousAt: Date | null;
  /** Indexes that were there and not used, with the time since when that is known. */
  unusedSince: ReadonlyMap<string, Date>;
  /** Sizes of the database, oldest first. */
  sizes: readonly { at: Date; bytes: number }[];
}

export const noHistory: History = { previousAt: null, unusedSince: new Map(), sizes: [] };

/** A check whose value is how many findings there are, and whose threshold is none. */
export function counted(findings: Finding[], note?: string): Judgement {
  return {
    value: findings.length,
    threshold: 0,
    findings: gravestFirst(findings),
    ...(note !== undefined && { note }),
  };
}

/** A check whose value is the worst one. */
export function worst(value: number | null, threshold: number, findings: Finding[], note?: string): Judgement {
  return { value, threshold, findings: gravestFirst(findings), ...(note !== undefined && { note }) };
}

export function relationName({ schema, name }: { schema: string; name: string }): string {
  return quoteQualified(schema, name);
}

function gravestFirst(findings: Finding[]): Finding[] {
  const gravity = ({ severity }: Finding) => (severity === 'critical' ? 1 : 0);
  return [...findings].sort((a, b) => gravity(b) - gravity(a) || b.value - a.value);
}
