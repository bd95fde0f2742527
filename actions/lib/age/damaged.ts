import { OpsError } from '../errors/index.ts';

/** `what` completes "The age file is damaged: …" and says at which byte. */
export function ageDamaged(what: string, cause?: unknown): OpsError {
  return new OpsError('AGE_DAMAGED', `The age file is damaged: ${what}`, {
    hint: 'Take another copy of it; nothing after this place can be trusted.',
    ...(cause !== undefined && { cause }),
  });
}
