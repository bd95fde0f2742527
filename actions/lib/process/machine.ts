import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * One boot of one kernel and one space of process numbers. A name is not enough: two machines with the same one would
 * take each other's living runs for dead. Where the kernel does not tell (not Linux) the name must do.
 */
export function thisMachine(): string {
  machine ??= identify();
  return machine;
}

let machine: string | undefined;

function identify(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** Whether a process of this machine is there. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
