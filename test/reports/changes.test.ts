import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cellQuantile,
  changedFiles,
  dailyDay,
  hourlyDay,
  keptPath,
  measuredIn,
  mergeCells,
  mostSummaryBytes,
  parseRollup,
  parseSamples,
  parseSummary,
  type Report,
  readCell,
  reportPath,
  rollupFile,
} from '../../actions/lib/reports/index.ts';
import { makeCheck, makeMonitorReport, makeReport, memoryShelf } from './fixture.ts';

type Shelf = ReturnType<typeof memoryShelf>;

async function save(shelf: Shelf, ...reports: Report[]): Promise<string[]> {
  let changed: string[] = [];
  for (const report of reports) {
    const files = await changedFiles(report, shelf);
    for (const [path, text] of files) shelf.files.set(path, text);
    changed = [...files.keys()];
  }
  return changed;
}

const read = (shelf: Shelf, path: string) => shelf.files.get(path) ?? expect.fail(`${path} is missing`);
const summaryOf = (shelf: Shelf) => parseSummary(read(shelf, 'summary.json')) ?? expect.fail('no summary');
const samplesOf = (shelf: Shelf, day: string) => {
  const path = `metrics/${day.replaceAll('-', '/')}.ndjson`;
  return parseSamples(read(shelf, path), path);
};

const backup = (at: string, seconds = 60) => makeReport({ at, checks: [makeCheck('backup.seconds', seconds)] });
const monitor = (at: string, number = 0) => makeMonitorReport({ at, number });

describe('a report', () => {
  test('changes its own file, the latest of its kind, the samples of the day and the summary, itself last', async () => {
    const shelf = memoryShelf();
    expect(await save(shelf, backup('2026-11-23T02:00:00Z'))).toEqual([
      'metrics/2026/11/23.ndjson',
      'summary.json',
      'latest/backup.database.json',
      'backup.database/2026/11/20261123T020000Z-0000.json',
    ]);
    expect(read(shelf, 'latest/backup.database.json')).toBe(
      read(shelf, 'backup.database/2026/11/20261123T020000Z-0000.json'),
    );
  });

  test('without a number leaves no samples', async () => {
    const shelf = memoryShelf();
    await save(shelf, makeReport({ at: '2026-11-23T02:00:00Z', checks: [makeCheck('backup.destinations', null)] }));
    expect([...shelf.files.keys()].filter(path => path.startsWith('metrics'))).toEqual([]);
  });

  test('that is kept already changes nothing', async () => {
    const shelf = memoryShelf();
    const report = backup('2026-11-23T02:00:00Z');
    await save(shelf, report, backup('2026-11-24T02:00:00Z'));
    expect(await save(shelf, report)).toEqual([]);
  });

  test('is never rewritten', async () => {
    const shelf = memoryShelf();
    await save(shelf, backup('2026-11-23T02:00:00Z', 60));
    await expect(save(shelf, backup('2026-11-23T02:00:00Z', 61))).rejects.toMatchObject({ code: 'REPORT_EXISTS' });
  });

  test('that breaks its schema is a defect, and is not kept', async () => {
    const shelf = memoryShelf();
    await expect(save(shelf, makeReport({ at: '2026-11-23T02:00:00Z', kind: '../x' }))).rejects.toMatchObject({
      code: 'REPORT_INVALID',
      message: expect.stringContaining('kind'),
    });
    expect(shelf.files.size).toBe(0);
  });

  test('that comes after a later one is not the latest', async () => {
    const shelf = memoryShelf();
    await save(shelf, backup('2026-11-24T02:00:00Z', 2), backup('2026-11-23T02:00:00Z', 1));
    expect(JSON.parse(read(shelf, 'latest/backup.database.json')).id).toContain('20261124');
    expect(summaryOf(shelf).latest.map(({ id }) => id)).toEqual(['20261124T020000Z-0000']);
    expect(summaryOf(shelf).history['backup.database']?.runs.map(([id]) => id.slice(6, 8))).toEqual(['23', '24']);
  });
});

