import {
  type Report,
  reportSchemaName,
  type Sample,
  type Shelf,
  worstStatus,
} from '../../actions/lib/reports/index.ts';

type Overrides = Partial<Report> & { at: string; number?: number };

/** A report that began at `at`; `number` tells apart those of one second. */
export function makeReport({ at, number = 0, ...overrides }: Overrides): Report {
  const startedAt = new Date(at);
  const second = startedAt.toISOString().slice(0, 19).replace(/[-:]/g, '');
  const { checks = [] } = overrides;
  return {
    schema: reportSchemaName,
    kind: 'backup.database',
    id: `${second}Z-${number.toString(16).padStart(4, '0')}`,
    platform: 'shop',
    status: worstStatus(checks.map(({ status }) => status)),
    startedAt: startedAt.toISOString(),
    finishedAt: new Date(startedAt.getTime() + 60_000).toISOString(),
    trigger: { event: 'schedule' },
    run: { url: 'https://github.com/acme/shop/actions/runs/1', id: '1', attempt: 1, sha: 'a'.repeat(40) },
    tool: { version: '0.1.0', node: '24.21.0' },
    error: null,
    data: {},
    ...overrides,
    checks,
  };
}

/** A monitor's report of the hour before `at`: a sample each five minutes. */
export function makeMonitorReport({ at, number = 0, ...overrides }: Overrides): Report {
  const end = Date.parse(at);
  const samples: Sample[] = Array.from({ length: 12 }, (_, index) => ({
    at: new Date(end - (12 - index) * 300_000).toISOString(),
    target: 'home',
    values: { 'http.totalSeconds': 0.1 + ((end / 3_600_000 + number + index) % 7) / 100, 'http.up': 1 },
  }));
  return makeReport({ at, number, kind: 'monitor.run', samples, ...overrides });
}

export function makeCheck(id: string, value: number | null, overrides: Partial<Report['checks'][number]> = {}) {
  return {
    id,
    target: 'shop',
    status: 'ok' as const,
    value,
    threshold: null,
    unit: 'seconds',
    message: `${id} is ${value}`,
    ...overrides,
  };
}

/** Files in memory. */
export function memoryShelf(files = new Map<string, string>()): Shelf & { files: Map<string, string> } {
  return {
    files,
    read: async path => files.get(path),
    async list(folder) {
      const inside = [...files.keys()]
        .filter(path => path.startsWith(`${folder}/`))
        .map(path => path.slice(folder.length + 1));
      return [...new Map(inside.map(path => [path.split('/')[0] ?? '', path.includes('/')]))].map(
        ([name, isFolder]) => ({
          name,
          isFolder,
        }),
      );
    },
  };
}
