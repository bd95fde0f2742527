import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second (USER_HZ) on every platform that Node runs on. */
const ticksPerSecond = 100;

/** What a process and all that it started have used, looked at again and again. */
export class ProcessTree {
  readonly #pid: number;
  readonly #cpuSeconds = new Map<number, number>();
  readonly #idleAtStart = idleSeconds();
  /** Most that was resident at one time in all of them together. */
  peakBytes = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  look(): void {
    const seen = descendants(this.#pid);
    for (const pid of seen) {
      const used = cpuSecondsOf(pid);
      if (used !== undefined) this.#cpuSeconds.set(pid, used);
    }
    this.peakBytes = Math.max(this.peakBytes, residentBytes(seen));
  }

  /** Of all of them, also of those that have ended. */
  get cpuSeconds(): number {
    return [...this.#cpuSeconds.values()].reduce((sum, seconds) => sum + seconds, 0);
  }

  /** For how long cores of the machine had nothing to do since the first look. What others used is in neither. */
  get idleSeconds(): number {
    return idleSeconds() - this.#idleAtStart;
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(descendants)];
  } catch {
    return [];
  }
}

/** The processes run the same program: its files are in memory once, and what each has for itself is added up. */
function residentBytes(pids: readonly number[]): number {
  let own = 0;
  let shared = 0;
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`);
    const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
    own += bytes('RssAnon') + bytes('RssShmem');
    shared = Math.max(shared, bytes('RssFile'));
  }
  return own + shared;
}

function cpuSecondsOf(pid: number): number | undefined {
  // The name, in brackets, may hold spaces: fields are counted from behind it.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? undefined : ticks / ticksPerSecond;
}

function idleSeconds(): number {
  const [, , , idle, waiting] = (/^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1] ?? '').split(' ').map(Number);
  return ((idle ?? 0) + (waiting ?? 0)) / ticksPerSecond;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
