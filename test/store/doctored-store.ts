import { generateKeyPairSync } from 'node:crypto';
import {
  bundleOf,
  type JwtAuthority,
  parseTrustDomain,
  type StatementSigner,
} from '../../src/spiffe/index.ts';
import { signHead, type Store } from '../../src/store/index.ts';
import {
  CHAIN_START,
  type ChainedRow,
  type ChainedTable,
  linkHash,
  rowText,
} from '../../src/store/model/chain.ts';
import { selectChainedRow } from '../../src/store/sql/sqlite-chain.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { openRaw } from './open-store.ts';

const own = parseTrustDomain('a.example');
const peer = parseTrustDomain('b.example');
const other = parseTrustDomain('c.example');
export const second = (count: number): Date => new Date(TEST_INSTANT.getTime() + count * 1000);

/** The CAs behind the history of `writeHistory`, and the signer of its heads. */
export interface HistoryCas {
  readonly ownCa: TestCa;
  readonly peerCa: TestCa;
  readonly newPeerCa: TestCa;
  readonly otherCa: TestCa;
  readonly signer: StatementSigner;
  readonly jwtAuthorities: readonly JwtAuthority[];
}

export async function createHistoryCas(): Promise<HistoryCas> {
  const ownCa = await createTestCa({ trustDomain: own });
  const { id, chain, key } = await ownCa.issueLeaf({ path: '/federate' });
  const { y = '', x = '' } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    format: 'jwk',
  });
  return {
    // The members of the key are not in the order of the canonical document.
    jwtAuthorities: [{ keyId: 'key-1', jwk: { y, x, kty: 'EC', crv: 'P-256' } }],
    ownCa,
    peerCa: await createTestCa({ trustDomain: peer }),
    newPeerCa: await createTestCa({ trustDomain: peer }),
    otherCa: await createTestCa({ trustDomain: other }),
    signer: { id, certificateChain: chain, privateKey: key },
  };
}

