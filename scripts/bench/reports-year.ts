import {
  type Check,
  type Report,
  reportSchemaName,
  type Sample,
  worstStatus,
} from '../../actions/lib/reports/index.ts';

/** What a platform of middling size reports in a year, oldest first; the same each time. */
export function* reportsOfYear(days: number): Generator<Report> {
  const random = seeded(20_261_123);
  const start = Date.UTC(2026, 0, 1);
  for (let hour = 0; hour < days * 24; hour++) {
    const at = start + hour * 3_600_000;
    const day = Math.floor(hour / 24);
    yield monitor(at, day, random);
    if (hour % 24 === 2) yield backup('backup.database', at, day, random);
    if (hour % 24 === 3) yield backup('backup.files', at, day, random);
    if (hour % (7 * 24) === 4) yield drill(at, day, random);
    if (hour % (7 * 24) === 5) yield databaseReport(at, day, random);
  }
}

type Random = () => number;

/** Twelve samples of ten series of a site, its machine and its database: some are noise, some move slowly, some hardly ever. */
function monitor(startOfHour: number, day: number, random: Random): Report {
  const finishedAt = startOfHour + 3_600_000 + Math.floor(random() * 240_000);
  const isDown = random() < 0.002;
  const measured = Array.from({ length: 12 }, (_, index) => {
    const at = new Date(startOfHour + index * 300_000 + Math.floor(random() * 20_000));
    const busy = 1 + 0.4 * Math.sin(((at.getUTCHours() - 9) / 24) * 2 * Math.PI);
    const web: Record<string, number> = {
      'monitor.http.up': isDown && index > 8 ? 0 : 1,
      'monitor.http.firstByteSeconds': 0.08 * busy * logNormal(random, 0.25),
      'monitor.http.totalSeconds': 0.19 * busy * logNormal(random, 0.25),
      'monitor.tls.daysLeft': 90 - (day % 60),
    };
    const host: Record<string, number> = {
      'monitor.host.cpuRatio': Math.min(1, 0.22 * busy * logNormal(random, 0.2)),
      'monitor.host.memoryRatio': slow(0.61 + 0.02 * Math.sin(day / 9 + index / 40), random),
      'monitor.host.diskRatio': Math.round((0.4 + day * 0.0008) * 1000) / 1000,
    };
    const database: Record<string, number> = {
      'monitor.database.connections': Math.round(14 * busy + 4 * random()),
      // Counted since the statistics began, so it hardly moves.
      'monitor.database.cacheHitRatio': slow(0.9978 + 0.0006 * Math.sin(day / 20), random),
      'monitor.database.deadlocks': 0,
    };
    return { at: at.toISOString(), web, host, database };
  });
  const samples: Sample[] = measured.flatMap(({ at, web, host, database }) => [
    { at, target: 'shop', values: web },
    { at, target: 'web-1', values: host },
    { at, target: 'shop', values: database },
  ]);
  const last = measured.at(-1)!;
  const checks: Check[] = [
    check(
      'monitor.http.available',
      'shop',
      isDown ? 'critical' : 'ok',
      null,
      'ratio',
      `shop ${isDown ? 'does not answer' : 'answers'}`,
    ),
    check(
      'monitor.tls.expiry',
      'shop',
      'ok',
      null,
      'days',
      `The certificate is good for ${last.web['monitor.tls.daysLeft']} days`,
    ),
    check(
      'monitor.host.disk',
      'web-1',
      'ok',
      null,
      'ratio',
      `${Math.round((last.host['monitor.host.diskRatio'] ?? 0) * 100)} % of the disk is used`,
    ),
  ];
  const { 'monitor.http.totalSeconds': totalSeconds = 0 } = last.web;
  const data = { targets: 2, samples: 12, slowestSeconds: Number(totalSeconds.toPrecision(3)) };
  return report('monitor.run', startOfHour + 3_600_000, finishedAt, { checks, data, samples }, random);
}

function backup(kind: string, at: number, day: number, random: Random): Report {
  const storedBytes = Math.round(4e8 + day * 6e5 + random() * 1e6);
  const data = {
    setId: idOf(at, random),
    sourceBytes: storedBytes * 4,
    storedBytes,
    sentBytes: Math.round(storedBytes * (0.05 + random() * 0.05)),
    parts: 40 + Math.floor(day / 12),
    seconds: Number((60 + random() * 20).toFixed(1)),
    destinations: ['s3', 'local'].map(name => ({
      name,
      status: 'ok',
      seconds: Number((50 + random() * 20).toFixed(1)),
    })),
  };
  const checks = [check(`${kind}.destinations`, 'shop', 'ok', 2, 'destinations', 'Stored in 2 of 2 destinations')];
  return report(kind, at, at + 75_000, { checks, data }, random);
}

