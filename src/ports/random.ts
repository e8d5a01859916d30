/** The only source of randomness. */
export interface Random {
  /** A float in [0, 1), for jitter; not for secrets. */
  next(): number;
  /** `count` random bytes, fit for ids and nonces. */
  bytes(count: number): Uint8Array;
}
