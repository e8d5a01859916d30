import type { Permission } from '../mesh/types.ts';
import type { Operation } from '../queue/types.ts';

/** One of these is enough. A client may always ask what became of what it asked before. */
const permissions: { readonly [Type in Operation['type'] | 'resolve']: readonly Permission[] } = {
  put: ['put'],
  take: ['take'],
  ack: ['take'],
  ackDone: ['take'],
  release: ['take'],
  bury: ['take'],
  setProvider: ['admin'],
  setPolicy: ['admin'],
  resolve: ['put', 'take', 'admin'],
};

/** @returns the permission that is missing for an operation of this type; undefined if nothing is. */
export function missingPermission(
  may: ReadonlySet<Permission>,
  type: Operation['type'] | 'resolve',
): Permission | undefined {
  const enough = permissions[type];
  return enough.some((permission) => may.has(permission)) ? undefined : enough[0];
}
