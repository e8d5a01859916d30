import { EventEmitter } from 'eventemitter3';
import type { Logger } from '../ports/logger.ts';
import type { ProxyEvents } from './types.ts';

/** A listener of one event of a proxy. */
export type ProxyListener<Name extends keyof ProxyEvents> = EventEmitter.EventListener<ProxyEvents, Name>;

/** Everybody who listens to a proxy. */
export class Announcer {
  readonly #logger: Logger;
  readonly #emitter = new EventEmitter<ProxyEvents>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  on<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): void {
    this.#emitter.on(event, listener);
  }

  once<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): void {
    this.#emitter.once(event, listener);
  }

  off<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): void {
    this.#emitter.off(event, listener);
  }

  /** A listener that throws is its owner's defect: it is logged and harms nobody else. */
  emit<Name extends keyof ProxyEvents>(
    event: Name,
    ...args: EventEmitter.EventArgs<ProxyEvents, Name>
  ): void {
    try {
      this.#emitter.emit(event, ...args);
    } catch (error) {
      this.#logger.error({ err: error, event }, 'a listener of the application threw');
    }
  }
}