/** Writes every kind of row to a history, with a signed head in its middle and one near its end. */
export async function writeHistory(store: Store, cas: HistoryCas): Promise<void> {
  const { ownCa, peerCa, newPeerCa, otherCa, jwtAuthorities } = cas;
  const actor = 'operator:1000';
  const origin = 'https://b.example/';
  const relationship = (trustDomain: typeof peer) => ({
    trustDomain,
    endpointUrl: `https://${trustDomain}/`,
    profile: { kind: 'https_web' as const },
    state: 'active' as const,
    consecutiveFailures: 0,
    createdAt: second(1),
    bootstrap: { kind: 'bundle-file' as const, detail: 'b.json' },
  });
  const version = (
    bundle: ReturnType<TestCa['bundle']>,
    at: Date,
    verdict: 'own' | 'bootstrap' | 'accepted',
  ) => ({
    bundle,
    receivedAt: at,
    verdict,
    origin,
  });
  await store.recordEvent({ at: second(0), kind: 'agent-started', actor: 'agent', message: 'begun' });
  await store.replaceCurrent({
    trustDomain: own,
    expectedDigest: null,
    version: version(bundleOf(own, [ownCa.authority], { sequence: 1n, jwtAuthorities }), second(0), 'own'),
    event: {
      at: second(0),
      kind: 'own-bundle-changed',
      trustDomain: own,
      actor: 'mesh:files',
      message: 'ours',
    },
  });
  const added = (trustDomain: typeof peer, at: Date) =>
    ({ at, kind: 'relationship-added', trustDomain, actor, message: 'as agreed' }) as const;
  await store.addRelationship(
    relationship(peer),
    version(peerCa.bundle(5n), second(1), 'bootstrap'),
    added(peer, second(1)),
  );
  await store.addRelationship(
    relationship(other),
    version(otherCa.bundle(1n), second(2), 'bootstrap'),
    added(other, second(2)),
  );
  await recordSignedHead(store, cas, second(3));
  const held = await store.current(peer);
  await store.replaceCurrent({
    trustDomain: peer,
    expectedDigest: held?.digest ?? null,
    version: {
      ...version(
        bundleOf(peer, [peerCa.authority, newPeerCa.authority], { sequence: 6n }),
        second(4),
        'accepted',
      ),
      provedBy: 'leaf sha256:00',
    },
    event: {
      at: second(4),
      kind: 'bundle-accepted',
      trustDomain: peer,
      actor: 'agent',
      message: 'a new root',
      detail: { added: 1, note: 'žluťoučký "kůň" \\ \u{1F40E}' },
    },
  });
  const outage = { trustDomain: peer, actor: 'agent', code: 'fetch-connect', message: 'refused', origin };
  await store.recordIncident({ ...outage, at: second(5), kind: 'endpoint-unreachable' });
  await store.recordIncident({
    ...outage,
    at: second(6),
    kind: 'endpoint-unreachable',
    message: 'refused again',
  });
  await store.endIncidents({ trustDomain: peer, at: second(7), actor: 'agent' });
  await store.recordIncident({
    ...outage,
    at: second(8),
    kind: 'bundle-quarantined',
    code: 'all-roots-replaced',
    offered: newPeerCa.bundle(7n),
  });
  const decision = { trustDomain: peer, at: second(9), actor, reason: 'stolen' };
  await store.distrustKey({ ...decision, keyFingerprint: peerCa.authority.keyFingerprint, label: 'a key' });
  await store.trustKeyAgain({
    ...decision,
    keyFingerprint: peerCa.authority.keyFingerprint,
    decision: 'trusted-again',
  });
  await store.rejectOffer({ ...decision, digest: 'ab'.repeat(32) });
  await store.reconsiderOffer({ ...decision, digest: 'ab'.repeat(32) });
  const fingerprint = ownCa.authority.fingerprint;
  const label =
    (await store.current(own))?.diff.added.find((key) => key.fingerprint === fingerprint)?.label ?? '';
  const stage = { at: second(9), trustDomain: own, fingerprint, label, knownBy: 'bundle' as const };
  const message = 'our root is published';
  await store.recordRootStages([
    {
      change: { ...stage, stage: 'published' },
      event: {
        at: second(9),
        kind: 'root-published',
        trustDomain: own,
        actor: 'agent',
        message,
        detail: { fingerprint },
      },
    },
    {
      change: { ...stage, at: second(10), stage: 'in-use' },
      event: {
        at: second(10),
        kind: 'root-in-use',
        trustDomain: own,
        actor: 'agent',
        message,
        detail: { fingerprint },
      },
    },
  ]);
  await store.recordPeerHead({
    trustDomain: peer,
    seenAt: second(10),
    at: second(10),
    number: 1,
    hash: 'ab'.repeat(32),
    chain: 'ab'.repeat(32),
    signer: 'spiffe://b.example/federate',
    statement: 'kept.as.it.came',
  });
  await store.removeRelationship(other, { at: second(10), actor, reason: 'over' });
  await store.addRelationship(
    relationship(other),
    version(otherCa.bundle(9n), second(11), 'bootstrap'),
    added(other, second(11)),
  );
  await recordSignedHead(store, cas, second(12));
  await store.recordEvent({ at: second(13), kind: 'agent-stopped', actor: 'agent', message: 'ended' });
}

/** Signs the end of the chain, as the agent does. */
export async function recordSignedHead(store: Store, { signer }: HistoryCas, at: Date): Promise<void> {
  const head = await store.chainHead();
  const [first] = await store.chainLinks({ limit: 1 });
  if (!head || !first) throw new Error('the history is empty');
  await store.recordHead(await signHead(head, first.hash, signer, at));
}

/** A closed store file with that history. */
export async function writeStoreFile(path: string, cas: HistoryCas): Promise<void> {
  const store = await openTestStore({ path });
  await writeHistory(store, cas);
  await store.close();
}

/**
 * Changes a store as its owner could: removes all triggers, runs `sql`, and restores the triggers.
 */
export function doctorStore(path: string, sql: string, more: { readonly rechain?: boolean } = {}): void {
  const raw = openRaw(path);
  raw.pragma('foreign_keys = OFF');
  const triggers = raw
    .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    .all();
  for (const { name } of triggers) raw.exec(`DROP TRIGGER ${name}`);
  raw.exec(sql);
  if (more.rechain === true) {
    let previous = CHAIN_START;
    const links = raw
      .prepare<[], { number: number; table_name: ChainedTable; row_id: number }>(
        'SELECT * FROM chain ORDER BY number',
      )
      .all();
    for (const { number, table_name: table, row_id: id } of links) {
      const row = raw.prepare<[number], ChainedRow>(selectChainedRow(table)).get(id);
      previous = linkHash(number, previous, rowText(table, row ?? {}));
      raw.prepare('UPDATE chain SET hash = ? WHERE number = ?').run(previous, number);
    }
  }
  for (const { sql: trigger } of triggers) raw.exec(trigger);
  raw.close();
}
