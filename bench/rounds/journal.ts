/** What one call of the load came to. */
export interface JournalRow {
  readonly client: string;
  /** Number of the call in its client. */
  readonly id: number;
  readonly key: string;
  readonly kind: 'put' | 'get' | 'getAny';
  /** Of a put: which one of its key it is, from 1. Of a read: how many puts of the key went before. */
  readonly count: number;
  /** Unix ms; processes of one machine share the clock. */
  readonly sentAt: number;
  readonly tookMs: number;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
  /** Of an acknowledged put, or what a read found; 0 when there was nothing. */
  readonly version: number;
  /** Which put of its key a read found; 0 when there was nothing. */
  readonly found: number;
  /** What became of a put of unknown outcome, asked afterwards. */
  readonly resolved: 'applied' | 'neverApplied' | 'unknown' | '';
}

/** One line of a journal. */
export function toLine(row: JournalRow): string {
  return `${JSON.stringify([
    row.client,
    row.id,
    row.key,
    row.kind,
    row.count,
    row.sentAt,
    row.tookMs,
    row.outcome,
    row.version,
    row.found,
    row.resolved,
  ])}\n`;
}

/** @throws Error if it is not a whole line: a journal that was cut off proves nothing. */
export function fromLine(line: string): JournalRow {
  const fields: unknown = JSON.parse(line);
  if (!Array.isArray(fields) || fields.length !== 11) throw new Error(`not a line of a journal: ${line}`);
  const [client, id, key, kind, count, sentAt, tookMs, outcome, version, found, resolved] = fields;
  return { client, id, key, kind, count, sentAt, tookMs, outcome, version, found, resolved };
}

/** The payload of a put: unique, and it says which put it is. */
export function payloadOf(key: string, count: number): string {
  return `${key}#${count}#`.padEnd(64, '.');
}

/** Which put of the key wrote this; undefined if none did. */
export function countOf(key: string, payload: string): number | undefined {
  const count = Number(payload.split('#')[1]);
  return payloadOf(key, count) === payload ? count : undefined;
}
