/** What the leader writes to. It remembers the highest fencing token and accepts no lower one: that is all a resource has to do. */
export class Ledger {
  readonly writers: string[] = [];
  count = 0;
  refusedCount = 0;
  highestToken = 0;

  write(writer: string, token: number): string {
    if (token < this.highestToken) {
      this.refusedCount++;
      return `refused: ${writer} has token ${token}, ${this.highestToken} was seen`;
    }
    this.highestToken = token;
    this.count++;
    if (this.writers.at(-1) !== writer) this.writers.push(writer);
    return `invoice ${this.count} by ${writer}`;
  }
}
