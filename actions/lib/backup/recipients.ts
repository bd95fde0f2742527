import { parseRecipients } from '../age/index.ts';
import type { OpsContext } from '../context/index.ts';

/** The public keys that every part is encrypted to; empty: not encrypted. @throws OpsError `AGE_RECIPIENT` */
export function recipientsOf(context: Pick<OpsContext, 'config'>): string[] {
  const { recipients } = context.config.backup;
  return recipients.length === 0 ? [] : parseRecipients(recipients.join(','));
}
