import { X509Certificate } from 'node:crypto';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/platform/index.ts';
import { CertificateAuthority } from '../../src/demonstration/simulated-mesh/certificate-authority.ts';
import { consulCertificateProfile } from '../../src/demonstration/simulated-mesh/consul/certificate-profile.ts';
import { istioCertificateProfile } from '../../src/demonstration/simulated-mesh/istio/certificate-profile.ts';
import {
  EXTENDED_KEY_USAGE_OIDS,
  generateKeyPair,
  issueCertificate,
  parseCertificate,
  parseTrustDomain,
  verifyX509Path,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { NOW } from './support/meshes.ts';

const istioDomain = parseTrustDomain('istio.example');
const consulDomain = parseTrustDomain('11111111-2222-3333-4444-555555555555.consul');
const HOUR = 3_600_000;

let folder: ReturnType<typeof tempDir>;
let clock: TestClock;
beforeEach(() => {
  folder = tempDir();
  clock = new TestClock(NOW);
});
afterEach(() => folder[Symbol.dispose]());

const openIstio = () =>
  CertificateAuthority.open({
    folder: folder.path,
    trustDomain: istioDomain,
    profile: istioCertificateProfile,
    clock,
    log: silentLog,
  });
const openConsul = () =>
  CertificateAuthority.open({
    folder: folder.path,
    trustDomain: consulDomain,
    profile: consulCertificateProfile,
    clock,
    log: silentLog,
  });

describe('the Istio shape', () => {
  it('has a root named O=<td> that only signs and carries no SPIFFE ID (X509-15, X509-17)', async () => {
    const authority = await openIstio();
    const root = parseCertificate(authority.roots()[0]?.authority.der ?? new Uint8Array());
    expect(root.subject).toBe('O=istio.example');
    expect(root.isSelfIssued).toBe(true);
    expect(root.isCa).toBe(true);
    expect([...(root.keyUsage ?? [])]).toEqual(['keyCertSign']);
    expect(root.extensions.keyUsage?.critical).toBe(true);
    expect(root.subjectAltNames.uris).toEqual([]);
  });

  it('has leaves with an empty subject, a critical URI SAN, both purposes, two minutes backdated (X509-10, X509-12, X509-14)', async () => {
    const authority = await openIstio();
    const uri = 'spiffe://istio.example/ns/shop/sa/web';
    const issued = await authority.issueLeaf({ uri, ttlMs: HOUR });
    const [leafDer = new Uint8Array(), ...helpers] = issued.chain;
    const leaf = parseCertificate(leafDer);
    expect(leaf.subject).toBe('');
    expect(leaf.extensions.subjectAltName?.critical).toBe(true);
    expect(leaf.subjectAltNames).toEqual({ uris: [uri], dnsNames: [], ips: [], emails: [] });
    expect([...(leaf.keyUsage ?? [])]).toEqual(['digitalSignature', 'keyEncipherment']);
    expect(leaf.extensions.keyUsage?.critical).toBe(true);
    expect(leaf.extendedKeyUsage).toEqual(
      new Set([EXTENDED_KEY_USAGE_OIDS.serverAuth, EXTENDED_KEY_USAGE_OIDS.clientAuth]),
    );
    expect(leaf.isCa).toBe(false);
    expect(leaf.notBefore.getTime()).toBe(NOW.getTime() - 120_000);
    expect(leaf.notAfter.getTime()).toBe(NOW.getTime() + HOUR);
    expect(issued.privateKey.asymmetricKeyType).toBe('rsa');
    expect(helpers).toHaveLength(1);
    const { path } = verifyX509Path({
      leaf: leafDer,
      helpers,
      anchors: authority.roots().map((root) => root.authority),
      now: NOW,
    });
    expect(path).toHaveLength(3);
  });
});

describe('the Consul shape', () => {
  it('has CAs on P-256 with the ID of the trust domain and digitalSignature next to the CA bits (X509-16, X509-17)', async () => {
    const authority = await openConsul();
    const issued = await authority.issueLeaf({
      uri: `spiffe://${consulDomain}/ns/default/dc/dc1/svc/info`,
      ttlMs: HOUR,
    });
    const root = authority.roots()[0]?.authority.der ?? new Uint8Array();
    for (const der of [root, issued.chain[1] ?? root]) {
      const ca = parseCertificate(der);
      expect(ca.subjectAltNames.uris).toEqual([`spiffe://${consulDomain}`]);
      expect(new Set(ca.keyUsage)).toEqual(new Set(['digitalSignature', 'keyCertSign', 'cRLSign']));
      expect(ca.isCa).toBe(true);
    }
    expect(issued.privateKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it('has leaves with a URI SAN and no DNS SAN, which a narrowed anchor would refuse', async () => {
    const authority = await openConsul();
    const uri = `spiffe://${consulDomain}/ns/default/dc/dc1/svc/info`;
    const [leaf = new Uint8Array()] = (await authority.issueLeaf({ uri, ttlMs: HOUR })).chain;
    expect(parseCertificate(leaf).subjectAltNames).toEqual({
      uris: [uri],
      dnsNames: [],
      ips: [],
      emails: [],
    });
  });
});

describe('a narrowed anchor of the Consul root', () => {
  it('accepts the Consul leaf as it is, and would refuse one with a DNS SAN (docs/narrowing.md)', async () => {
    const authority = await openConsul();
    const [root] = authority.roots();
    if (!root) throw new Error('expected a root');
    const throwaway = await generateKeyPair('P-256');
    const anchor = await issueCertificate({
      subject: '',
      subjectDer: parseCertificate(root.authority.der).subjectDer,
      issuerDer: parseCertificate(root.authority.der).subjectDer,
      publicKey: new X509Certificate(root.authority.der).publicKey,
      signingKey: throwaway.privateKey,
      notBefore: root.authority.notBefore,
      notAfter: root.authority.notAfter,
      isCa: true,
      keyUsage: ['keyCertSign'],
      nameConstraints: { permittedUris: [consulDomain], permittedDns: [`${consulDomain}.invalid`] },
    });
    const uri = `spiffe://${consulDomain}/ns/default/dc/dc1/svc/info`;
    const verify = async (request: { uri: string; dnsSans?: string[] }) => {
      const { chain } = await authority.issueLeaf({ ttlMs: HOUR, ...request });
      const [leaf = new Uint8Array(), ...helpers] = chain;
      return verifyX509Path({ leaf, helpers, anchors: [x509AuthorityFromDer(anchor)], now: NOW }).path.length;
    };
    expect(await verify({ uri })).toBe(3);
    const refused = expect.objectContaining({ code: expect.any(String) });
    await expect(verify({ uri, dnsSans: ['info.service.consul'] })).rejects.toEqual(refused);
    await expect(verify({ uri: 'spiffe://istio.example/ns/shop/sa/web' })).rejects.toEqual(refused);
  });
});

describe('CertificateAuthority rotation', () => {
  it('runs publish, activate, retire, and lists a root before it signs anything (FED-18, FED-20)', async () => {
    const authority = await openIstio();
    const phases = () => authority.roots().map(({ number, phase }) => `${number} ${phase}`);
    const signer = async () =>
      (await authority.issueLeaf({ uri: 'spiffe://istio.example/x', ttlMs: HOUR })).rootNumber;
    expect([authority.phase, phases(), await signer()]).toEqual(['stable', ['1 active'], 1]);
    await authority.publish();
    expect([authority.phase, phases(), await signer()]).toEqual(['published', ['1 active', '2 next'], 1]);
    await authority.activate();
    expect([authority.phase, phases(), await signer()]).toEqual(['activated', ['1 retiring', '2 active'], 2]);
    await authority.retire();
    expect([authority.phase, phases(), await signer()]).toEqual(['stable', ['2 active'], 2]);
  });

  it('refuses a step out of order and changes nothing', async () => {
    const authority = await openIstio();
    await expect(authority.activate()).rejects.toMatchObject({ code: 'rotation-phase' });
    await expect(authority.retire()).rejects.toMatchObject({ code: 'rotation-phase' });
    await authority.publish();
    await expect(authority.publish()).rejects.toMatchObject({ code: 'rotation-phase' });
    expect(authority.phase).toBe('published');
  });

  it('gives Istio roots one subject and keys of their own', async () => {
    const authority = await openIstio();
    await authority.publish();
    const [first, second] = authority.roots().map(({ authority: root }) => parseCertificate(root.der));
    expect(first?.subject).toBe(second?.subject);
    expect(first?.subjectKeyId).not.toBe(second?.subjectKeyId);
  });

  it('lets a client that holds only the old Consul root follow to the new one by the cross-signed certificate', async () => {
    const authority = await openConsul();
    const [old] = authority.roots().map((root) => root.authority);
    await authority.publish();
    await authority.activate();
    const { chain } = await authority.issueLeaf({ uri: `spiffe://${consulDomain}/x`, ttlMs: HOUR });
    const [leaf = new Uint8Array(), ...helpers] = chain;
    const anchors = old ? [old] : [];
    expect(verifyX509Path({ leaf, helpers, anchors, now: NOW }).path).toHaveLength(4);
    expect(() => verifyX509Path({ leaf, helpers: helpers.slice(0, 1), anchors, now: NOW })).toThrow(
      expect.objectContaining({ code: expect.any(String) }),
    );
  });

  it('notifies its listeners of every change', async () => {
    const authority = await openConsul();
    const seen: string[] = [];
    const stop = authority.onChange(() => seen.push(authority.phase));
    await authority.publish();
    await authority.activate();
    stop();
    await authority.retire();
    expect(seen).toEqual(['published', 'activated']);
  });
});

describe('CertificateAuthority.open()', () => {
  it('finds the same CA again in every phase', async () => {
    const authority = await openConsul();
    const steps = [() => authority.publish(), () => authority.activate(), () => authority.retire()];
    for (const step of steps) {
      await step();
      const again = await openConsul();
      expect(again.phase).toBe(authority.phase);
      expect(again.roots()).toEqual(authority.roots());
    }
    const again = await openConsul();
    const { chain } = await again.issueLeaf({ uri: `spiffe://${consulDomain}/x`, ttlMs: HOUR });
    const [leaf = new Uint8Array(), ...helpers] = chain;
    verifyX509Path({ leaf, helpers, anchors: authority.roots().map((root) => root.authority), now: NOW });
    await again.publish();
    expect(again.roots().map(({ number }) => number)).toEqual([2, 3]);
  });

  it('keeps keys with mode 0600 and removes those of a retired root', async () => {
    const authority = await openConsul();
    await authority.publish();
    await authority.activate();
    const keys = () =>
      readdirSync(folder.path)
        .filter((name) => name.endsWith('.key'))
        .toSorted();
    expect(keys()).toEqual(['intermediate-1.key', 'intermediate-2.key', 'root-1.key', 'root-2.key']);
    for (const name of keys()) expect(statSync(join(folder.path, name)).mode & 0o777).toBe(0o600);
    await authority.retire();
    expect(keys()).toEqual(['intermediate-2.key', 'root-2.key']);
    // The next start removes what a crash between the two writes left behind.
    writeFileSync(folder.file('root-1.key'), 'left behind');
    await openConsul();
    expect(keys()).toEqual(['intermediate-2.key', 'root-2.key']);
  });

  it('refuses the folder of another trust domain, and one it cannot read', async () => {
    await openConsul();
    await expect(openIstio()).rejects.toMatchObject({ code: 'ca-other-trust-domain' });
    rmSync(folder.file('root-1.key'));
    await expect(openConsul()).rejects.toMatchObject({ code: 'ca-state-malformed' });
  });

  it('replaces an intermediate before it runs out', async () => {
    const authority = await openConsul();
    const leafOf = () => authority.issueLeaf({ uri: `spiffe://${consulDomain}/x`, ttlMs: HOUR });
    const before = (await leafOf()).chain[1];
    await clock.advance(340 * 86_400_000);
    const after = await leafOf();
    expect(after.chain[1]).not.toEqual(before);
    const [leaf = new Uint8Array(), ...helpers] = after.chain;
    verifyX509Path({
      leaf,
      helpers,
      anchors: authority.roots().map((root) => root.authority),
      now: clock.now(),
    });
  });
});
