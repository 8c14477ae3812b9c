import type { RelationshipDocument } from '../../admin-client/index.ts';
import { formatDurationMs } from '../../platform/index.ts';
import { hintFor } from '../hints.ts';
import { hanging, renderFields, renderTable, tableFits } from '../table.ts';
import type { View } from '../view.ts';
import { textOfWarning } from './status.ts';

/** All relationships: a table where the terminal has the room, else a few lines for each. */
export function textOfAll(all: readonly RelationshipDocument[], view: View, now: Date): string {
  if (all.length === 0)
    return 'There are no relationships yet. "federate add --help" shows how to begin one.';
  const rows = all.map((each) => rowOf(each, view, now));
  if (view.columns === undefined || !tableFits(HEADINGS, rows, view.columns))
    return all.map((each) => shortTextOf(each, view, now)).join('\n');
  const [headings = '', ...lines] = renderTable(HEADINGS, rows, view).split('\n');
  return [headings, ...all.flatMap((each, index) => [lines[index] ?? '', ...remarks(each, view)])].join('\n');
}

const HEADINGS = ['TRUST DOMAIN', 'STATE', 'POLICY', 'SEQUENCE', 'KEYS', 'FRESH', 'NEXT POLL', 'IN THE MESH'];

function rowOf(one: RelationshipDocument, view: View, now: Date): string[] {
  const { authorities: held, authorities_counting: counting } = one;
  return [
    one.trust_domain,
    stateText(one, view),
    one.policy === 'ask-on-dangerous' ? '-' : one.policy,
    one.sequence ?? '-',
    counting === held ? `${held}` : `${counting} of ${held}`,
    one.last_success_at === null ? 'never' : `${since(one.last_success_at, now)} ago`,
    one.next_poll_at === null ? '-' : `in ${until(one.next_poll_at, now)}`,
    meshText(one),
  ];
}

/** Green for what is in order, red for what is not trusted, yellow for what lies between. */
function stateText({ state }: RelationshipDocument, view: View): string {
  if (state === 'active') return view.paint('green', state);
  return view.paint(state === 'stale' || state === 'needs-bootstrap' ? 'red' : 'yellow', state);
}

/** A trust domain may be longer than any column, so it has a line of its own. */
function shortTextOf(one: RelationshipDocument, view: View, now: Date): string {
  const facts = [
    stateText(one, view),
    ...(one.policy === 'ask-on-dangerous' ? [] : [one.policy]),
    one.sequence === null ? 'no sequence' : `sequence ${one.sequence}`,
    authoritiesText(one),
    one.last_success_at === null ? 'never fresh' : `fresh ${since(one.last_success_at, now)} ago`,
    `next poll ${one.next_poll_at === null ? 'not planned' : `in ${until(one.next_poll_at, now)}`}`,
  ];
  const [warnings, rest] = [one.warnings.length, remarks(one, view)];
  return [
    view.paint('bold', one.trust_domain),
    ...rest.slice(0, warnings),
    hanging(`  ${facts.join(' · ')}`, 4, view),
    ...rest.slice(warnings),
    hanging(`  in the mesh: ${meshText(one)}`, 4, view),
  ].join('\n');
}

/** What an operator has to know about a relationship: warnings first. */
function remarks(one: RelationshipDocument, view: View): string[] {
  return [
    ...one.warnings.map((warning) => `  ${textOfWarning(warning, view)}`),
    ...(one.their_side?.state === 'ended'
      ? ['  their side: seems to have ended its relationship with us']
      : []),
    // A warning already gives this reason.
    ...(one.reason === null || one.warnings.some(({ message }) => message === one.reason?.message)
      ? []
      : [`  why: ${view.words(one.reason.message)} [${one.reason.code}]`]),
  ].map((line) => hanging(line, 4, view));
}

/** What the mesh has of a peer. */
function meshText(one: RelationshipDocument): string {
  const { in_mesh: inMesh } = one;
  if (inMesh === null) return notInMesh(one);
  return `${inMesh.state}${inMesh.code === null ? '' : ` [${inMesh.code}]`}`;
}

