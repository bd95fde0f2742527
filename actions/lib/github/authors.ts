/**
 * Whether a program wrote it: what a person wrote is never edited or closed. No person can have brackets in a login.
 * @param authors persons whose tokens a program writes with
 */
export function isProgram(user: { login: string; type?: string | undefined }, authors: readonly string[]): boolean {
  return user.type === 'Bot' || user.login.endsWith('[bot]') || authors.includes(user.login);
}
