import type { Command } from 'commander';
import type { RelationshipDocument } from '../../admin-client/index.ts';
import { formatDurationMs } from '../../platform/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { hintFor } from '../hints.ts';
import { renderFields } from '../table.ts';
import { printResult, type Terminal } from '../terminal.ts';
import { tellWarning } from './status.ts';

/** `federate list`: every relationship in a line. */
export function listCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('list'))
    .description('all relationships: state, sequence, freshness, next poll')
    .addHelpText('after', '\nExample:\n  $ federate list --output json | jq -r ".[].trust_domain"')
    .action(async (options: AgentOptions) => {
      const all = await agentFor(options).call('GET /v1/relationships');
      printResult(terminal, options.output, all, () => tellAll(all, new Date()));
      finish(exitCodes.done);
    });
}

/** `federate show`: one relationship in full. */
export function showCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('show <trust-domain>'))
    .description('one relationship in full: state and why, freshness, next poll, what the mesh has of it')
    .addHelpText('after', '\nExample:\n  $ federate show b.example')
    .action(async (trustDomain: string, options: AgentOptions) => {
      const one = await agentFor(options).call('GET /v1/relationships/{trust_domain}', {
        params: { trust_domain: trustDomain },
      });
      printResult(terminal, options.output, one, () => tellOne(one, new Date()));
      finish(exitCodes.done);
    });
}

function tellAll(all: readonly RelationshipDocument[], now: Date): string {
  if (all.length === 0)
    return 'There are no relationships yet. "federate add --help" shows how to begin one.';
  return all.map((each) => tellShortly(each, now)).join('\n');
}

/** A trust domain may be longer than any column, so it has a line of its own. */
function tellShortly(one: RelationshipDocument, now: Date): string {
  const facts = [
    one.state,
    ...(one.policy === 'ask-on-dangerous' ? [] : [one.policy]),
    one.sequence === null ? 'no sequence' : `sequence ${one.sequence}`,
    authoritiesText(one),
    one.last_success_at === null ? 'never fresh' : `fresh ${since(one.last_success_at, now)} ago`,
    `next poll ${one.next_poll_at === null ? 'not planned' : `in ${until(one.next_poll_at, now)}`}`,
  ];
  return [
    one.trust_domain,
    ...one.warnings.map((warning) => `  ${tellWarning(warning)}`),
    `  ${facts.join(' · ')}`,
    ...(one.their_side?.state === 'ended'
      ? ['  their side: seems to have ended its relationship with us']
      : []),
    // A warning already gives this reason.
    ...(one.reason === null || one.warnings.some(({ message }) => message === one.reason?.message)
      ? []
      : [`  why: ${one.reason.message} [${one.reason.code}]`]),
    `  in the mesh: ${one.in_mesh === null ? notInMesh(one) : one.in_mesh.state}${one.in_mesh?.code == null ? '' : ` [${one.in_mesh.code}]`}`,
  ].join('\n');
}

function tellOne(one: RelationshipDocument, now: Date): string {
  const fields = renderFields([
    ['trust domain', one.trust_domain],
    ['state', one.reason === null ? one.state : `${one.state}: ${one.reason.message} [${one.reason.code}]`],
    ['what to do', one.reason === null ? undefined : hintFor(one.reason.code, one.trust_domain)],
    ['endpoint', one.endpoints.length === 0 ? one.endpoint_url : undefined],
    ...one.endpoints.map((endpoint, index): [string, string] => [
      index === 0 ? 'endpoint' : 'or',
      tellEndpoint(endpoint, one.endpoints.length > 1, now),
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
    ['since', one.created_at],
    ['sequence', `${one.sequence ?? 'none'} (version ${one.version ?? '-'}, ${authoritiesText(one)})`],
    [
      'fresh',
      one.last_success_at === null
        ? 'never'
        : `${since(one.last_success_at, now)} ago (${one.last_success_at})`,
    ],
    ...one.distrusted.map((key): [string, string] => [
      'distrusted',
      `${key.label} since ${key.since}${key.until === null ? '' : ` until ${key.until}`}: ${key.reason}`,
    ]),
    ['their side', tellTheirSide(one, now)],
    ['last attempt', one.last_attempt_at ?? 'never'],
    ['failures in a row', one.consecutive_failures.toString()],
    ['next poll', one.next_poll_at === null ? undefined : `in ${until(one.next_poll_at, now)}`],
    [
      'in the mesh',
      one.in_mesh === null
        ? notInMesh(one)
        : [one.in_mesh.state, one.in_mesh.message].filter((part) => part !== null).join(': '),
    ],
    ['the peer holds', tellHolding(one, now)],
  ]);
  return [...one.warnings.map(tellWarning), fields].join('\n');
}

/** What the peer has of our own bundle, in its own signed words. */
function tellHolding({ peer_holds: holds }: RelationshipDocument, now: Date): string | undefined {
  if (holds === null) return undefined;
  const reached = holds.in_mesh === null ? 'not in its mesh yet' : `${holds.in_mesh.progress} in its mesh`;
  return `our sequence ${holds.sequence ?? '-'}, ${reached}, said ${since(holds.seen_at, now)} ago by ${holds.signer}`;
}

/**
 * How long a peer is silent before we show it. A peer reports with each request that we leave open,
 * every few minutes.
 */
const SILENCE_MS = 30 * 60_000;

function tellTheirSide(
  { their_side: side, trust_domain: name }: RelationshipDocument,
  now: Date,
): string | undefined {
  if (side === null) return undefined;
  const { state, since: at, last_heard_at: heard } = side;
  if (state === 'ended')
    return `seems to have ended its relationship with us, noticed ${since(at, now)} ago (${at}) [peer-dropped-us]; ${hintFor('peer-dropped-us', name) ?? ''}`;
  const age = heard === null ? '' : `, last ${since(heard, now)} ago`;
  const isOld = heard !== null && now.getTime() - Date.parse(heard) > SILENCE_MS;
  return `holds a relationship with us: it said so first ${since(at, now)} ago (${at})${age}${isOld ? '; it has said nothing since, so it may have ended' : ''}`;
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

function tellEndpoint(
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
