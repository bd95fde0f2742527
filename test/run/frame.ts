import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Environment, loadConfig } from '../../actions/lib/config/index.ts';
import { type Log, noProgress, Secrets, silentLog } from '../../actions/lib/log/index.ts';
import { createDirectoryStore } from '../../actions/lib/reports/index.ts';
import type { Frame } from '../../actions/lib/run/operation.ts';

/** What surrounds a run of a test; its reports lie in a folder that goes with the test. */
export function frameOf({ env = {}, log = silentLog }: { env?: Environment; log?: Log } = {}): Frame {
  const cwd = mkdtempSync(join(tmpdir(), 'ops-frame-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  return {
    loaded: loadConfig({ env, cwd }),
    secrets: new Secrets(),
    log,
    progress: noProgress,
    signal: new AbortController().signal,
    now: () => new Date(),
    cwd,
    store: createDirectoryStore(join(cwd, 'reports'), text => log.warn(text)),
    trigger: { event: 'terminal' },
    run: null,
  };
}
