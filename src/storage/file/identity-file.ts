import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { DirectoryMismatchError, LogCorruptError } from '../../base/errors.ts';
import { incarnation, isHex } from '../../base/ids.ts';
import type { StorageIdentity } from '../../ports/storage.ts';
import type { Files } from './files.ts';
import { fieldsOf, parseJson } from './hard-state-codec.ts';
import { diskFormat, identityName, keepAdvice } from './layout.ts';

const incarnationBytes = 8;

/** Whose directory this is: one line of JSON whose last field is the CRC-32 of the line without it. Written last when a directory is created. */
export async function writeIdentity(
  files: Files,
  directory: string,
  identity: StorageIdentity,
): Promise<void> {
  const { nodeId, cluster, incarnation } = identity;
  const fields = { format: diskFormat, nodeId, cluster, incarnation };
  const line = JSON.stringify({ ...fields, crc32: checksumOf(fields) });
  await files.replace(join(directory, identityName), Buffer.from(`${line}\n`));
}

/**
 * @returns undefined if the directory was not created whole.
 * @throws DirectoryMismatchError, or LogCorruptError if the file is damaged.
 */
export async function readIdentity(
  files: Files,
  directory: string,
  wanted: { readonly nodeId: string; readonly cluster: string },
): Promise<StorageIdentity | undefined> {
  const path = join(directory, identityName);
  const bytes = await files.content(path);
  if (bytes === undefined) return undefined;
  const found = decodeIdentity(bytes, path);
  if (found.nodeId !== wanted.nodeId || found.cluster !== wanted.cluster) {
    throw new DirectoryMismatchError(
      `${directory} belongs to node ${found.nodeId} of cluster ${found.cluster}, not to node ${wanted.nodeId} of cluster ${wanted.cluster}`,
    );
  }
  return found;
}

function decodeIdentity(bytes: Buffer, path: string): StorageIdentity {
  const where = `${path} at offset 0`;
  const { crc32: checksum, ...fields } = fieldsOf(parseJson(bytes, where), where);
  if (checksum !== checksumOf(fields))
    throw new LogCorruptError(`${where}: the checksum differs. ${keepAdvice}`);
  if (fields.format !== diskFormat) {
    throw new LogCorruptError(`${where}: format ${String(fields.format)} is not known: upgrade this node`);
  }
  const { nodeId, cluster, incarnation: life } = fields;
  if (
    typeof nodeId !== 'string' ||
    typeof cluster !== 'string' ||
    typeof life !== 'string' ||
    !isHex(life, incarnationBytes)
  ) {
    throw new LogCorruptError(`${where}: a field is missing. ${keepAdvice}`);
  }
  return { nodeId, cluster, incarnation: incarnation(life) };
}

function checksumOf(fields: object): string {
  return crc32(JSON.stringify(fields)).toString(16).padStart(8, '0');
}
