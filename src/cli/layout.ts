import type { ShardFileProblem } from '../base/errors.ts';
import type { BucketRange } from '../sharding/types.ts';

/** What fits on the narrowest terminal in use. */
export const columnsMax = 80;

/** Words in lines of at most 80 columns; a word that is longer is cut, before a dot if it can be. Lines after the first are indented. */
export function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  const words = text.trimStart();
  let line = ' '.repeat(text.length - words.length);
  for (const word of words.split(' ')) {
    const [start = '', ...rest] = cut(word, columnsMax - indent);
    const isFirst = line.trim() === '';
    const longer = isFirst ? `${line}${start}` : `${line} ${start}`;
    if (longer.length <= columnsMax) line = longer;
    else rest.unshift(start);
    for (const piece of rest) {
      if (line.trim() !== '') lines.push(line);
      line = `${' '.repeat(indent)}${piece}`;
    }
  }
  return [...lines, line].join('\n');
}

function cut(word: string, columns: number): readonly string[] {
  if (word.length <= columns) return [word];
  const dot = word.lastIndexOf('.', columns);
  const end = dot > 0 ? dot : columns;
  return [word.slice(0, end), ...cut(word.slice(end), columns)];
}

export function problemLines(file: string, problems: readonly ShardFileProblem[]): string {
  return problems
    .map(({ path, message }) => wrapped(`${file}: ${path === '' ? '' : `${path}: `}${message}`, 2))
    .join('\n');
}

/** Cells padded to the widths; a cell that is too wide ends its line, and the rest goes on below. */
export function row(cells: readonly string[], widths: readonly number[]): string {
  let line = ' ';
  let used = 1;
  for (const [at, cell] of cells.entries()) {
    const width = widths[at] ?? 0;
    line += ` ${cell.padEnd(width)}`;
    used += width + 1;
    if (cell.length > width && at < cells.length - 1) line += `\n${' '.repeat(used)}`;
  }
  return line.trimEnd();
}

export function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}

export function rangeTexts(ranges: readonly BucketRange[]): readonly string[] {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
}

/** The first ranges that fit, and how many more there are. */
export function rangesIn(ranges: readonly BucketRange[], columns: number): string {
  const texts = rangeTexts(ranges);
  let text = '';
  for (const [at, each] of texts.entries()) {
    const more = texts.length - at - 1;
    const next = text === '' ? each : `${text}, ${each}`;
    if (text !== '' && `${next}${more > 0 ? ` and ${more} more` : ''}`.length > columns)
      return `${text} and ${texts.length - at} more`;
    text = next;
  }
  return text;
}

export function sizeOf(ranges: readonly BucketRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

export function hex(digest: number): string {
  return digest.toString(16).padStart(8, '0');
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
