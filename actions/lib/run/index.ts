export { type Finished, type Frame, runOperation } from './operation.ts';
export { addSecrets, printError, runInTerminal, type TerminalOptions } from './terminal.ts';
