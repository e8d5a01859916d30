declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A member of a cluster as its configuration names it: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
export type NodeId = Branded<string, 'NodeId'>;
/** A Raft group hosted by the cluster, `main` in the simple case; same alphabet as a node id. */
export type GroupId = Branded<string, 'GroupId'>;
/** 128 random bits in hex, minted by the first leader. */
export type ClusterId = Branded<string, 'ClusterId'>;
/** 64 random bits in hex, minted when a pristine directory is first opened: the life of one disk. */
export type Incarnation = Branded<string, 'Incarnation'>;
/** 64 random bits in hex, minted at every start: the life of one process. */
export type BootId = Branded<string, 'BootId'>;
/** 128 random bits in hex, minted by a client: owns request ids and remembered answers. */
export type ClientId = Branded<string, 'ClientId'>;
/** 128 random bits in hex: owns leases. */
export type SessionId = Branded<string, 'SessionId'>;

const name = /^[A-Za-z0-9._-]{1,64}$/;

/** @returns true if the text may name a node or a group. */
export function isName(text: string): boolean {
  return name.test(text);
}

/** @returns true if the text is `bytes` bytes in lower-case hex. */
export function isHex(text: string, bytes: number): boolean {
  return text.length === bytes * 2 && /^[0-9a-f]*$/.test(text);
}

export const nodeId = (text: string): NodeId => text as NodeId;
export const groupId = (text: string): GroupId => text as GroupId;
export const clusterId = (text: string): ClusterId => text as ClusterId;
export const incarnation = (text: string): Incarnation => text as Incarnation;
export const bootId = (text: string): BootId => text as BootId;
export const clientId = (text: string): ClientId => text as ClientId;
export const sessionId = (text: string): SessionId => text as SessionId;

/** The group of the simple case; `node.*` speaks to it. */
export const mainGroup: GroupId = groupId('main');
