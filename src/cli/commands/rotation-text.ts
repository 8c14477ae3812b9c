import type {
  GateDocument,
  OwnRootDocument,
  PollerDocument,
  RotationDocument,
  RotationPeerDocument,
} from '../../admin-client/index.ts';
import { formatDurationMs } from '../../platform/index.ts';
import { hanging, renderFields, renderTable } from '../table.ts';
import type { View } from '../view.ts';

const KNOWN_BY: Readonly<Record<string, string>> = {
  mesh: 'the mesh says so',
  'own-svid': "the agent's own SVID chains to it",
  config: 'the config says so',
  'only-root': 'there is no other root',
};

const STAGES = { published: 'published', 'in-use': 'in use', retiring: 'retiring', gone: 'gone' } as const;

/** Where our own roots stand, for people. */
export function textOfRotation(document: RotationDocument, view: View, now: Date): string {
  const { peers, pollers, findings } = document;
  return [
    renderFields(
      [
        ['trust domain', document.trust_domain],
        ['sequence', document.sequence ?? 'none'],
        ['what signs', KNOWN_BY[document.signing_known_by ?? ''] ?? 'not known'],
        [
          'times',
          `hint ${span(document.refresh_hint_seconds)}, lead ${span(document.lead_seconds)}, identities live up to ${span(document.leaf_lifetime_seconds)}`,
        ],
      ],
      view,
    ),
    ...document.roots.map((root) => `\n${textOfRoot(root, view, now)}`),
    `\n${peers.length === 0 ? 'There are no peers.' : textOfPeers(peers, view, now)}`,
    ...(pollers.length === 0 ? [] : [`\n${textOfPollers(pollers, view, now)}`]),
    ...(findings.length === 0 ? [] : ['']),
    ...findings.map(({ level, code, message }) =>
      hanging(`${view.paint('yellow', `${level.toUpperCase()}:`)} ${view.words(message)} [${code}]`, 2, view),
    ),
  ].join('\n');
}

function textOfRoot(root: OwnRootDocument, view: View, now: Date): string {
  const { label, stage, since, not_after: notAfter, use, retire } = root;
  const gates = stage === 'published' ? [textOfGate('use', use, view, now)] : [];
  if (stage === 'in-use' && !use.safe) gates.push(textOfGate('use', use, view, now));
  if (stage === 'retiring') gates.push(textOfGate('retire', retire, view, now));
  return [
    view.paint('bold', label),
    `  ${STAGES[stage]} since ${ago(since, now)} · until ${view.at(notAfter)}`,
    ...gates,
  ].join('\n');
}

function textOfGate(
  step: 'use' | 'retire',
  { safe, missing, taken }: GateDocument,
  view: View,
  now: Date,
): string {
  const unproved = taken.length === 0 ? '' : ` (${taken.length} without a proof)`;
  if (safe) return `  safe to ${step}: ${view.paint('green', 'yes')}${unproved}`;
  const lines = missing.map(({ message, safe_at: safeAt }) => {
    const left = safeAt === null ? 0 : Date.parse(safeAt) - now.getTime();
    return `    - ${view.words(message)}${left > 0 ? ` (in ${formatDurationMs(left)})` : ''}`;
  });
  return [`  safe to ${step}: ${view.paint('yellow', 'not yet')}`, ...lines].join('\n');
}

function textOfPeers(peers: readonly RotationPeerDocument[], view: View, now: Date): string {
  return renderTable(
    ['PEER', 'KNOWN', 'SEQUENCE', 'HELD', 'IN ITS MESH', 'SEEN'],
    peers.map((peer) => [
      peer.trust_domain,
      peer.known,
      `${peer.sequence ?? '-'}${peer.newest === false ? ' (behind)' : ''}`,
      peer.held_since === null ? '-' : ago(peer.held_since, now),
      peer.in_mesh === null ? '-' : `${peer.in_mesh.progress} ${ago(peer.in_mesh.since, now)}`,
      peer.seen_at === null ? '-' : ago(peer.seen_at, now),
    ]),
    view,
  );
}

function textOfPollers(pollers: readonly PollerDocument[], view: View, now: Date): string {
  return renderTable(
    ['UNKNOWN POLLER', 'SEQUENCE', 'SEEN', 'REQUESTS'],
    pollers.map((poller) => [
      poller.address,
      `${poller.sequence ?? '-'}${poller.newest === false ? ' (behind)' : ''}`,
      ago(poller.last_seen_at, now),
      poller.requests.toString(),
    ]),
    view,
  );
}

function ago(instant: string, now: Date): string {
  return `${formatDurationMs(Math.max(0, now.getTime() - Date.parse(instant)))} ago`;
}

function span(seconds: number): string {
  return formatDurationMs(seconds * 1000);
}
