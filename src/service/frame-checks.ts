import { ProtocolError } from '../base/errors.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { ClientHeader, FrameKind } from '../wire/client-header.ts';

const ofClients: ReadonlySet<FrameKind> = new Set([
  'attach',
  'request',
  'get',
  'stats',
  'cancel',
  'ping',
  'move',
  'settle',
  'ownership',
  'claim',
]);
/** What a router says for itself as the gateway of its clients. */
const ofGateways: ReadonlySet<FrameKind> = new Set(['renew', 'detach']);
const unanswered: ReadonlySet<FrameKind> = new Set(['cancel', 'settle', 'renew', 'ping', 'move']);

/** True for kinds that somebody waits for an answer to, also for a refusal. */
export function hasAnswer(kind: FrameKind): boolean {
  return !unanswered.has(kind);
}

/**
 * What every frame of a link must be, whatever group it means.
 *
 * @throws ProtocolError when it is not, which costs the link.
 */
export function checkFrame(link: ClientLink, header: ClientHeader): void {
  if (link.router) checkRouterFrame(header);
  else checkClientFrame(link, header);
}

function checkClientFrame(link: ClientLink, header: ClientHeader): void {
  if (header.client !== link.clientId) throw new ProtocolError('client frame: of another client');
  if (header.marked) throw new ProtocolError('client frame: marked by a client');
  if (header.hops === 0) throw new ProtocolError('client frame: passed on too often');
  if (!ofClients.has(header.kind)) throw new ProtocolError(`client frame: a client sends no ${header.kind}`);
}

/** Of frames that carry nothing of a client, nothing but the kind counts. Whom it may speak for is a matter of its permissions. */
function checkRouterFrame(header: ClientHeader): void {
  const { kind } = header;
  if (kind === 'ping' || kind === 'move') return;
  if (!ofClients.has(kind) && !ofGateways.has(kind))
    throw new ProtocolError(`client frame: a router sends no ${kind}`);
  if (!header.marked) throw new ProtocolError('client frame: of a router, without a mark');
}