describe('a quiet report, of samples that are all fine', () => {
  test('leaves its samples and is the latest, without a file of its own', async () => {
    const shelf = memoryShelf();
    const report = monitor('2026-11-23T02:00:00Z');
    expect(await save(shelf, report)).toEqual(['metrics/2026/11/23.ndjson', 'summary.json', 'latest/monitor.run.json']);
    expect(keptPath(report)).toBe('latest/monitor.run.json');
    expect(JSON.parse(read(shelf, 'latest/monitor.run.json'))).not.toHaveProperty('samples');
  });

  test('changes nothing when it comes again', async () => {
    const shelf = memoryShelf();
    await save(shelf, monitor('2026-11-23T02:00:00Z'), monitor('2026-11-24T05:00:00Z'));
    expect(await save(shelf, monitor('2026-11-23T02:00:00Z'))).toEqual([]);
  });

  test('has a file of its own as soon as something is not fine', async () => {
    const shelf = memoryShelf();
    const report = makeMonitorReport({
      at: '2026-11-23T02:00:00Z',
      checks: [makeCheck('http.up', 0, { status: 'critical' })],
    });
    expect(await save(shelf, report)).toContain(reportPath(report));
    expect(keptPath(report)).toBe(reportPath(report));
  });
});

describe('samples', () => {
  test('stand in columns, by the day they were measured on', async () => {
    const shelf = memoryShelf();
    await save(shelf, monitor('2026-11-24T00:30:00Z'));
    const [before] = samplesOf(shelf, '2026-11-23');
    const [after] = samplesOf(shelf, '2026-11-24');
    expect(before).toMatchObject({ at: '2026-11-23T23:30:00Z', after: [0, 300, 600, 900, 1200, 1500] });
    expect(after).toMatchObject({ at: '2026-11-24T00:00:00Z', after: [0, 300, 600, 900, 1200, 1500] });
    expect(after?.values['http.up@home']).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('keep whole numbers as they are, three digits of others, and of what a ratio lacks to one', async () => {
    const shelf = memoryShelf();
    const checks = [
      makeCheck('a', 123_456_789_012),
      makeCheck('b', 0.123456),
      makeCheck('c', -98_765.4321),
      makeCheck('d', 0.998734),
      makeCheck('e', 0.95),
    ];
    await save(shelf, makeReport({ at: '2026-11-23T02:00:00Z', checks }));
    expect(
      Object.fromEntries([...measuredIn(samplesOf(shelf, '2026-11-23'))].map(({ series, value }) => [series, value])),
    ).toEqual({
      'a@shop': 123_456_789_012,
      'b@shop': 0.123,
      'c@shop': -98_800,
      'd@shop': 0.99873,
      'e@shop': 0.95,
    });
  });

  test('from long before the run are refused, since they would touch files without number', async () => {
    const samples = [{ at: '2026-01-01T00:00:00Z', values: { x: 1 } }];
    const report = makeReport({ at: '2026-11-23T02:00:00Z', samples });
    await expect(save(memoryShelf(), report)).rejects.toMatchObject({ code: 'REPORT_INVALID' });
  });

  test('that a wrong merge has damaged are named with their line', async () => {
    const shelf = memoryShelf();
    await save(shelf, backup('2026-11-23T02:00:00Z'));
    shelf.files.set('metrics/2026/11/23.ndjson', `${read(shelf, 'metrics/2026/11/23.ndjson')}<<<<<<< HEAD\n`);
    await expect(save(shelf, backup('2026-11-23T03:00:00Z'))).rejects.toMatchObject({
      code: 'REPORT_STORE',
      message: 'Line 2 of metrics/2026/11/23.ndjson is damaged',
    });
  });
});

describe('rollups', () => {
  test('hold a day as soon as a later one begins, by hour and by day', async () => {
    const shelf = memoryShelf();
    await save(shelf, monitor('2026-11-22T12:00:00Z'), monitor('2026-11-22T13:00:00Z'));
    expect(summaryOf(shelf).openDay).toBe('2026-11-22');
    expect([...shelf.files.keys()].filter(path => path.startsWith('rollup'))).toEqual([]);

    await save(shelf, monitor('2026-11-23T09:00:00Z'));
    expect(summaryOf(shelf).openDay).toBe('2026-11-23');
    const lines = samplesOf(shelf, '2026-11-22');
    const hourly = parseRollup(read(shelf, 'rollup/hourly/2026-11.json'), 'h');
    const daily = parseRollup(read(shelf, 'rollup/daily/2026.json'), 'd');
    expect(hourly).toEqual({ resolution: 'hourly', days: { '2026-11-22': hourlyDay(lines) } });
    expect(daily).toEqual({ resolution: 'daily', days: { '2026-11-22': dailyDay(lines) } });
    expect(Object.keys(hourly.days['2026-11-22']?.['http.up@home'] ?? {})).toEqual(['11', '12']);
  });

  test('of a day are those of its hours, merged', async () => {
    const shelf = memoryShelf();
    for (let hour = 1; hour < 24; hour++)
      await save(shelf, monitor(`2026-11-22T${String(hour).padStart(2, '0')}:00:00Z`, hour));
    const lines = samplesOf(shelf, '2026-11-22');
    const hours = Object.values(hourlyDay(lines)['http.totalSeconds@home'] ?? {}).map(readCell);
    const merged = hours.reduce(mergeCells);
    const day = readCell(dailyDay(lines)['http.totalSeconds@home']!);
    expect(merged).toMatchObject({ count: day.count, min: day.min, max: day.max });
    expect(cellQuantile(merged, 0.95)).toBe(cellQuantile(day, 0.95));
    expect(merged.sum).toBeCloseTo(day.sum, 1);
  });

  test('of a day that is closed are made again when a report comes late', async () => {
    const shelf = memoryShelf();
    await save(
      shelf,
      backup('2026-11-22T02:00:00Z', 10),
      backup('2026-11-24T02:00:00Z', 30),
      backup('2026-11-22T05:00:00Z', 20),
    );
    const day = parseRollup(read(shelf, 'rollup/daily/2026.json'), 'd').days['2026-11-22'] as ReturnType<
      typeof dailyDay
    >;
    expect(day['backup.seconds@shop']?.slice(0, 4)).toEqual([2, 30, 10, 20]);
    expect(summaryOf(shelf).openDay).toBe('2026-11-24');
  });

  test('go on in the next month and the next year', async () => {
    const shelf = memoryShelf();
    await save(shelf, backup('2026-12-31T02:00:00Z'), backup('2027-01-01T02:00:00Z'), backup('2027-02-01T02:00:00Z'));
    expect([...shelf.files.keys()].filter(path => path.startsWith('rollup')).sort()).toEqual([
      'rollup/daily/2026.json',
      'rollup/daily/2027.json',
      'rollup/hourly/2026-12.json',
      'rollup/hourly/2027-01.json',
    ]);
  });

  test('that were removed are made again with the next day of their month', async () => {
    const shelf = memoryShelf();
    for (const day of ['20', '21', '22']) await save(shelf, backup(`2026-11-${day}T02:00:00Z`));
    shelf.files.delete('rollup/hourly/2026-11.json');
    await save(shelf, backup('2026-11-23T02:00:00Z'));
    const { days } = parseRollup(read(shelf, 'rollup/hourly/2026-11.json'), 'h');
    expect(Object.keys(days)).toEqual(['2026-11-20', '2026-11-21', '2026-11-22']);
  });

  test('of very many series go on in a second file when the first is full, and late reports still find theirs', async () => {
    const shelf = memoryShelf();
    const wide = (at: string, number = 0) =>
      makeReport({
        at,
        number,
        checks: Array.from({ length: 700 }, (_, index) => makeCheck(`series.${index}`, index * 1.37 + number)),
      });
    for (const day of [20, 21, 22, 23, 24, 25]) await save(shelf, wide(`2026-11-${day}T02:00:00Z`));
    const files = [...shelf.files.keys()].filter(path => path.startsWith('rollup/hourly')).sort();
    expect(files.length).toBeGreaterThan(1);
    expect(files.at(-1)).toBe('rollup/hourly/2026-11.json');
    expect(files[0]).toMatch(/^rollup\/hourly\/2026-11-2\d\.json$/);
    const daysOf = (path: string) => Object.keys(parseRollup(read(shelf, path), path).days);
    const before = files.map(daysOf);
    expect(before.flat().sort()).toEqual([20, 21, 22, 23, 24].map(day => `2026-11-${day}`));
    for (const path of files) expect(read(shelf, path).length).toBeLessThan(150_000);
    // A reader that cannot list the folder finds them in the summary, in order.
    const named = summaryOf(shelf).rollups.hourly;
    expect(named.map(name => `rollup/hourly/${name}`).sort()).toEqual(files);
    expect(named.flatMap(name => daysOf(`rollup/hourly/${name}`))).toEqual(before.flat().sort());
    for (const day of before.flat()) expect(daysOf(`rollup/hourly/${rollupFile('hourly', day, named)}`)).toContain(day);

    await save(shelf, makeReport({ at: '2026-11-20T09:00:00Z', checks: [makeCheck('late', 1)] }));
    expect(files.map(daysOf)).toEqual(before);
    expect(files.some(path => read(shelf, path).includes('"late@shop"'))).toBe(true);
  });
});

describe('whatever the order in which reports come, and however often', () => {
  const hours = fc.integer({ min: 0, max: 24 * 40 });
  const kinds = fc.constantFrom('backup.database', 'drill.run', 'monitor.run', 'monitor.down');
  const drawn = fc.uniqueArray(fc.tuple(hours, kinds), {
    minLength: 1,
    maxLength: 25,
    // The id of a report comes of its hour here, and ids are unique.
    selector: ([hour]) => hour,
  });
  const reportAt = ([hour, kind]: [number, string]): Report => {
    const at = new Date(Date.UTC(2026, 10, 10) + hour * 3_600_000).toISOString();
    if (kind === 'monitor.run') return monitor(at, hour);
    if (kind === 'monitor.down')
      return makeMonitorReport({ at, number: hour + 5000, checks: [makeCheck('http.up', 0, { status: 'critical' })] });
    return makeReport({ at, number: hour, kind, checks: [makeCheck(`${kind}.seconds`, hour / 7)] });
  };

  test('the files are the same in the end', async () => {
    const ordered = drawn.chain(list =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 })),
    );
    await fc.assert(
      fc.asyncProperty(ordered, async ([list, shuffled]) => {
        const sorted = memoryShelf();
        await save(sorted, ...list.map(reportAt).sort((a, b) => (a.id < b.id ? -1 : 1)));
        const other = memoryShelf();
        await save(other, ...shuffled.map(reportAt));
        expect(Object.fromEntries([...other.files].sort())).toEqual(Object.fromEntries([...sorted.files].sort()));
      }),
      { numRuns: 60 },
    );
  });

  test('rollups and the open day together hold every value once', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async list => {
        const shelf = memoryShelf();
        const reports = list.map(reportAt);
        await save(shelf, ...reports);
        const { openDay } = summaryOf(shelf);
        const rolledUp = [...shelf.files]
          .filter(([path]) => path.startsWith('rollup/daily/'))
          .map(([path, text]) => parseRollup(text, path));
        const cells = rolledUp
          .flatMap(({ days }) => Object.values(days) as ReturnType<typeof dailyDay>[])
          .flatMap(Object.values);
        const closed = cells.reduce((sum, [count]) => sum + count, 0);
        const open = openDay === null ? 0 : [...measuredIn(samplesOf(shelf, openDay))].length;
        const measured = reports.flatMap(({ samples = [], checks }) => [
          ...samples.flatMap(({ values }) => Object.keys(values)),
          ...checks.map(({ id }) => id),
        ]);
        expect(closed + open).toBe(measured.length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the summary', () => {
  test('says what a first screen needs', async () => {
    const shelf = memoryShelf();
    const data = { verdict: 'FAILED', rtoSeconds: 100, findings: ['rows differ'], note: 'x'.repeat(200) };
    const checks = [
      makeCheck('drill.rto', 100),
      makeCheck('drill.verdict', 0, { status: 'critical', message: 'rows differ' }),
    ];
    await save(
      shelf,
      backup('2026-11-23T02:00:00Z'),
      makeReport({ at: '2026-11-23T04:00:00Z', kind: 'drill.run', data, checks }),
    );
    const summary = summaryOf(shelf);
    expect(summary).toMatchObject({ platform: 'shop', status: 'critical', updatedAt: '2026-11-23T04:01:00.000Z' });
    expect(summary.latest.map(({ kind, status }) => [kind, status])).toEqual([
      ['backup.database', 'ok'],
      ['drill.run', 'critical'],
    ]);
    const [, drill] = summary.latest;
    expect(drill).toMatchObject({ facts: { verdict: 'FAILED', rtoSeconds: 100 }, checksLeftOut: 0 });
    expect(drill?.facts).not.toHaveProperty('note');
    expect(drill?.checks[0]?.id).toBe('drill.verdict');
    expect(summary.history['drill.run']).toEqual({
      series: ['drill.rto@shop', 'drill.verdict@shop'],
      runs: [['20261123T040000Z-0000', 'critical', 'FAILED', [100, 0]]],
    });
  });

  test('names the failure of a run that failed', async () => {
    const shelf = memoryShelf();
    const error = { code: 'PG_UNREACHABLE', message: 'nobody answers' };
    await save(shelf, makeReport({ at: '2026-11-23T02:00:00Z', status: 'critical', error, data: null }));
    expect(summaryOf(shelf).latest[0]).toMatchObject({ error: 'PG_UNREACHABLE: nobody answers', facts: {} });
  });

  test('that is missing or damaged is made again from the latest reports', async () => {
    const shelf = memoryShelf();
    await save(shelf, backup('2026-11-22T02:00:00Z'), makeReport({ at: '2026-11-22T04:00:00Z', kind: 'drill.run' }));
    for (const damage of ['<<<<<<< HEAD\n', undefined]) {
      if (damage === undefined) shelf.files.delete('summary.json');
      else shelf.files.set('summary.json', damage);
      await save(shelf, backup(`2026-11-23T0${damage ? 2 : 3}:00:00Z`));
      expect(summaryOf(shelf).latest.map(({ kind }) => kind)).toEqual(['backup.database', 'drill.run']);
      expect(summaryOf(shelf)).toMatchObject({
        openDay: '2026-11-23',
        rollups: { hourly: ['2026-11.json'], daily: ['2026.json'] },
      });
    }
  });

  test('stays below its cap however much is measured', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 1000 }),
        async (kinds, checks, length) => {
          const shelf = memoryShelf();
          for (let kind = 0; kind < kinds * 4; kind++) {
            const letters = String.fromCharCode(97 + kind);
            await save(
              shelf,
              makeReport({
                at: `2026-11-23T0${kind % 10}:00:00Z`,
                kind: `kind.${letters}`,
                data: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`fact${index}`, 'x'.repeat(90)])),
                checks: Array.from({ length: checks }, (_, index) =>
                  makeCheck(`check.${index}`, index / 3, { message: 'é'.repeat(length) }),
                ),
              }),
            );
          }
          const text = read(shelf, 'summary.json');
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(mostSummaryBytes);
          expect(summaryOf(shelf).latest).toHaveLength(kinds * 4);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('the size guard', () => {
  const listOf = (entries: number) =>
    makeReport({ at: '2026-11-23T02:00:00Z', data: { list: Array(entries).fill('a long list entry') } });

  test('warns of a report above 1 MB, of which GitHub shows nothing any more, and keeps it', async () => {
    const shelf = memoryShelf();
    const warnings: string[] = [];
    const files = await changedFiles(listOf(60_000), shelf, text => warnings.push(text));
    expect(warnings).toEqual([
      expect.stringMatching(
        /^backup.database\/2026\/11\/20261123T020000Z-0000.json would have 1,\d+,\d+ bytes; the limit is 10,000,000, /,
      ),
      expect.stringMatching(/^latest\/backup.database.json would have 1,/),
    ]);
    expect([...files.keys()].at(-1)).toBe('backup.database/2026/11/20261123T020000Z-0000.json');
  });

  test('says nothing below', async () => {
    const warnings: string[] = [];
    await changedFiles(listOf(30_000), memoryShelf(), text => warnings.push(text));
    expect(warnings).toEqual([]);
  });

  test('refuses a report above 10 MB', async () => {
    const shelf = memoryShelf();
    await expect(save(shelf, listOf(500_000))).rejects.toMatchObject({
      code: 'REPORT_SIZE',
      message: expect.stringContaining('20261123T020000Z-0000.json would have'),
    });
    expect(shelf.files.size).toBe(0);
  });

  test('warns of samples that make a day larger than 1 MB, and says what helps', async () => {
    const shelf = memoryShelf();
    const wide = (number: number) => {
      const checks = Array.from({ length: 4000 }, (_, index) =>
        makeCheck(`a.rather.long.name.of.series.${index}`, index),
      );
      return makeReport({ at: '2026-11-23T02:00:00Z', number, checks });
    };
    const reports = Array.from({ length: 7 }, (_, number) => wide(number));
    await save(shelf, ...reports.slice(0, -1));
    const warnings: string[] = [];
    await changedFiles(reports.at(-1)!, shelf, text => warnings.push(text));
    expect(warnings).toContainEqual(
      expect.stringMatching(/^metrics\/2026\/11\/23.ndjson would have .* Measure fewer series, or less often\.$/),
    );
  });

  test('warns before a folder is full, and refuses entry 3,001', async () => {
    const shelf = memoryShelf();
    for (let number = 0; number < 2999; number++) shelf.files.set(`drill.run/2026/11/${number}.json`, '{}');
    const drill = (number: number) => makeReport({ at: '2026-11-23T02:00:00Z', number, kind: 'drill.run' });
    const warnings: string[] = [];
    await changedFiles(drill(1), shelf, text => warnings.push(text));
    expect(warnings).toEqual([
      expect.stringMatching(/^drill.run\/2026\/11 would have 3,000 entries; the limit is 3,000\. /),
    ]);
    await save(shelf, drill(1));
    await expect(save(shelf, drill(2))).rejects.toMatchObject({
      code: 'REPORT_SIZE',
      message: 'drill.run/2026/11 would have 3,001 entries; the limit is 3,000',
    });
  });
});
