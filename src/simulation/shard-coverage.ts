import { layoutKinds } from './shard-layout.ts';
import { nodeFaultKinds, shardFaultKinds } from './shard-nemesis.ts';
import { shardTroubles } from './shard-probe.ts';

function each(prefix: string, names: string, suffix = ''): readonly string[] {
  return names.split(' ').map((name) => `${prefix} ${name}${suffix}`);
}

/** What a large batch of worlds of shards must have met: every fault, every answer, every state of a router, every end of a reload. */
export const shardCoverage: readonly string[] = [
  ...[...shardFaultKinds, ...nodeFaultKinds].map((kind) => `fault ${kind}`),
  ...layoutKinds.map((kind) => `layout ${kind}`),
  ...shardTroubles.map((trouble) => `reached probe ${trouble}`),
  ...each('answer', 'result record stats unknown wrongShard frozen notLeader', ' by a node'),
  ...each('answer', 'result record stats refused unknown wrongShard', ' by a proxy'),
  ...['router holding', 'router draining', 'router held bucket'],
  ...each(
    'reload',
    'accepted died SHARD_FILE LOWER_VERSION RELOAD_IN_PROGRESS BUCKET_IN_USE CONFLICTING_MAP',
  ),
  ...each('claim', 'own disown', ' ok'),
  ...each('claim', 'own disown', ' refused'),
  ...each('put', 'ok BUSY UNKNOWN_OUTCOME DEADLINE_EXCEEDED'),
  ...['ack ok', 'ackDone ok', 'release ok', 'bury ok', 'take found', 'take empty', 'lease forgotten'],
  ...['get ok', 'get any ok', 'stats ok', 'resolve applied', 'resolve neverApplied'],
  ...['start refused for its file', 'bucket audited'],
  ...each('reached', 'I1 I2 I4 I5 I6 I7 I8 I9 I11 I12 Q1 Q3'),
  ...each('reached P1', 'ok refused unknown repeated order failover independent'),
  ...['reached P1', 'reached P1 told applied', 'reached P1 told never applied'],
  ...each('reached P2', 'hops answered'),
  ...each('reached P3', 'founded gained served wrongShard proof'),
  ...['reached P3 given up', 'reached P3 late copy'],
];
