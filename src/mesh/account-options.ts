import { InvalidOptionError } from '../base/errors.ts';
import { isName } from '../base/ids.ts';
import { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
import type { Logger } from '../ports/logger.ts';
import { type ClientAccount, checkSecret } from './keyring.ts';
import { type Permission, permissions } from './types.ts';

/** What a client may prove and what it may then do. */
export interface ClientOptions {
  /** At least 32 bytes; of a list, all are accepted. Never one of the members' own. */
  readonly secret: string | readonly string[];
  readonly may: readonly Permission[];
}

/** @throws InvalidOptionError unless the value is a name. */
export function nameOf(option: string, value: unknown): string {
  const text = textOf(option, value);
  requireThat(isName(text), `${option} must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "${text}"`);
  return text;
}

/** @throws InvalidOptionError naming the option, never the secret. */
export function secretsOf(option: string, value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : [value];
  requireThat(
    value !== undefined && list.length > 0,
    `${option} is missing: 32 bytes or more, for example of \`openssl rand -hex 32\``,
  );
  return list.map((secret: unknown) => {
    if (typeof secret !== 'string')
      throw new InvalidOptionError(`${option} must be a string or a list of strings`);
    checkSecret(secret, option);
    return secret;
  });
}

/** @throws InvalidOptionError unless the value is accounts by name. */
export function clientsOf(value: Readonly<Record<string, ClientOptions>>): readonly ClientAccount[] {
  requireThat(typeof value === 'object', 'clients must be an object of accounts by name');
  return Object.entries(value).map(([name, client]) => {
    const option = `clients.${name}`;
    const account = nameOf('a name in clients', name);
    requireThat(typeof client === 'object' && client !== null, `${option} must be { secret, may }`);
    checkKeys(`${option}.`, client, ['secret', 'may']);
    requireThat(Array.isArray(client.may), `${option}.may must be a list of ${permissions.join(', ')}`);
    for (const permission of client.may) {
      requireThat(
        permissions.includes(permission),
        `${option}.may holds "${permission}"; known are ${permissions.join(', ')}`,
      );
    }
    return { account, secrets: secretsOf(`${option}.secret`, client.secret), may: new Set(client.may) };
  });
}

/** @throws InvalidOptionError */
export function checkLogger(logger: Logger | undefined): void {
  if (logger === undefined) return;
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    requireThat(typeof logger?.[level] === 'function', `logger must have a function ${level}`);
  }
}
