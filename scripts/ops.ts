import { runConsole } from '../actions/lib/console/index.ts';

// The first Ctrl-C ends the work in order: children are stopped and nothing half-made is listed. The second is final.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  });
}

process.exitCode = await runConsole(process.argv.slice(2), {
  env: process.env,
  // npm runs scripts in the folder of package.json; paths are relative to where the person is.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
});
