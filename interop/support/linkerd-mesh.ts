import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLinkerdAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { pemFromCertificates, pinOfKey } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { FakeLinkerd } from '../../test/mesh-adapters/linkerd/fake-linkerd.ts';
import type { TestCa, TestLeafOptions } from '../../testkit/test-ca.ts';

const HOUR_MS = 3_600_000;

/** Valid now, for programs that have a clock of their own. */
export function nowish(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
}

/** The name that Linkerd gives to the workload `web` of the namespace `shop`. */
export function linkerdName(trustDomain: string): string {
  return `web.shop.serviceaccount.identity.linkerd.${trustDomain}`;
}

/** The paths of a chain and of its key. */
export interface LeafFiles {
  readonly chain: string;
  readonly key: string;
}

/** Files that programs read, until the scope ends. */
export class PemFolder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'federate-pem-'));
  #files = 0;

  put(text: string): string {
    this.#files += 1;
    const path = join(this.#path, `${this.#files}.pem`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  putCertificates(...certificates: readonly Uint8Array[]): string {
    return this.put(pemFromCertificates(certificates));
  }

  /** A leaf with these names instead of an ID, and what it sends along. */
  async issue(ca: TestCa, names: TestLeafOptions): Promise<LeafFiles> {
    const leaf = await ca.issueLeaf({ uriSans: [], ...nowish(), ...names });
    return { chain: this.put(leaf.certPem), key: this.put(leaf.keyPem) };
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/**
 * The anchors that the proxies of Linkerd mesh `own` get when our adapter has written these peers: through trust-manager, as
 * it does it. With `unnarrowed` the operator has accepted that the roots go in as they are.
 */
export async function linkerdAnchors(
  own: TestCa,
  peers: readonly TestCa[],
  options: { readonly unnarrowed?: boolean } = {},
): Promise<string> {
  await using linkerd = new FakeLinkerd();
  await linkerd.start(`identityTrustDomain: ${own.trustDomain}\nidentity: {externalCA: true}\n`);
  linkerd.putOwn(pemFromCertificates([own.root]));
  const adapter = createLinkerdAdapter({
    kubernetes: linkerd.api.source,
    namespace: 'linkerd',
    trustNamespace: 'cert-manager',
    bundle: 'linkerd-identity-trust-roots',
    namePrefix: 'federate-',
    pins: [pinOfKey(own.authority.keyFingerprint)],
    linkerdPeers: peers.map(({ trustDomain }) => trustDomain),
    acceptUnnarrowed: options.unnarrowed ?? false,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  const reports = await adapter.applyForeignTrust(
    peers.map((peer) => peer.bundle()),
    new AbortController().signal,
  );
  await adapter.stop();
  const refused = reports.find(({ state }) => state !== 'accepted');
  if (refused) throw new Error(`the adapter did not write ${refused.trustDomain}: ${refused.message}`);
  return linkerd.anchors;
}

/** The root of a Linkerd mesh, all of which are called the same unless somebody gave them a name. */
export async function linkerdRoot(trustDomain: string): Promise<TestCa> {
  return await presentCa(trustDomain, 'CN=root.linkerd.cluster.local');
}
