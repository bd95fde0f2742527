import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OpsError } from '../errors/index.ts';
import { type Report, reportSchema } from './report.ts';

/** Where reports are kept. Outside Actions: the working tree. */
export interface ReportStore {
  /** Keeps the report and makes it the latest of its kind; resolves to its path inside the store. */
  save(report: Report): Promise<string>;
}

/** `<kind>/YYYY/MM/<id>.json`, relative to the reports folder. */
export function reportPath(report: Pick<Report, 'kind' | 'id'>): string {
  return `${report.kind}/${report.id.slice(0, 4)}/${report.id.slice(4, 6)}/${report.id}.json`;
}

/** @throws OpsError `REPORT_INVALID` (a defect: the report breaks its own schema), `REPORT_STORE` (the folder) */
export function createDirectoryStore(folder: string): ReportStore {
  return {
    async save(report) {
      const parsed = reportSchema.safeParse(report);
      if (!parsed.success) {
        throw new OpsError('REPORT_INVALID', `The report breaks its schema: ${parsed.error.issues[0]?.message}`);
      }
      const text = `${JSON.stringify(report, null, 2)}\n`;
      const path = join(folder, reportPath(report));
      try {
        await replaceFile(path, text);
        await replaceFile(join(folder, 'latest', `${report.kind}.json`), text);
      } catch (cause) {
        throw new OpsError('REPORT_STORE', `Could not write ${path}: ${(cause as Error).message}`, {
          hint: 'Check that the reports folder (reports.path) is writable.',
          cause,
        });
      }
      return path;
    },
  };
}

/** A reader never sees half a file: temp name first, then rename. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}
