import { beforeAll, describe, expect, it } from 'vitest';
import { findForeignKey, isForeignKeyCode } from '../../src/federation/trust/foreign-key.ts';
import { bundleOf, parseTrustDomain, type X509Authority } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { madeUpRoot } from './made-up-bundle.ts';

const peer = parseTrustDomain('peer.example');
const around = { own: undefined, others: [] };
let named: X509Authority;
let another: X509Authority;
let unnamed: X509Authority;
beforeAll(async () => {
  const other = parseTrustDomain('other.example');
  named = (await createTestCa({ trustDomain: peer, spiffeIdInCa: true })).authority;
  another = (await createTestCa({ trustDomain: other, spiffeIdInCa: true })).authority;
  unnamed = (await createTestCa({ trustDomain: other, spiffeIdInCa: false })).authority;
});

describe('findForeignKey() of roots that name a trust domain', () => {
  const found = (roots: readonly X509Authority[], held: readonly X509Authority[] = []) =>
    findForeignKey(bundleOf(peer, held), bundleOf(peer, roots), around);

  it('finds a new root that has a SPIFFE ID of another trust domain only', () => {
    expect(found([named, another])).toEqual({
      code: 'root-names-another-trust-domain',
      message: expect.stringContaining('in the bundle of peer.example has a SPIFFE ID of other.example'),
    });
    expect(isForeignKeyCode('root-names-another-trust-domain')).toBe(true);
  });

  it('finds nothing in one that names its own trust domain, or none, or cannot be read', () => {
    expect(found([named, unnamed, madeUpRoot('no certificate')])).toBeUndefined();
  });

  it('does not ask again about one that was let in once', () => {
    expect(found([named, another], [another])).toBeUndefined();
  });
});
