import type { z } from 'zod';
import type { OpsContext } from '../context/index.ts';
import type { Check, Report } from './report.ts';

/**
 * One kind of work that ends in a report. `lib/run` runs it the same way from a terminal and from Actions; nothing in
 * it knows which.
 */
export interface Operation<Input, Data> {
  /** `backup.database`: names the report, its folder and the alerts that come of it. */
  readonly kind: string;
  /** The shape of `report.data`. */
  readonly dataSchema: z.ZodType<Data>;
  execute(input: Input, context: OpsContext): Promise<Outcome<Data>>;
  /** What a person reads in a terminal, verdict first. */
  lines(report: Report<Data>): string[];
  /** The step summary, Markdown, verdict first. */
  summary(report: Report<Data>): string;
  /** What is said of files of the repository, where they are; in Actions these stand beside the file. */
  annotations?(report: Report<Data>): Annotation[];
  /**
   * Tells others what came of it, such as below an issue: when the report is stored, and not for a dry run. Wrong usage is
   * stored nowhere and told all the same. It does not throw: what cannot be told is a warning in the log.
   */
  announce?(report: Report<Data>, input: Input, context: OpsContext): Promise<void>;
}

export interface Annotation {
  level: 'error' | 'warning' | 'notice';
  /** Relative to the repository. */
  file: string;
  /** From 1. */
  line?: number;
  title: string;
  message: string;
}

export interface Outcome<Data> {
  data: Data;
  checks: Check[];
  /** Nothing was changed: the report is shown and not stored. */
  isDryRun?: boolean;
}