function drill(at: number, day: number, random: Random): Report {
  const rtoSeconds = Number((120 + day * 0.2 + random() * 10).toFixed(1));
  const rpoSeconds = Math.round(7200 + random() * 300);
  const timings = Object.fromEntries(
    ['fetch', 'start', 'restore', 'verify'].map(name => [`${name}Seconds`, Number((10 + random() * 40).toFixed(2))]),
  );
  const data = {
    verdict: 'PROVED',
    set: { kind: 'database', id: idOf(at - 7_200_000, random), source: 'shop', storage: 's3' },
    findings: [],
    rtoSeconds,
    rpoSeconds,
    timings,
    compared: { tables: 48, rows: 4_000_000 + day * 3000, objects: 312 },
  };
  const checks = [
    check('drill.verdict', 'shop', 'ok', 1, 'proved', `Set ${data.set.id} is proved`),
    check('drill.rto', 'shop', 'ok', rtoSeconds, 'seconds', `Restored in ${rtoSeconds} s`),
    check('drill.rpo', 'shop', 'ok', rpoSeconds, 'seconds', `${rpoSeconds} s old`),
  ];
  return report('drill.run', at, at + 180_000, { checks, data }, random);
}

/** A long one: each of 48 tables and 30 indexes with its numbers. */
function databaseReport(at: number, day: number, random: Random): Report {
  const tables = Array.from({ length: 48 }, (_, index) => ({
    name: `public.table_${index}`,
    rows: 1000 * (index + 1) + day * index,
    bytes: 8192 * (10 + index * day),
    deadRatio: Number((random() * 0.1).toFixed(3)),
    sequentialScans: Math.floor(random() * 1000),
  }));
  const indexes = Array.from({ length: 30 }, (_, index) => ({
    name: `public.index_${index}`,
    bytes: 8192 * (4 + index * day),
    scans: Math.floor(random() * 10_000),
  }));
  const checks = [check('database.cacheHit', 'shop', 'ok', 0.99 + random() * 0.009, 'ratio', 'The cache answers')];
  return report('database.report', at, at + 40_000, { checks, data: { tables, indexes } }, random);
}

function check(
  id: string,
  target: string,
  status: Check['status'],
  value: number | null,
  unit: string,
  message: string,
): Check {
  return { id, target, status, value, threshold: null, unit, message };
}

function report(
  kind: string,
  startedAt: number,
  finishedAt: number,
  body: { checks: Check[]; data: unknown; samples?: Sample[] },
  random: Random,
): Report {
  const run = String(19_000_000_000 + Math.floor((startedAt - Date.UTC(2026, 0, 1)) / 4000));
  return {
    schema: reportSchemaName,
    kind,
    id: idOf(startedAt, random),
    platform: 'shop',
    status: worstStatus(body.checks.map(({ status }) => status)),
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: new Date(finishedAt).toISOString(),
    trigger: { event: 'schedule', scheduledFor: new Date(startedAt - 600_000).toISOString() },
    run: {
      url: `https://github.com/acme/shop/actions/runs/${run}/attempts/1`,
      id: run,
      attempt: 1,
      sha: commitOfDay(startedAt),
    },
    tool: { version: '0.1.0', node: '24.21.0' },
    checks: body.checks,
    error: null,
    data: body.data,
    ...(body.samples && { samples: body.samples }),
  };
}

/** The code changes once a day. */
function commitOfDay(at: number): string {
  const random = seeded(Math.floor(at / 86_400_000));
  return Array.from({ length: 40 }, () => Math.floor(random() * 16).toString(16)).join('');
}

function idOf(at: number, random: Random): string {
  const second = `${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  return `${second}-${Math.floor(random() * 65_536)
    .toString(16)
    .padStart(4, '0')}`;
}

/** Four digits, the last of which trembles. */
function slow(value: number, random: Random): number {
  return Math.round(value * 10_000 + random() - 0.5) / 10_000;
}

function logNormal(random: Random, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(sigma * normal);
}

/** mulberry32 */
function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
