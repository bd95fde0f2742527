import {
  type Advice,
  advise,
  CopySession,
  definitionSql,
  parseStatement,
} from '../../../actions/lib/database/advisor.ts';
import { connect, type PostgresTarget, startThrowawayServer } from '../../../actions/lib/postgres/index.ts';
import {
  capabilityCases,
  capabilityIndexes,
  capabilityWorkload,
  createCapabilityTables,
} from '../../workload/capability.ts';
import type { Result } from '../results.ts';
import { buildDefinitions } from './indexes.ts';
import { benchSettings, say } from './stage.ts';

const rows = 300_000;
/** An index helps when it takes at least this share of the time away. */
const helps = 0.8;

/** One statement for each thing an index can do; then the same statements on a schema that has what they need. */
export async function benchCapability(): Promise<Result[]> {
  await using server = await startThrowawayServer({
    purpose: 'the benchmark of the advisor',
    sharedBuffersMb: 512,
    settings: benchSettings,
  });
  const { target } = server;
  const client = await connect(target, { applicationName: 'bench' });
  try {
    await createCapabilityTables(client, { rows });
    const statements = await capabilityWorkload();
    const ask = (more: { budgetBytes?: number } = {}) =>
      advise({ client, target, statements, evaluator: 'planner copy', ...more });
    const advice = await ask({ budgetBytes: 2 ** 31 });
    const failed = await unansweredBy(client, target, advice);
    await dropAdvised(client, advice);
    for (const sql of capabilityIndexes) await client.query(sql);
    await client.query('VACUUM ANALYZE');
    const again = await ask();
    return [
      {
        name: 'kinds of statements not helped',
        value: failed.length,
        target: 0,
        unit: '',
        detail: `of ${capabilityCases.length} ${failed.join(', ')}`.trim(),
      },
      {
        name: 'indexes advised where all are there',
        value: again.chosen.length,
        target: 0,
        unit: '',
        detail: again.chosen.map(each => definitionSql(each.definition)).join('; '),
      },
    ];
  } finally {
    await client.end();
  }
}

/** Cases whose plan reads no index of the right kind and shape, or that are not faster by it. */
async function unansweredBy(
  client: Awaited<ReturnType<typeof connect>>,
  target: PostgresTarget,
  { chosen }: Advice,
): Promise<string[]> {
  const built = await buildDefinitions(client, chosen);
  await client.query('VACUUM ANALYZE');
  await using session = await CopySession.open(target, {
    settings: { search_path: 'capability, public' },
    statementTimeoutMs: 60_000,
    signal: new AbortController().signal,
  });
  await session.watch(built.refs);
  const failed: string[] = [];
  for (const { name, sql, methods } of capabilityCases) {
    const statement = await parseStatement(sql);
    const best = async (hidden: typeof built.refs) => {
      const runs = [];
      for (let run = 0; run < 4; run++) runs.push(await session.run(statement, [], hidden));
      return runs.flatMap(each => (each.kind === 'ran' ? [each.run] : [])).toSorted((a, b) => a.ms - b.ms)[0];
    };
    const [before, after] = [await best(built.refs), await best([])];
    const used = chosen.filter((_, n) => after?.used.has(JSON.stringify([built.refs[n]!.schema, built.refs[n]!.name])));
    const isAnswered = used.some(({ definition }) => methods.some(method => method === definition.method));
    if (!before || !after || !isAnswered || after.ms > before.ms * helps) failed.push(name);
    say(
      `  ${name.padEnd(18)} ${before?.ms.toFixed(3)} ms → ${after?.ms.toFixed(3)} ms by ${used.map(each => each.name).join(', ') || 'nothing'}`,
    );
  }
  return failed;
}

async function dropAdvised(client: Awaited<ReturnType<typeof connect>>, { chosen }: Advice): Promise<void> {
  for (const { definition, name } of chosen) await client.query(`DROP INDEX ${definition.schema}."${name}"`);
}
