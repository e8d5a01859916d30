/** Where the three nodes of a cluster of the tutorials listen; RAFTSMAN_PORTS=7001,7002,7003 unless set. */
const ports = (process.env.RAFTSMAN_PORTS ?? '7001,7002,7003').split(',');
const ids = ['a', 'b', 'c'] as const;

export const cluster: string = process.env.RAFTSMAN_CLUSTER ?? 'tutorial';
export const peers: Record<string, string> = Object.fromEntries(
  ids.map((id, i) => [id, `ws://127.0.0.1:${ports[i]}`]),
);
/** What clients dial: the nodes, or the proxies that RAFTSMAN_ENDPOINTS names. */
export const endpoints: readonly string[] =
  process.env.RAFTSMAN_ENDPOINTS?.split(',') ?? Object.values(peers);

/** @throws Error with what to type, when the environment lacks it. */
export function secretFrom(name: string): string {
  const secret = process.env[name];
  if (secret === undefined) throw new Error(`set ${name} first: export ${name}=$(openssl rand -hex 32)`);
  return secret;
}
