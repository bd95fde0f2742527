import { OpsError } from '../../errors/index.ts';
import type { ImageRefusalCode, ImageRefused } from './outcome.ts';

/** Why one file is left alone. Thrown inside, returned outside: it never ends the work on others. */
export class Refusal extends OpsError {
  constructor(code: ImageRefusalCode, message: string, hint: string, cause?: unknown) {
    super(code, message, { hint, cause });
  }

  outcome(): ImageRefused {
    return { kind: 'refused', code: this.code as ImageRefusalCode, message: this.message, hint: this.hint ?? '' };
  }
}

/** What a decoder says, in one line and without its own prefixes, as a refusal. */
export function damaged(path: string, thrown: unknown): Refusal {
  const reason = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\s+/g, ' ').trim().slice(0, 160);
  return new Refusal(
    'IMAGE_DAMAGED',
    `${path} cannot be decoded to its end: ${reason || 'its decoder does not say why'}`,
    'Take the file from its source again; it was left as it is.',
    thrown,
  );
}
