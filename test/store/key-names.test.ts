import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bundleOf, parseCertificate, x509AuthorityFromDer } from '../../src/spiffe/index.ts';
import { verifyStoreFile } from '../../src/store/index.ts';
import {
  algorithm,
  oddCertificate,
  rsaSpki,
  soundExtensions,
  soundParts,
} from '../../testkit/odd-certificates.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { added, at, istio, relationship, start, version } from './sample-bundles.ts';

/**
 * A root under id-RSASSA-PSS, with the name that older versions of the agent gave it: the digest of
 * its encoding.
 */
function formerRoot() {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
  const spki = rsaSpki(modulus, 65537n, algorithm('1.2.840.113549.1.1.10'));
  const root = x509AuthorityFromDer(
    oddCertificate({ ...soundParts(), spki, extensions: soundExtensions(spki) }),
  );
  const { spkiDer } = parseCertificate(root.der);
  return {
    now: root,
    former: { ...root, keyFingerprint: createHash('sha256').update(spkiDer).digest('hex') },
  };
}

describe('a store with keys under the digest of another encoding', () => {
  it('keeps distrusting them under their present name, and trusts them again under either name', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const { now, former } = formerRoot();
    expect(former.keyFingerprint).not.toBe(now.keyFingerprint);
    const store = await openTestStore({ path });
    try {
      const bundle = bundleOf(istio, [former], { sequence: 10n });
      await store.addRelationship(relationship(), version(bundle, start, 'bootstrap'), added());
      const decision = { trustDomain: istio, at: at(12), actor: 'operator:t', reason: 'stolen' };
      const { keyFingerprint } = former;
      for (const name of [now.keyFingerprint, former.keyFingerprint]) {
        await store.distrustKey({ ...decision, keyFingerprint, label: 'aaaaaa CN=Odd root' });
        expect(await store.distrustedKeys()).toMatchObject([{ keyFingerprint: now.keyFingerprint }]);
        const again = { ...decision, keyFingerprint: name, decision: 'trusted-again' as const };
        expect(await store.trustKeyAgain(again)).toBe(true);
        expect(await store.distrustedKeys()).toEqual([]);
      }
    } finally {
      await store.close();
    }
    expect((await verifyStoreFile(path)).findings).toEqual([]);
  });
});