/** One relationship in full. */
export function textOfOne(one: RelationshipDocument, view: View, now: Date): string {
  const fields = renderFields(
    [
      ['trust domain', one.trust_domain],
      [
        'state',
        one.reason === null
          ? stateText(one, view)
          : `${stateText(one, view)}: ${view.words(one.reason.message)} [${one.reason.code}]`,
      ],
      ['what to do', one.reason === null ? undefined : hintFor(one.reason.code, one.trust_domain)],
      ['endpoint', one.endpoints.length === 0 ? one.endpoint_url : undefined],
      ...one.endpoints.map((endpoint, index): [string, string] => [
        index === 0 ? 'endpoint' : 'or',
        textOfEndpoint(endpoint, one.endpoints.length > 1, now),
      ]),
      ['profile', one.profile],
      ['endpoint ID', one.endpoint_id ?? undefined],
      ['signed by', one.signer_id ?? undefined],
      ['policy', one.policy],
      [
        'stale after',
        one.stale_after_seconds === null ? 'never' : formatDurationMs(one.stale_after_seconds * 1000),
      ],
      ['bootstrapped by', one.bootstrap],
      ['since', view.at(one.created_at)],
      ['sequence', `${one.sequence ?? 'none'} (version ${one.version ?? '-'}, ${authoritiesText(one)})`],
      [
        'fresh',
        one.last_success_at === null
          ? 'never'
          : `${since(one.last_success_at, now)} ago (${view.at(one.last_success_at)})`,
      ],
      ...one.distrusted.map((key): [string, string] => [
        'distrusted',
        `${key.label} since ${view.at(key.since)}${key.until === null ? '' : ` until ${view.at(key.until)}`}: ${key.reason}`,
      ]),
      ['their side', textOfTheirSide(one, view, now)],
      ['last attempt', one.last_attempt_at === null ? 'never' : view.at(one.last_attempt_at)],
      ['failures in a row', one.consecutive_failures.toString()],
      ['next poll', one.next_poll_at === null ? undefined : `in ${until(one.next_poll_at, now)}`],
      [
        'in the mesh',
        one.in_mesh === null
          ? notInMesh(one)
          : [one.in_mesh.state, one.in_mesh.message === null ? null : view.words(one.in_mesh.message)]
              .filter((part) => part !== null)
              .join(': '),
      ],
      ['the peer holds', textOfHolding(one, now)],
    ],
    view,
  );
  return [...one.warnings.map((warning) => hanging(textOfWarning(warning, view), 4, view)), fields].join(
    '\n',
  );
}

/** What the peer has of our own bundle, in its own signed words. */
function textOfHolding({ peer_holds: holds }: RelationshipDocument, now: Date): string | undefined {
  if (holds === null) return undefined;
  const reached = holds.in_mesh === null ? 'not in its mesh yet' : `${holds.in_mesh.progress} in its mesh`;
  return `our sequence ${holds.sequence ?? '-'}, ${reached}, reported ${since(holds.seen_at, now)} ago by ${holds.signer}`;
}

/**
 * How long a peer is silent before we show it. A peer reports with each request that we leave open,
 * every few minutes.
 */
const SILENCE_MS = 30 * 60_000;

function textOfTheirSide(
  { their_side: side, trust_domain: name }: RelationshipDocument,
  view: View,
  now: Date,
): string | undefined {
  if (side === null) return undefined;
  const { state, since: at, last_heard_at: heard } = side;
  if (state === 'ended')
    return `seems to have ended its relationship with us, noticed ${since(at, now)} ago (${view.at(at)}) [peer-dropped-us]; ${hintFor('peer-dropped-us', name) ?? ''}`;
  const age = heard === null ? '' : `, last ${since(heard, now)} ago`;
  const isOld = heard !== null && now.getTime() - Date.parse(heard) > SILENCE_MS;
  return `holds a relationship with us: it first reported this ${since(at, now)} ago (${view.at(at)})${age}${isOld ? '; it has reported nothing since, so the relationship may have ended' : ''}`;
}

/** How much of what is held counts. */
function authoritiesText({
  authorities: held,
  authorities_counting: counting,
}: RelationshipDocument): string {
  const all = held === 1 ? '1 authority' : `${held} authorities`;
  return counting === held ? all : `${all}, of which ${counting === 0 ? 'none counts' : `${counting} count`}`;
}

/** Why the mesh has nothing of a peer. */
function notInMesh({ state, authorities, authorities_counting: counting }: RelationshipDocument): string {
  if (state === 'stale') return 'nothing, because the peer is stale';
  if (counting === 0 && authorities > 0) return 'nothing, because no key of the peer counts';
  return authorities === 0 ? 'nothing, because nothing is held' : 'not yet';
}

function textOfEndpoint(
  { url, in_use: inUse, ...health }: RelationshipDocument['endpoints'][number],
  several: boolean,
  now: Date,
): string {
  const { last_success_at: good, last_failure_at: bad, last_failure_code: code } = health;
  const facts = [
    ...(several && inUse ? ['in use'] : []),
    ...(good === null ? [] : [`answered ${since(good, now)} ago`]),
    ...(bad === null ? [] : [`failed ${since(bad, now)} ago [${code ?? ''}]`]),
  ];
  return facts.length === 0 ? url : `${url} (${facts.join(', ')})`;
}

function since(instant: string | null, now: Date): string {
  return instant === null ? 'never' : formatDurationMs(Math.max(0, now.getTime() - Date.parse(instant)));
}

function until(instant: string | null, now: Date): string {
  if (instant === null) return '-';
  const left = Date.parse(instant) - now.getTime();
  return left <= 0 ? '0s' : formatDurationMs(left);
}
