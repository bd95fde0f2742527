import { setFlagsFromString } from 'node:v8';

let isSet = false;

/**
 * Lets the buffers of a part pass through without a full garbage collection for each 15 MB of them.
 *
 * V8 counts buffers as part of a heap that it lets grow to little more than what lived through the last collection: 25 MB
 * here, all of it code and configuration. Each collection marks all of that again, which took half of the processor time
 * of a restore. Now it may become five times of that in between, 130 MB. The runner starts an action without flags of Node,
 * so it is said here.
 */
export function collectLessOften(): void {
  if (isSet) return;
  isSet = true;
  setFlagsFromString('--heap-growing-percent=400');
}
