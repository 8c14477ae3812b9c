import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import {
  type EndpointProfile,
  parseSpiffeId,
  parseTrustDomain,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { StoreError } from '../model/errors.ts';
import type { Relationship } from '../model/relationship.ts';
import { dateFrom } from './stored-instant.ts';

type RelationshipRow = ReturnType<typeof rowOf>;

const COLUMNS = [
  'trust_domain',
  'state',
  'state_code',
  'state_message',
  'endpoint_url',
  'more_endpoint_urls',
  'profile',
  'endpoint_id',
  'web_pki_ca_pem',
  'agent_id',
  'policy',
  'stale_after_seconds',
  'bootstrap',
  'bootstrap_detail',
  'last_attempt_at',
  'last_success_at',
  'next_poll_at',
  'consecutive_failures',
  'created_at',
] as const satisfies readonly (keyof RelationshipRow)[];

/** The relationships, in SQL. */
export function createRelationshipTable(database: Database) {
  const select = database.prepare<[string], RelationshipRow>(
    `SELECT ${COLUMNS.join(', ')} FROM relationship WHERE trust_domain = ?`,
  );
  const selectAll = database.prepare<[], RelationshipRow>(
    `SELECT ${COLUMNS.join(', ')} FROM relationship ORDER BY trust_domain`,
  );
  const insert = database.prepare<[RelationshipRow]>(
    `INSERT INTO relationship (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((name) => `$${name}`).join(', ')})
     ON CONFLICT DO NOTHING`,
  );
  const update = database.prepare<[RelationshipRow]>(
    `UPDATE relationship SET ${COLUMNS.map((name) => `${name} = $${name}`).join(', ')}
     WHERE trust_domain = $trust_domain`,
  );
  const remove = database.prepare<[string]>('DELETE FROM relationship WHERE trust_domain = ?');

  return {
    reads: {
      relationships: (): Relationship[] => selectAll.all().map(relationshipOf),
      relationship: (trustDomain: TrustDomain): Relationship | undefined =>
        given(select.get(trustDomain), relationshipOf),
    },
    /** False when there is one already. */
    insert: (relationship: Relationship): boolean => insert.run(rowOf(relationship)).changes === 1,
    update: (relationship: Relationship): void => void update.run(rowOf(relationship)),
    /** False when there is none. */
    remove: (trustDomain: TrustDomain): boolean => remove.run(trustDomain).changes === 1,
  };
}

function rowOf(relationship: Relationship) {
  const { trustDomain, endpointUrl, profile, state, stateReason, bootstrap, webPkiCaPem } = relationship;
  return {
    trust_domain: trustDomain,
    state,
    state_code: stateReason?.code ?? null,
    state_message: stateReason?.message ?? null,
    endpoint_url: endpointUrl,
    more_endpoint_urls: JSON.stringify(relationship.moreEndpointUrls ?? []),
    profile: profile.kind,
    endpoint_id: provingId(profile),
    web_pki_ca_pem: webPkiCaPem ?? null,
    agent_id: relationship.agentId ?? null,
    policy: relationship.policy ?? 'ask-on-dangerous',
    stale_after_seconds: relationship.staleAfterSeconds ?? null,
    bootstrap: bootstrap.kind,
    bootstrap_detail: bootstrap.detail,
    last_attempt_at: relationship.lastAttemptAt?.toISOString() ?? null,
    last_success_at: relationship.lastSuccessAt?.toISOString() ?? null,
    next_poll_at: relationship.nextPollAt?.toISOString() ?? null,
    consecutive_failures: relationship.consecutiveFailures,
    created_at: relationship.createdAt.toISOString(),
  };
}

function relationshipOf(row: RelationshipRow): Relationship {
  const { state_code: code, state_message: message } = row;
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    endpointUrl: row.endpoint_url,
    ...moreUrlsOf(row),
    profile: profileOf(row),
    ...defined({ webPkiCaPem: row.web_pki_ca_pem ?? undefined, agentId: given(row.agent_id, parseSpiffeId) }),
    ...(row.policy === 'ask-on-dangerous' ? {} : { policy: row.policy }),
    ...defined({ staleAfterSeconds: row.stale_after_seconds ?? undefined }),
    state: row.state,
    ...(code === null || message === null ? {} : { stateReason: { code, message } }),
    ...defined({
      lastAttemptAt: given(row.last_attempt_at, dateFrom),
      lastSuccessAt: given(row.last_success_at, dateFrom),
      nextPollAt: given(row.next_poll_at, dateFrom),
    }),
    consecutiveFailures: row.consecutive_failures,
    createdAt: new Date(row.created_at),
    bootstrap: { kind: row.bootstrap, detail: row.bootstrap_detail },
  };
}

/** Left out when empty, as it was given. */
function moreUrlsOf(row: RelationshipRow): { readonly moreEndpointUrls?: readonly string[] } {
  const urls: unknown = JSON.parse(row.more_endpoint_urls);
  if (!Array.isArray(urls) || !urls.every((url) => typeof url === 'string'))
    throw new StoreError('store-corrupt', `the relationship with ${row.trust_domain} lists no addresses`);
  return urls.length === 0 ? {} : { moreEndpointUrls: urls };
}

/** Who must prove the bundle: the endpoint, or the signer. */
function provingId(profile: EndpointProfile): string | null {
  if (profile.kind === 'https_web') return null;
  return profile.kind === 'https_spiffe' ? profile.endpointId : profile.signerId;
}

function profileOf(row: RelationshipRow): EndpointProfile {
  if (row.profile === 'https_web') return { kind: 'https_web' };
  if (row.endpoint_id === null)
    throw new StoreError('store-corrupt', `the relationship with ${row.trust_domain} names no endpoint ID`);
  const id = parseSpiffeId(row.endpoint_id);
  return row.profile === 'https_spiffe'
    ? { kind: row.profile, endpointId: id }
    : { kind: row.profile, signerId: id };
}
