import { EventEmitter } from 'eventemitter3';
import { LatestChannel } from '../base/channel.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeEvents, NodeView } from './node-events.ts';

export type NodeListener<Name extends keyof NodeEvents> = EventEmitter.EventListener<NodeEvents, Name>;

/** Everybody who watches a node. Each reader of `observe` has a stream of its own, current value first (pitfall 77). */
export class Watchers {
  readonly #logger: Logger;
  readonly #emitter = new EventEmitter<NodeEvents>();
  readonly #channels = new Set<LatestChannel<NodeView>>();
  #last: NodeView | undefined;
  #ended = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  on<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): void {
    this.#emitter.on(event, listener);
  }

  off<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): void {
    this.#emitter.off(event, listener);
  }

  once<Name extends keyof NodeEvents>(event: Name, listener: NodeListener<Name>): void {
    this.#emitter.once(event, listener);
  }

  /** A listener that throws is its owner's defect: it is logged and harms nobody else. */
  emit<Name extends keyof NodeEvents>(event: Name, ...args: EventEmitter.EventArgs<NodeEvents, Name>): void {
    try {
      this.#emitter.emit(event, ...args);
    } catch (error) {
      this.#logger.error({ err: error, event }, 'a listener of the application threw');
    }
  }

  /** Tells everybody what is new; equal views are told once. */
  update(view: NodeView): void {
    const last = this.#last;
    this.#last = view;
    if (last === undefined || isSame(last, view)) return;
    for (const channel of this.#channels) channel.push(view);
    if (last.leaderId !== view.leaderId) this.emit('leaderChange', view);
    if (last.state !== view.state || last.role !== view.role || last.health !== view.health) {
      this.emit('stateChange', view);
    }
  }

  async *observe(current: NodeView, signal: AbortSignal | undefined): AsyncGenerator<NodeView, void> {
    if (signal?.aborted) return;
    const channel = new LatestChannel<NodeView>(() => this.#channels.delete(channel));
    const end = (): void => channel.end();
    signal?.addEventListener('abort', end, { once: true });
    this.#channels.add(channel);
    channel.push(current);
    if (this.#ended) channel.end();
    try {
      for await (const { value, missed } of channel) yield { ...value, missed };
    } finally {
      signal?.removeEventListener('abort', end);
      channel.end();
    }
  }

  /** Nothing more will change. */
  end(): void {
    this.#ended = true;
    for (const channel of this.#channels) channel.end();
  }
}

function isSame(a: NodeView, b: NodeView): boolean {
  return (
    a.state === b.state &&
    a.role === b.role &&
    a.term === b.term &&
    a.leaderId === b.leaderId &&
    a.health === b.health
  );
}
