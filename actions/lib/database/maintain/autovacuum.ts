import { quoteQualified } from '../../postgres/index.ts';
import type { ServerFacts, TableFacts } from './facts.ts';

export interface AutovacuumAdvice {
  table: string;
  reason: string;
  statement: string;
  rollback: string;
  isSwitchedOff: boolean;
}

/** Smaller tables are vacuumed often enough by any setting. */
const smallestRows = 100_000;
/** Less is known of shorter times than a day. */
const leastDays = 1;

/**
 * A table is vacuumed when its dead rows pass `autovacuum_vacuum_threshold + autovacuum_vacuum_scale_factor × rows` (from 18
 * on at most `autovacuum_vacuum_max_threshold`). Of a large table a fifth is much: days of churn, and an index bloat that
 * no VACUUM gives back. Advised is a share that is reached about once a day, between 1 % and what is set.
 * Source: https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
 */
export function autovacuumAdvice(tables: readonly TableFacts[], server: ServerFacts): AutovacuumAdvice[] {
  return tables.flatMap((table): AutovacuumAdvice[] => {
    const target = quoteQualified(table.schema, table.name);
    const name = `${table.schema}.${table.name}`;
    if (table.options.autovacuum_enabled === 'false' || table.options.autovacuum_enabled === 'off') {
      return [
        {
          table: name,
          reason: 'autovacuum is switched off for it',
          statement: `ALTER TABLE ${target} RESET (autovacuum_enabled);`,
          rollback: `ALTER TABLE ${target} SET (autovacuum_enabled = off);`,
          isSwitchedOff: true,
        },
      ];
    }
    const rows = Math.max(table.rows, table.liveRows);
    if (table.isPartitioned || rows < smallestRows || server.statisticsDays < leastDays) return [];
    const perDay = table.deadRowsMade / server.statisticsDays;
    const trigger = triggerRows(table, rows, server);
    const wanted = Math.max(perDay, rows * 0.01);
    // Less than a share of 0.1 % a day is no churn to speak of; half as often is no difference to speak of.
    if (perDay < rows * 0.001 || trigger < 2 * wanted) return [];
    const share = Math.max(0.01, Math.round((wanted / rows) * 1000) / 1000);
    const names = ['autovacuum_vacuum_scale_factor', 'autovacuum_analyze_scale_factor'] as const;
    const values = [share, Math.max(0.005, Math.round((share / 2) * 1000) / 1000)];
    const before = names.flatMap(each => (each in table.options ? [`${each} = ${table.options[each]}`] : []));
    return [
      {
        table: name,
        reason: `about ${Math.round(perDay)} rows a day are updated or deleted, and it is vacuumed when ${Math.round(trigger)} are dead: every ${Math.round(trigger / perDay)} days`,
        statement: `ALTER TABLE ${target} SET (${names.map((each, at) => `${each} = ${values[at]}`).join(', ')});`,
        rollback:
          before.length === names.length
            ? `ALTER TABLE ${target} SET (${before.join(', ')});`
            : `ALTER TABLE ${target} RESET (${names.join(', ')});${before.length > 0 ? ` ALTER TABLE ${target} SET (${before.join(', ')});` : ''}`,
        isSwitchedOff: false,
      },
    ];
  });
}

function triggerRows({ options }: TableFacts, rows: number, { settings }: ServerFacts): number {
  const value = (name: string, fallback: number) => Number(options[name] ?? settings[name]?.value ?? fallback);
  const computed = value('autovacuum_vacuum_threshold', 50) + value('autovacuum_vacuum_scale_factor', 0.2) * rows;
  const most = value('autovacuum_vacuum_max_threshold', -1);
  return most < 0 ? computed : Math.min(most, computed);
}
