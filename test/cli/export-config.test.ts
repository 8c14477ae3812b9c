import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { exportForSpireControllerManager } from '../../src/cli/export-targets/spire-controller-manager.ts';
import { main } from '../../src/cli/main.ts';
import type { StatusDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import {
  certificatesFromPem,
  defaultBundleLimits,
  isNarrowedAnchor,
  parseBundle,
  parseCertificate,
  parseTrustDomain,
} from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';

const A = parseTrustDomain('a.example');
const SEQUENCE = 18446744073709551615n;
const spiffe = { profile: 'https_spiffe', endpoint_id: 'spiffe://a.example/agent' };
const web = { profile: 'https_web', endpoint_id: null };

let store: Store;
let ca: TestCa;
const folder = tempDir();
beforeAll(async () => {
  ca = await createTestCa({ trustDomain: A });
  store = await openTestStore();
  await store.replaceCurrent({
    trustDomain: A,
    expectedDigest: null,
    version: { bundle: ca.bundle(SEQUENCE), receivedAt: TEST_INSTANT, verdict: 'own', origin: 'files' },
  });
});
afterAll(() => folder[Symbol.dispose]());

type Shown = Pick<StatusDocument, 'own'> & { readonly endpoint?: object };

async function exported(product: string, shown: Partial<Shown> = {}, ...words: string[]) {
  const status: StatusDocument = {
    ready: true,
    trust_domain: A,
    started_at: TEST_INSTANT.toISOString(),
    own: { sequence: SEQUENCE.toString(), version: 1, authorities: 1, pin: 'sha256:00' },
    agent_id: null,
    identity: null,
    warnings: [],
    mesh: { kind: 'files', scope: 'per-trust-domain', connected: true, code: null, message: null },
    workload_api: null,
    relationships: { total: 0, by_state: {} },
    ...shown,
    endpoint: { url: 'https://a.example:8443/', serving: true, ca_file: null, ...spiffe, ...shown.endpoint },
  };
  const path = folder.file('admin.sock');
  const server = new AdminServer({
    path,
    ...stubAdmin(store, { 'GET /v1/status': () => status }),
  });
  await server.start();
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await main(['export-config', '--for', product, '--socket', path, ...words], terminal);
  await server.stop();
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** Whether a document is our bundle, to the last digit. */
function isOurs(document: string): boolean {
  const { bundle } = parseBundle(A, Buffer.from(document, 'utf8'), defaultBundleLimits);
  return bundle.sequence === SEQUENCE && bundle.x509Authorities[0]?.fingerprint === ca.authority.fingerprint;
}

/** What a shell makes of a command. */
function printed(command: string | undefined): string {
  return spawnSync('sh', ['-c', command ?? 'false'], { encoding: 'utf8' }).stdout;
}

describe('federate export-config', () => {
  it('gives SPIRE a federates_with block, and the first bundle for its command', async () => {
    const { code, out } = await exported('spire');
    expect(code).toBe(0);
    expect(out).toContain(
      'federates_with "a.example" {\n      bundle_endpoint_url = "https://a.example:8443/"',
    );
    expect(out).toContain(
      'bundle_endpoint_profile "https_spiffe" {\n        endpoint_spiffe_id = "spiffe://a.example/agent"',
    );
    const first = /^# {3}(printf .*) \| spire-server bundle set -format spiffe -id spiffe:\/\/a.example$/m;
    expect(isOurs(printed(first.exec(out)?.[1]))).toBe(true);
  });

  it("gives SPIRE what its federation command reads, our bundle's number to the last digit", async () => {
    const command = /^# {3}(printf .*) \| spire-server federation create -data -$/m;
    const { out } = await exported('spire');
    const text = printed(command.exec(out)?.[1]);
    expect(JSON.parse(text).federationRelationships).toMatchObject([
      {
        trustDomain: 'a.example',
        bundleEndpointURL: 'https://a.example:8443/',
        bundleEndpointProfile: 'https_spiffe',
        endpointSPIFFEID: 'spiffe://a.example/agent',
        trustDomainBundleFormat: 'spiffe',
      },
    ]);
    expect(isOurs(/"trustDomainBundle":(.*)\}\]\}$/.exec(text)?.[1] ?? '')).toBe(true);
  });

  it('gives SPIRE no first bundle where Web PKI proves the endpoint', async () => {
    const { out } = await exported('spire', { endpoint: web });
    expect(out).toContain('bundle_endpoint_profile "https_web" {}');
    expect(out).not.toContain('bundle set');
    const command = /^# {3}(printf .*) \| spire-server federation create -data -$/m;
    expect(JSON.parse(printed(command.exec(out)?.[1])).federationRelationships).toEqual([
      {
        trustDomain: 'a.example',
        bundleEndpointURL: 'https://a.example:8443/',
        bundleEndpointProfile: 'https_web',
      },
    ]);
  });

  it("gives SPIRE's controller manager a resource with the first bundle in it", async () => {
    const resource = parse((await exported('spire-controller-manager')).out);
    expect(resource).toMatchObject({
      apiVersion: 'spire.spiffe.io/v1alpha1',
      kind: 'ClusterFederatedTrustDomain',
      metadata: { name: 'a.example' },
      spec: {
        trustDomain: 'a.example',
        bundleEndpointURL: 'https://a.example:8443/',
        bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://a.example/agent' },
      },
    });
    expect(isOurs(resource.spec.trustDomainBundle)).toBe(true);
    const overWeb = parse((await exported('spire-controller-manager', { endpoint: web })).out);
    expect(overWeb.spec.bundleEndpointProfile).toEqual({ type: 'https_web' });
  });

  it('gives the resource a name that Kubernetes takes, whatever the trust domain is called', () => {
    const nameOf = (trustDomain: string) =>
      parse(
        exportForSpireControllerManager({
          trustDomain: parseTrustDomain(trustDomain),
          endpointUrl: 'https://a/',
          endpointId: undefined,
          profile: 'https_web',
          roots: [],
          document: '{}',
        }),
      ).metadata.name;
    expect(nameOf('a-1.b.example')).toBe('a-1.b.example');
    const others = ['a_b.example', 'a.b_example', '-a', 'a.', 'a..b'].map(nameOf);
    expect(new Set(others).size).toBe(5);
    for (const name of others) expect(name).toMatch(/^trust-domain-[0-9a-f]{16}$/);
  });

  it('gives Teleport the endpoint where it can fetch from it, else the bundle as it is now', async () => {
    const overWeb = parse((await exported('teleport', { endpoint: web })).out);
    expect(overWeb).toEqual({
      kind: 'spiffe_federation',
      version: 'v1',
      metadata: { name: 'a.example' },
      spec: { bundle_source: { https_web: { bundle_endpoint_url: 'https://a.example:8443/' } } },
    });
    const { out } = await exported('teleport');
    expect(isOurs(parse(out).spec.bundle_source.static.bundle)).toBe(true);
    expect(out).toContain('applied again before our roots rotate');
  });

  it('gives Istio narrowed anchors, never a root that could speak for every trust domain', async () => {
    const { caCertificates } = parse((await exported('istio')).out);
    expect(caCertificates).toHaveLength(1);
    expect(caCertificates[0].trustDomains).toEqual(['a.example']);
    const [der] = certificatesFromPem(caCertificates[0].pem);
    const anchor = parseCertificate(der ?? Buffer.alloc(0));
    expect(isNarrowedAnchor(anchor, A)).toBe(true);
    expect(anchor.keyFingerprint).toBe(ca.authority.keyFingerprint);
    expect(anchor.fingerprint).not.toBe(ca.authority.fingerprint);
  });

  it('prints a document for programs', async () => {
    const { out } = await exported('spire', {}, '--output', 'json');
    expect(JSON.parse(out)).toMatchObject({ for: 'spire', trust_domain: 'a.example' });
  });

  it('says so when there is nothing to export yet, and what else it knows', async () => {
    expect(await exported('spire', { own: null })).toMatchObject({
      code: 1,
      err: expect.stringContaining('[own-bundle-unknown]'),
    });
    expect(await exported('kuma')).toMatchObject({ code: 2, err: expect.stringContaining('teleport') });
  });
});
