/** What the library says to people. Payloads and secrets never appear in it. Pino's loggers fit. */
export interface Logger {
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}
