import { optimizeText, type TextKind, type TextOutcome } from '../../../actions/lib/assets/text/index.ts';

export interface Given {
  path?: string;
  map?: string | undefined;
  keepNames?: boolean;
}

export function optimize(kind: TextKind, content: string | Uint8Array, given: Given = {}): Promise<TextOutcome> {
  const { path = `site/app.${kind === 'javascript' ? 'js' : kind}`, map, keepNames = true } = given;
  return optimizeText({
    path,
    kind,
    bytes: Buffer.from(content as string),
    ...(map !== undefined && { map: Buffer.from(map) }),
    settings: { keepNames },
  });
}

/** What came out; the input when it was not made smaller. */
export async function madeOf(kind: TextKind, content: string, given: Given = {}): Promise<string> {
  const outcome = await optimize(kind, content, given);
  if (outcome.status === 'left') throw new Error(`left as it is (${outcome.code}): ${outcome.reason}`);
  return outcome.status === 'smaller' ? Buffer.from(outcome.bytes).toString() : content;
}
