import { describe, expectTypeOf, it } from 'vitest';
import {
  type GroupHandle,
  type GroupStatus,
  type StartNodeOptions,
  startNode,
  type TransferResult,
} from '../../src/index.ts';

/** Never called: it compiles as long as a program with several groups does. */
async function groupsProgram(options: StartNodeOptions): Promise<void> {
  const node = await startNode({ ...options, groups: ['books', 'films'] });
  expectTypeOf(node.group('books')).toEqualTypeOf<GroupHandle>();
  expectTypeOf(node.groups()).toEqualTypeOf<readonly GroupHandle[]>();
  for (const group of node.status().groups) {
    expectTypeOf(group).toEqualTypeOf<GroupStatus>();
    expectTypeOf(group.leaderId).toEqualTypeOf<string | null>();
    if (group.leaderId === node.id) {
      const moved = node.transferLeadership({ group: group.id });
      expectTypeOf(await moved).toEqualTypeOf<TransferResult>();
    }
  }
}

describe('the public types of groups', () => {
  it('hold a program', () => {
    expectTypeOf(groupsProgram).toBeFunction();
    expectTypeOf<StartNodeOptions['groups']>().toEqualTypeOf<readonly string[] | undefined>();
  });
});
