import { peeringTrustBundleMessage } from '../../grpc/index.ts';
import type { Clock, Log, Random } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Admission, PresentKey } from '../contract/admission.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { reportOf } from '../contract/foreign-report.ts';
import type { ForeignTrustReport, PresentTrust } from '../contract/mesh-adapter.ts';
import type { TrustComparison } from '../contract/peer-writes.ts';
import type { ConsulClient } from './consul-client.ts';
import type { ImportsByPeer } from './peer-imports.ts';
import { PeerLink } from './peer-link.ts';
import { deletePeering, generatePeeringToken, listPeerings, type Peering } from './peerings.ts';
import { fetchOwnTrust } from './read-own-trust.ts';
import { peerNameOf, renderTrustBundle } from './render.ts';

/** How long a comparison waits for the control plane's answer to a new bundle. */
const ANSWER_MS = 5000;

/**
 * Keeps one peering for each foreign trust domain. Each peering speaks for that trust domain only.
 * See docs/meshes/consul.md.
 */
export class ForeignTrustWriter {
  readonly #client: ConsulClient;
  readonly #prefix: string;
  readonly #onReport: (report: ForeignTrustReport) => void;
  readonly #imports: ImportsByPeer;
  readonly #onImports: () => void;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #links = new Map<TrustDomain, PeerLink>();

