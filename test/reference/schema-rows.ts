import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../source-files.ts';

interface Property {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly default?: string | number;
  readonly description: string;
}

interface ObjectSchema {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, Property>>;
}

interface Schema extends ObjectSchema {
  readonly definitions: { readonly namespace: ObjectSchema; readonly shard: ObjectSchema };
}

const schema: Schema = JSON.parse(readFileSync(join(root, 'shard-file.schema.json'), 'utf8'));

/** The three tables of keys in docs/reference/shard-file.md, by the first words of their headings. */
export const keyTables: Readonly<Record<string, readonly string[]>> = {
  'of the file': rowsOf(schema),
  'of a namespace': rowsOf(schema.definitions.namespace),
  'of a shard': rowsOf(schema.definitions.shard),
};

function rowsOf({ required, properties }: ObjectSchema): readonly string[] {
  return Object.entries(properties).map(([key, property]) => {
    const start = required.includes(key) ? 'required' : 'none';
    const fallback = property.default === undefined ? start : `\`${property.default}\``;
    return `| \`${key}\` | ${kindOf(property)} | ${fallback} | ${property.description} |`;
  });
}

function kindOf(property: Property): string {
  const { $ref, type, minimum, maximum, minProperties, maxProperties } = property;
  if ($ref !== undefined) return 'name';
  if (property.enum !== undefined) return property.enum.map((name) => `\`${name}\``).join(', ');
  if (minimum !== undefined) return `${grouped(minimum)} to ${grouped(maximum)}`;
  if (type === 'object') return `object of ${grouped(minProperties)} to ${grouped(maxProperties)}`;
  return type === 'array' ? 'list' : `${type}`;
}

function grouped(count = 0): string {
  return count.toLocaleString('en-US');
}
