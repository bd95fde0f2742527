export type { Finished, Frame } from './operation.ts';
export { addSecrets, printError, runInTerminal, type TerminalOptions } from './terminal.ts';