  constructor(options: {
    readonly client: ConsulClient;
    readonly peerNamePrefix: string;
    readonly onReport: (report: ForeignTrustReport) => void;
    readonly imports: ImportsByPeer;
    /** The cluster has answered about the services of a peer. */
    readonly onImports: () => void;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    this.#client = options.client;
    this.#prefix = options.peerNamePrefix;
    this.#onReport = options.onReport;
    this.#imports = options.imports;
    this.#onImports = options.onImports;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
  }

  /**
   * Compares and closes the gap, but leaves the peerings of `kept`. A peering that cannot be
   * deleted is reported for its trust domain and does not stop the others. Throws
   * `MeshAdapterError` where the cluster cannot be read.
   */
  async apply({ wanted, signal, kept }: TrustComparison): Promise<ForeignTrustReport[]> {
    const [own, peerings] = await Promise.all([
      fetchOwnTrust(this.#client, signal),
      listPeerings(this.#client, this.#prefix, signal),
    ]);
    const placed = await chooseForeignTrust(wanted, {
      own,
      scope: 'per-trust-domain',
      taken: this.#takenBy(peerings, wanted),
      present: this.#presentKeys(),
      now: this.#clock.now(),
      render: ({ bundle }, roots) => ({ roots, message: renderTrustBundle(bundle.trustDomain, roots) }),
      bytesOf: ({ message }) => peeringTrustBundleMessage.encode(message).length,
    });
    const admissions = placed.map(({ admission, rendered }) => ({
      ...admission,
      roots: rendered?.roots ?? [],
    }));
    const removals = await this.#removeSurplus(peerings, admissions, kept, signal);
    const reports = await Promise.all(admissions.map((admission) => this.#hold(admission, signal)));
    const wantedDomains = new Set(wanted.map(({ trustDomain }) => trustDomain));
    return [
      // A revoked bundle is not revoked while its peering still exists.
      ...reports.map((report) => {
        const removal = removals.get(report.trustDomain);
        return removal?.state === 'failed' ? { ...report, ...removal } : report;
      }),
      ...[...removals.values()].filter(({ trustDomain }) => !wantedDomains.has(trustDomain)),
    ];
  }

  /**
   * The peerings of ours; Consul does not show which roots it took from them. Throws
   * `MeshAdapterError`.
   */
  async present(signal: AbortSignal): Promise<PresentTrust[]> {
    const peerings = await listPeerings(this.#client, this.#prefix, signal);
    return peerings.flatMap(({ name, state, ownedFor }) =>
      ownedFor === undefined || state === 'DELETING'
        ? []
        : [{ trustDomain: ownedFor, where: `peering ${name}` }],
    );
  }

  /** Dials every stream that was lost, because the cluster answers again. */
  dialNow(): void {
    for (const link of this.#links.values()) link.dialNow();
  }

  /** Sends every peer's services where they changed. */
  servicesChanged(): void {
    for (const link of this.#links.values()) link.servicesChanged();
  }

  /** Sends services of a peer again that the cluster has lost. */
  sendAgain(trustDomain: TrustDomain, lost: readonly string[]): void {
    this.#links.get(trustDomain)?.servicesChanged(lost);
  }

  /**
   * Waits for the cluster's answer about the services of a peer. Returns false where there is no
   * peering that could carry them.
   */
  async servicesSettled(trustDomain: TrustDomain, signal: AbortSignal): Promise<boolean> {
    const link = this.#links.get(trustDomain);
    await link?.servicesSettled(ANSWER_MS, signal);
    return link !== undefined;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.stop()));
    this.#links.clear();
  }

  /**
   * The product keeps one bundle for each trust domain and the last one wins. We do not claim a
   * trust domain that other peerings speak for.
   */
  #takenBy(peerings: readonly Peering[], wanted: readonly TrustBundle[]): Set<string> {
    const others = peerings.filter(({ ownedFor }) => ownedFor === undefined);
    const names = new Set(others.map(({ name }) => name));
    const taken = new Set(others.flatMap(({ peerTrustDomain }) => peerTrustDomain ?? []));
    for (const { trustDomain } of wanted)
      if (names.has(peerNameOf(trustDomain, this.#prefix))) taken.add(trustDomain);
    return taken;
  }

  #presentKeys(): readonly PresentKey[] {
    return [...this.#links].flatMap(([trustDomain, { roots }]) =>
      roots.map(({ keyFingerprint }) => ({ trustDomain, keyFingerprint })),
    );
  }

  async #hold(admission: Admission, signal: AbortSignal): Promise<ForeignTrustReport> {
    const { bundle, refusal } = admission;
    const { trustDomain } = bundle;
    const link = this.#links.get(trustDomain);
    const now = this.#clock.now();
    if (refusal) {
      const report = reportOf(admission, 'refused', now);
      if (!link) return report;
      // Add nothing; remove what the peer no longer lists; keep the rest.
      const still = new Set(admission.roots.map(({ fingerprint }) => fingerprint));
      link.update(
        bundle,
        link.roots.filter(({ fingerprint }) => still.has(fingerprint)),
      );
      const { state, code } = await link.settled(ANSWER_MS, signal);
      return { ...report, endedRootsStand: state !== 'accepted' || code !== undefined };
    }
    // A bundle without roots revokes all: its peering is already deleted.
    if (admission.roots.length === 0) return reportOf(admission, 'accepted', now);
    const held = link ?? this.#open(admission);
    held.update(bundle, admission.roots);
    const report = await held.settled(ANSWER_MS, signal);
    const [note] = admission.notes;
    return note && report.code === undefined ? { ...report, code: note.code, message: note.message } : report;
  }

  #open({ bundle, roots }: Admission): PeerLink {
    const { trustDomain } = bundle;
    const name = peerNameOf(trustDomain, this.#prefix);
    const link = new PeerLink({
      bundle,
      roots,
      imports: this.#imports.of(trustDomain),
      onImports: this.#onImports,
      generateToken: (signal) => generatePeeringToken(this.#client, name, trustDomain, signal),
      onReport: this.#onReport,
      clock: this.#clock,
      random: this.#random,
      log: this.#log.with({ peering: name }),
    });
    this.#links.set(trustDomain, link);
    return link;
  }

  /** Ends our peerings that no wanted bundle needs, and reports the outcome of each. */
  async #removeSurplus(
    peerings: readonly Peering[],
    admissions: readonly Admission[],
    staying: ReadonlySet<TrustDomain>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<TrustDomain, ForeignTrustReport>> {
    const kept = new Map(
      admissions
        .filter(({ roots, refusal }) => roots.length > 0 || refusal)
        .map(({ bundle: { trustDomain } }) => [peerNameOf(trustDomain, this.#prefix), trustDomain]),
    );
    const keptDomains = new Set(kept.values());
    for (const [trustDomain, link] of this.#links) {
      if (keptDomains.has(trustDomain) || staying.has(trustDomain)) continue;
      await link.stop();
      this.#links.delete(trustDomain);
      this.#imports.of(trustDomain).peeringEnded();
    }
    const removals = new Map<TrustDomain, ForeignTrustReport>();
    for (const { name, state, ownedFor } of peerings) {
      if (ownedFor === undefined || kept.get(name) === ownedFor || state === 'DELETING') continue;
      if (staying.has(ownedFor)) continue;
      const report = { trustDomain: ownedFor, at: this.#clock.now() };
      try {
        await deletePeering(this.#client, name, signal);
        this.#log.info('peering deleted', { peering: name, trustDomain: ownedFor });
        removals.set(ownedFor, { ...report, state: 'removed' });
      } catch (error) {
        if (signal.aborted || !(error instanceof MeshAdapterError)) throw error;
        const { code, message } = error;
        this.#log.warn('peering not deleted', { peering: name, trustDomain: ownedFor, error });
        removals.set(ownedFor, { ...report, state: 'failed', code, message });
      }
    }
    return removals;
  }
}
