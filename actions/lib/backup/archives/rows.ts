import type pg from 'pg';
import { copyOut, quoteQualified } from '../../postgres/index.ts';
import { encodingOption } from '../database/catalog.ts';
import { partEnd, partPreamble, rowsEnd } from '../database/copy-statement.ts';
import type { ArchiveBatch } from './batch.ts';

/** Rows of one table, chosen by where they lie: the caller holds locks on them. */
export interface ArchivedRows {
  schema: string;
  name: string;
  /** Quoted, without generated columns. */
  columns: readonly string[];
  /** `(block,offset)` */
  ctids: readonly string[];
}

const staged = 'pg_temp."archived_rows"';

/**
 * Writes the script of one batch. It loads into a temporary table first and takes over what is missing, so that it can be
 * run twice, and after a run that was killed before it deleted.
 * @param tables in the order of restoring
 * @returns the rows of each table, as the server counted them
 */
export async function writeArchivedRows(
  client: pg.Client,
  batch: ArchiveBatch,
  tables: readonly ArchivedRows[],
  encoding: string,
): Promise<number[]> {
  const counted: number[] = [];
  await batch.write(Buffer.from(partPreamble));
  for (const table of tables) {
    const { before, copy, after } = scriptOf(table, encoding);
    await batch.write(Buffer.from(before));
    const { rows } = await copyOut(client, copy, { onBatch: bytes => batch.write(bytes) });
    await batch.write(Buffer.from(after));
    counted.push(rows);
  }
  await batch.write(Buffer.from(partEnd));
  return counted;
}

function scriptOf(table: ArchivedRows, encoding: string): { before: string; copy: string; after: string } {
  const target = quoteQualified(table.schema, table.name);
  const columns = table.columns.join(', ');
  const option = encodingOption(encoding);
  const tids = `'{${table.ctids.map(tid => `"${tid}"`).join(',')}}'::pg_catalog.tid[]`;
  return {
    before: `CREATE TEMP TABLE "archived_rows" AS SELECT ${columns} FROM ${target} WITH NO DATA;\nCOPY ${staged} (${columns}) FROM stdin${option};\n`,
    copy: `COPY (SELECT ${columns} FROM ONLY ${target} WHERE ctid = ANY (${tids})) TO STDOUT${option}`,
    after: `${rowsEnd}INSERT INTO ${target} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${staged} ON CONFLICT DO NOTHING;\nDROP TABLE ${staged};\n`,
  };
}
