import { assetsCommands } from './assets-commands.ts';
import { backupCommands } from './backup-commands.ts';
import { cdnCommands } from './cdn-commands.ts';
import type { Command } from './command.ts';
import { databaseChangeCommands } from './database-change-commands.ts';
import { databaseCommands } from './database-commands.ts';
import { recordCommands } from './record-commands.ts';

/** In the order that `ops --help` shows them. */
export const commands: readonly Command[] = [
  ...backupCommands,
  ...databaseCommands,
  ...databaseChangeCommands,
  ...assetsCommands,
  ...cdnCommands,
  ...recordCommands,
];
