import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start servers and end processes: each file has a process of its own.
    pool: 'forks',
    // A small heap is collected every few MiB of a stream's buffers: an eighth of a backup test was that.
    execArgv: ['--initial-old-space-size=128', '--min-semi-space-size=16'],
    // Each file may run PostgreSQL, pg_dump and an S3 server beside it.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
