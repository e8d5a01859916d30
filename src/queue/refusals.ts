import type { QueueResult, RefusalCode } from './types.ts';

export type Refusal = Extract<QueueResult, { readonly type: 'refused' }>;

export function refuse(code: RefusalCode, message: string): Refusal {
  return { type: 'refused', code, message };
}

export const done: QueueResult = { type: 'done' };
