import type { Codec } from '../../src/client/index.ts';

/** What the cluster keeps for one user: a secret from end to end. */
export interface Token {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Nodes see these bytes and nothing else. */
export const tokenCodec: Codec<Token> = {
  encode: (token) => Buffer.from(JSON.stringify(token)),
  decode: (bytes) => {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof value !== 'object' || value === null) throw new TypeError('a stored token is an object');
    const { accessToken, refreshToken } = { accessToken: undefined, refreshToken: undefined, ...value };
    if (typeof accessToken !== 'string' || typeof refreshToken !== 'string')
      throw new TypeError('a stored token holds two strings');
    return { accessToken, refreshToken };
  },
};
