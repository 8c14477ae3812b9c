import type { AdminClient } from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { helpTopics } from '../help/pages.ts';
import { pathOf } from '../federate-command.ts';
import type { ReadingPlace } from './reading-place.ts';

/** A word that can stand at the place, with what it means. */
export interface Candidate {
  readonly value: string;
  readonly help?: string;
}

/** Gives what can stand for a placeholder of the help, such as `trust-domain`. */
export type Ask = (
  placeholder: string,
  place: Pick<ReadingPlace, 'command' | 'given' | 'values'>,
) => Promise<'files' | readonly Candidate[]>;

type Place = Parameters<Ask>[1];
type FromAgent = (agent: AdminClient, place: Place) => Promise<readonly Candidate[]>;

/** Placeholders that are names of files. */
const FILES: ReadonlySet<string> = new Set(['file', 'folder', 'path', 'policy', 'chain', 'token']);

/** How the agent knows what can stand for a placeholder. */
const FROM_AGENT: Readonly<Record<string, FromAgent>> = {
  'trust-domain': trustDomains,
  'trust domain': peers,
  peer: async (agent, place) => [
    ...(await peers(agent)),
    ...(/ (?:dis)?trust$/.test(pathOf(place.command))
      ? [{ value: 'own', help: 'our own trust domain' }]
      : []),
  ],
  key: async (agent, { given: [peer = ''] }) => await keysOf(agent, peer),
  digest: async (agent, { command, given: [peer = ''] }) => {
    if (pathOf(command) === 'federate service review')
      return (await agent.call('GET /v1/waiting-lists'))
        .filter(({ trust_domain: name }) => name === peer)
        .map(({ digest, changes }) => ({
          value: digest.slice(0, 12),
          ...defined({ help: changes[0]?.message }),
        }));
    const { waiting, rejected } = await agent.call('GET /v1/offers/{trust_domain}', {
      params: { trust_domain: peer },
    });
    return [
      ...waiting.map(({ digest, message }) => ({ value: digest.slice(0, 12), help: message })),
      ...rejected.map(({ digest, reason }) => ({ value: digest.slice(0, 12), help: `rejected: ${reason}` })),
    ];
  },
  id: async (agent) =>
    (await agent.call('GET /v1/invitations'))
      .filter(({ state }) => state === 'open' || state === 'awaiting-approval')
      .map(({ id, state, peer }) => ({ value: id, help: `${state}${peer === null ? '' : `, ${peer}`}` })),
  import: async (agent) =>
    (await agent.call('GET /v1/imports')).map(({ name, service, trust_domain: owner }) => ({
      value: name,
      help: `${service} of ${owner}`,
    })),
  fingerprint: async (agent) =>
    (await agent.call('GET /v1/rotation')).roots.map(({ fingerprint, stage, label }) => ({
      value: fingerprint.slice(0, 12),
      help: `${stage}, ${label}`,
    })),
  kind: async (agent) => {
    const { events } = await agent.call('GET /v1/history', { query: { limit: 1000 } });
    return [...new Set(events.map(({ kind }) => kind))].sort().map((value) => ({ value }));
  },
};

/**
 * What a running agent and the file system know. An agent that does not answer, or is too old to
 * know the question, gives nothing: a completion never fails.
 */
export function valuesOf(agentAt: (place: Place) => AdminClient): Ask {
  return async (placeholder, place) => {
    if (FILES.has(placeholder)) return 'files';
    if (placeholder === 'topic') return topics();
    try {
      return (await FROM_AGENT[placeholder]?.(agentAt(place), place)) ?? [];
    } catch {
      return [];
    }
  };
}

async function peers(agent: AdminClient): Promise<readonly Candidate[]> {
  return (await agent.call('GET /v1/relationships')).map(({ trust_domain: value, state }) => ({
    value,
    help: state,
  }));
}

/** Of `adopt`, what the store has no record of; of a bundle that is shown, our own as well. */
async function trustDomains(agent: AdminClient, { command }: Place): Promise<readonly Candidate[]> {
  const path = pathOf(command);
  if (path === 'federate adopt')
    return (await agent.call('GET /v1/unrecorded-trust')).map(({ trust_domain: value, where }) => ({
      value,
      help: where,
    }));
  const all = await peers(agent);
  if (!/^federate bundle (?:show|history)$/.test(path)) return all;
  const { trust_domain: own } = await agent.call('GET /v1/status');
  return own === null ? all : [...all, { value: own, help: 'our own' }];
}

/** The keys that the bundle of a peer has, in the form that `distrust` takes. */
async function keysOf(agent: AdminClient, peer: string): Promise<readonly Candidate[]> {
  const name = peer === 'own' ? ((await agent.call('GET /v1/status')).trust_domain ?? '') : peer;
  const { x509_authorities: roots, jwt_key_ids: jwt } = await agent.call('GET /v1/bundles/{trust_domain}', {
    params: { trust_domain: name },
  });
  return [
    ...roots.map(({ key_fingerprint: key, subject }) => ({ value: key.slice(0, 12), help: subject })),
    ...jwt.map((value) => ({ value, help: 'JWT key' })),
  ];
}

/** The pages of the documentation. */
function topics(): readonly Candidate[] {
  return helpTopics().map(({ name: value }) => ({ value }));
}
