import { checkCommand } from './check-command.ts';
import type { Command } from './command.ts';
import { ownedCommand } from './owned-command.ts';
import { planCommand } from './plan-command.ts';
import { proxyCommand } from './proxy-command.ts';

/** Every command of `raftsman`, in the order of its help. */
export const commands: readonly Command[] = [checkCommand, planCommand, ownedCommand, proxyCommand];
