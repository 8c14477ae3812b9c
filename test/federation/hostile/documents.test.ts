import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleOf, serializeBundle, type TrustBundle } from '../../../src/spiffe/index.ts';
import { answers } from '../../../testkit/fake-peer.ts';
import { hostileDocuments } from '../../../testkit/hostile-documents.ts';
import type { Surroundings } from '../../../testkit/hostile-identities.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { peerName } from '../agent-world.ts';
import { aftermathOf, harmless, type HostileCase } from './hostile-case.ts';
import {
  createSurroundings,
  documentOf,
  HELD_SEQUENCE,
  HostileWorld,
  otherName,
  ownName,
} from './hostile-world.ts';

let around: Surroundings;
let next: TestCa;

beforeAll(async () => {
  around = await createSurroundings();
  next = await createTestCa({ trustDomain: peerName, subject: 'CN=Next' });
});

/** A bundle of the peer with its root, and what a test adds. */
const bundle = (rest: Partial<TrustBundle> & { roots?: TestCa[] } = {}): TrustBundle => {
  const { roots = [next], ...fields } = rest;
  const authorities = [around.peerCa, ...roots].map(({ authority }) => authority);
  return { ...bundleOf(peerName, authorities, { sequence: HELD_SEQUENCE + 1n }), ...fields };
};

const jwtAuthority = (keyId: string) => ({
  keyId,
  jwk: generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as Record<string, string>,
});

// Only names and codes: what they are made from is there when the tests run.
const refused = hostileDocuments('{"keys":[],"spiffe_sequence":6}', '{}').map(
  ({ is, code }) => [is, code] as const,
);

