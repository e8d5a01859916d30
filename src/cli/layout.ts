import type { ShardFileProblem } from '../base/errors.ts';
import type { BucketRange } from '../sharding/types.ts';

/** What fits on the narrowest terminal in use. */
export const columnsMax = 80;

/** Words in lines of at most 80 columns; a word that is longer stands alone. Lines after the first are indented. */
export function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  const words = text.trimStart();
  let line = ' '.repeat(text.length - words.length);
  for (const word of words.split(' ')) {
    const longer = line.trim() === '' ? `${line}${word}` : `${line} ${word}`;
    if (longer.length <= columnsMax || line.trim() === '') {
      line = longer;
      continue;
    }
    lines.push(line);
    line = `${' '.repeat(indent)}${word}`;
  }
  return [...lines, line].join('\n');
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

/** The first ranges that fit, and how many more there are. */
export function rangesIn(ranges: readonly BucketRange[], columns: number): string {
  const texts = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
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
