/** @returns one line of the report: a name, its figure, and what else there is to say. */
export function row(name: string, value: number | string, note = ''): string {
  return `  ${name.padEnd(34)}${String(value).padStart(9)}  ${note}`.trimEnd();
}