describe('Federation keeps the last good bundle and tells once when the document is (invariant 2)', () => {
  it.each(refused)('%s: %s', async (is, code) => {
    const entry = /\{[^{}]*\}/.exec(documentOf(around.peerCa.bundle()).slice(1))?.[0] ?? '';
    const found = hostileDocuments(documentOf(bundle()), entry).find((each) => each.is === is);
    const row: HostileCase = {
      does: is,
      deed: () => ({ answer: answers.document(found?.bytes ?? '') }),
      code,
      event: 'bundle-refused',
      maxBodyBytes: 1024 * 1024,
    };
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });

  it('the good one that all of these were made from is accepted (the valid twin)', async () => {
    await using world = await HostileWorld.start(around);
    world.peer.misbehave({ answer: answers.document(documentOf(bundle())) });
    expect(await world.poll()).toBe('accepted');
  });

  it('of a lower sequence: sequence-rolled-back (FED-48)', async () => {
    const row: HostileCase = {
      does: 'is older',
      deed: () => ({ answer: answers.document(documentOf(bundle({ sequence: HELD_SEQUENCE - 1n }))) }),
      code: 'sequence-rolled-back',
      event: 'bundle-refused',
    };
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});

/** Offers that wait for an operator. */
const quarantined: readonly (readonly [
  is: string,
  code: string,
  offer: () => Promise<TrustBundle> | TrustBundle,
])[] = [
  ['a root of ours', 'own-root-offered', () => bundle({ roots: [around.ownCa] })],
  ['a root of another peer', 'root-of-another-trust-domain', () => bundle({ roots: [around.otherCa] })],
  [
    'a root of another peer beside a new one of its own',
    'root-of-another-trust-domain',
    () => bundle({ roots: [next, around.otherCa] }),
  ],
  ['a sequence of 2^63 (TDB-08)', 'sequence-jumped', () => bundle({ sequence: 2n ** 63n })],
  ['a sequence of 2^64 - 1 (TDB-08)', 'sequence-jumped', () => bundle({ sequence: 2n ** 64n - 1n })],
];

describe('Federation asks an operator when the document holds (invariant 4, TDB-42)', () => {
  it.each(quarantined)('%s: %s', async (_is, code, offer) => {
    const row: HostileCase = {
      does: code,
      deed: async () => ({ answer: answers.document(documentOf(await offer())) }),
      code,
      event: 'bundle-quarantined',
    };
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });

  it('a JWT key of ours, or of another peer, under another key ID', async () => {
    const [ours, theirs] = [jwtAuthority('a'), jwtAuthority('b')];
    await using world = await HostileWorld.start(around);
    const { agents } = world;
    agents.own = { ...around.ownCa.bundle(), jwtAuthorities: [ours] };
    const others = { ...around.otherCa.bundle(), jwtAuthorities: [theirs] };
    world.other.misbehave({ answer: answers.document(documentOf(others)) });
    await agents.federation.relationships.setBundle(otherName, {
      document: serializeBundle(others),
      name: 'other.json',
      actor: 'operator:1000',
      reason: 'test',
    });
    for (const [key, code] of [
      [ours, 'own-root-offered'],
      [theirs, 'root-of-another-trust-domain'],
    ] as const) {
      const offer = bundle({ jwtAuthorities: [{ ...key, keyId: 'mine now' }] });
      world.peer.misbehave({ answer: answers.document(documentOf(offer)) });
      expect(await world.poll()).toBe(`quarantined ${code}`);
    }
    const own = bundle({ jwtAuthorities: [jwtAuthority('c')] });
    world.peer.misbehave({ answer: answers.document(documentOf(own)) });
    expect(await world.poll()).toBe('accepted');
  });
});

/** Documents that are odd and count nevertheless, with the one event they leave. */
const accepted: readonly (readonly [is: string, document: () => string, event: string, roots: number])[] = [
  [
    'an equal sequence over other content (FED-50)',
    () => documentOf(bundle({ sequence: HELD_SEQUENCE })),
    'bundle-accepted content-changed-under-same-sequence',
    2,
  ],
  [
    'no sequence any more (FED-51)',
    () => documentOf(bundle()).replace(/"spiffe_sequence":\s*\d+,?/, ''),
    'bundle-accepted sequence-disappeared',
    2,
  ],
  [
    'no key: a full revocation (TDB-04)',
    () => `{"keys":[],"spiffe_sequence":6}`,
    'bundle-accepted all-keys-revoked',
    0,
  ],
  [
    'a thousand entries, most of them unknown (TDB-17, TDB-44)',
    () => {
      const unknown = Array.from({ length: 998 }, () => '{"kty":"AKP","use":"new"}').join(',');
      return documentOf(bundle()).replace('"keys":[', `"keys":[${unknown},`);
    },
    'bundle-accepted',
    2,
  ],
  [
    'entries that are null, numbers and lists (TDB-38)',
    () => documentOf(bundle()).replace('"keys":[', '"keys":[null,7,[],"x",{},'),
    'bundle-accepted',
    2,
  ],
  [
    'a nesting of sixteen (TDB-44)',
    () => documentOf(bundle()).replace('{', `{"x":${'['.repeat(15)}${']'.repeat(15)},`),
    'bundle-accepted',
    2,
  ],
];

describe('Federation takes, with one event, a document with', () => {
  it.each(accepted)('%s', async (_is, document, event, roots) => {
    await using world = await HostileWorld.start(around);
    const before = (await world.events()).length;
    world.peer.misbehave({ answer: answers.document(document()) });
    expect(await world.poll()).toBe('accepted');
    expect(await world.events(before)).toEqual([event]);
    expect(world.agents.trusted()).toHaveLength(roots);
    if (roots === 0) return;
    expect(await world.poll()).toBe('unchanged');
    expect(await world.events(before)).toEqual([event]);
  });
});

/** The same content, written otherwise. */
const equal: readonly (readonly [is: string, document: (text: string) => string])[] = [
  ['entries in another order', (text) => shuffled(text, (keys) => keys.toReversed())],
  ['members in another order', (text) => shuffled(text, (keys) => keys.map(reversed))],
  ['every entry twice', (text) => shuffled(text, (keys) => [...keys, ...keys])],
  ['white space', (text) => JSON.stringify(JSON.parse(text), null, 8)],
  ['escaped member names', (text) => text.replaceAll('"keys"', '"\\u006beys"')],
  ['unknown members', (text) => text.replace('{', '{"x":{"y":[1,2.5,null]},')],
];

function shuffled(text: string, change: (keys: object[]) => object[]): string {
  const document = JSON.parse(text) as { keys: object[] };
  return JSON.stringify({ ...document, keys: change(document.keys) });
}

function reversed(entry: object): object {
  return Object.fromEntries(Object.entries(entry).toReversed());
}

describe('Federation writes nothing for equal content with (invariant 8)', () => {
  it.each(equal)('%s', async (_is, change) => {
    await using world = await HostileWorld.start(around);
    const { store } = world.agents;
    const text = documentOf(bundle());
    world.peer.misbehave({ answer: answers.document(text) });
    expect(await world.poll()).toBe('accepted');
    const before = [await store.history(peerName), await store.events(), await store.incidents()];
    const changed = change(text);
    expect(changed).not.toBe(text);
    world.peer.misbehave({ answer: answers.document(changed) });
    expect(await world.poll()).toBe('unchanged');
    expect([await store.history(peerName), await store.events(), await store.incidents()]).toEqual(before);
  });
});

describe('Federation and names', () => {
  it('stores what the endpoint gives for the configured trust domain only (FED-32)', async () => {
    await using world = await HostileWorld.start(around);
    const text = documentOf(bundle()).replace(
      '{',
      `{"trust_domain":"${otherName}","spiffe_id":"spiffe://${ownName}",`,
    );
    world.peer.misbehave({ answer: answers.document(text) });
    const other = world.agents.trusted(otherName);
    expect(await world.poll()).toBe('accepted');
    expect(world.agents.trusted(otherName)).toEqual(other);
    expect((await world.agents.store.currentAll()).map(({ trustDomain }) => trustDomain).toSorted()).toEqual([
      otherName,
      peerName,
    ]);
  });
});
