/** Why a handshake was refused, with the WebSocket close code that says so to the other side. */
export const refusalCodes = {
  badHello: 4400,
  wrongSecret: 4401,
  wrongCluster: 4403,
  unknownPeer: 4404,
  handshakeTimeout: 4408,
  duplicateNode: 4409,
  wrongPeers: 4410,
  wrongNode: 4411,
  selfDial: 4412,
  awaitingAdmission: 4413,
  duplicateLink: 4414,
  tooManyLinks: 4429,
  versionMismatch: 4505,
} as const;

/** Why an established link is closed on purpose. */
export const linkCodes = {
  closing: 4000,
  superseded: 4001,
  silent: 4002,
  slowPeer: 4003,
  badFrame: 4004,
  notMember: 4005,
} as const;

export type Refusal = keyof typeof refusalCodes;
export type LinkEnd = keyof typeof linkCodes;

/** @returns the refusal that a close code stands for; undefined for any other code. */
export function refusalOf(code: number): Refusal | undefined {
  return refusals.get(code);
}

const refusals: ReadonlyMap<number, Refusal> = new Map(
  Object.entries(refusalCodes).map(([refusal, code]) => [code, refusal as Refusal]),
);
