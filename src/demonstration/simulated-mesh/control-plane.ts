import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import {
  bundleOf,
  parseCertificate,
  parseSpiffeId,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { SdsSecret } from '../../workload-api/index.ts';
import { CertificateAuthority, type OwnRoot } from './certificate-authority.ts';
import type { CertificateProfile } from './certificate-profile.ts';
import { ControlServer } from './control-server.ts';
import type {
  ControlStatus,
  ForeignStatus,
  ForgedIdentity,
  RotationStep,
  WorkloadStatus,
} from './control-status.ts';
import { SimulatedMeshError } from './errors.ts';
import { type IdentityHolder, WorkloadIdentities } from './workload-identities.ts';
import { type WorkloadDiscovery, WorkloadSocket } from './workload-socket.ts';

/** A workload of the mesh, with the Unix socket on which it and its proxy are served. */
export interface Workload extends IdentityHolder {
  readonly sdsSocket: string;
}

/**
 * What a product adds to the common part: the form of its foreign trust for a proxy and for the
 * operator, and what a proxy gets of services and access rules.
 */
interface MeshEffect {
  /**
   * The `ROOTCA` secret that every proxy of the mesh gets, made of the own roots and the foreign
   * trust.
   */
  validationSecret(ownRoots: readonly OwnRoot[]): SdsSecret;
  foreign(): readonly ForeignStatus[];
  /** The foreign trust by trust domain, for workloads that verify themselves. */
  foreignBundles(): readonly TrustBundle[];
  refused(): { readonly code: string; readonly message: string } | undefined;
  /** What the proxy of the workload with that name may reach, and whom it lets in. */
  discovery(workload: string): WorkloadDiscovery;
}

const DEFAULT_SVID_TTL_MS = 3_600_000;

/**
 * What both simulated meshes share: the CA, the workloads' SVIDs, a socket for each workload, and
 * the operator's control socket. The product provides its foreign trust and its form as `effect`.
 */
export class ControlPlane {
  readonly authority: CertificateAuthority;
  readonly #options: ControlPlaneOptions;
  readonly #identities: WorkloadIdentities;
  readonly #sockets: ReadonlyMap<string, WorkloadSocket>;
  readonly #control: ControlServer;

  private constructor(options: ControlPlaneOptions, authority: CertificateAuthority) {
    this.#options = options;
    this.authority = authority;
    const { clock, log, workloads } = options;
    this.#identities = new WorkloadIdentities({
      authority,
      workloads,
      ttlMs: options.svidTtlMs ?? DEFAULT_SVID_TTL_MS,
      clock,
      log,
      onRenewed: ({ name }) => {
        this.#sockets.get(name)?.svidChanged();
        options.onSvidRenewed?.();
      },
    });
    this.#sockets = new Map(
      workloads.map(({ name }) => {
        const supply = {
          svid: () => this.#identities.current(name),
          ownBundle: () =>
            bundleOf(
              options.trustDomain,
              authority.roots().map((root) => root.authority),
            ),
          foreignBundles: () => options.effect.foreignBundles(),
          validationSecret: () => options.effect.validationSecret(authority.roots()),
          discovery: () => options.effect.discovery(name),
        };
        return [name, new WorkloadSocket(supply, { clock, log: log.with({ workload: name }) })];
      }),
    );
    this.#control = new ControlServer({
      path: options.controlSocket,
      log,
      operator: {
        status: () => this.status(),
        rotate: (step) => this.rotate(step),
        forge: (id) => this.forge(id),
      },
    });
  }

  /** Opens the CA in `folder`. Throws as `CertificateAuthority.open` does. */
  static async open(options: ControlPlaneOptions): Promise<ControlPlane> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const authority = await CertificateAuthority.open({ ...options, folder: join(options.folder, 'ca') });
    return new ControlPlane(options, authority);
  }

  /**
   * Issues the SVIDs and opens the workloads' sockets. Throws `WorkloadApiError` when a socket is
   * taken.
   */
  async start(): Promise<void> {
    await this.#identities.start();
    this.authority.onChange(() => this.trustChanged());
    for (const { name, sdsSocket } of this.#options.workloads)
      await this.#sockets.get(name)?.start(sdsSocket);
  }

  /**
   * Opens the control socket; the last thing a control plane does, so that an answer on it means
   * that it is ready.
   */
  async openControl(): Promise<void> {
    await mkdir(dirname(this.#options.controlSocket), { recursive: true });
    await this.#control.start();
  }

  async stop(): Promise<void> {
    await this.#control.stop();
    await this.#identities.stop();
    await Promise.all([...this.#sockets.values()].map((socket) => socket.stop()));
  }

  /** Hands the present trust to every proxy and every workload. */
  trustChanged(): void {
    for (const socket of this.#sockets.values()) socket.trustChanged();
  }

  /** Hands the present services and access rules to every proxy. */
  discoveryChanged(): void {
    for (const socket of this.#sockets.values()) socket.discoveryChanged();
  }

  /**
   * One step of a root rotation; after `activate` every workload has an SVID under the new root.
   * Throws `rotation-phase`.
   */
  async rotate(step: RotationStep): Promise<ControlStatus> {
    await this.authority[step]();
    // Proxies hold the new root since `publish`; peers had the time between the two commands
    // (FED-18).
    if (step === 'activate') await this.#identities.reissueAll();
    return this.status();
  }

  /**
   * Signs a leaf for any SPIFFE ID, of any trust domain. This is a test device without a
   * counterpart in the products. It plays an insider of a mesh who abuses its CA, so that the
   * peers' refusals can be observed.
   */
  async forge(id: string): Promise<ForgedIdentity> {
    const spiffeId = parseSpiffeId(id);
    const leaf = await this.authority.issueLeaf({
      uri: spiffeId,
      ttlMs: this.#options.svidTtlMs ?? DEFAULT_SVID_TTL_MS,
    });
    this.#options.log.warn('identity forged', { spiffeId, rootNumber: leaf.rootNumber });
    return {
      spiffeId,
      certificateChainPem: pemFromCertificates(leaf.chain),
      privateKeyPem: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      notAfter: leaf.notAfter.toISOString(),
    };
  }

  /** The SVID that the workload runs with now. Throws `not-started` before the first. */
  svidOf(workload: string) {
    const svid = this.#identities.current(workload);
    if (svid) return svid;
    throw new SimulatedMeshError('not-started', `workload ${JSON.stringify(workload)} has no SVID yet`);
  }

  status(): ControlStatus {
    const refused = this.#options.effect.refused();
    return {
      kind: this.#options.kind,
      trustDomain: this.#options.trustDomain,
      phase: this.authority.phase,
      roots: this.authority.roots().map(({ number, phase, authority }) => ({
        number,
        phase,
        fingerprint: authority.fingerprint,
        keyFingerprint: authority.keyFingerprint,
        subject: authority.subject,
        notBefore: authority.notBefore.toISOString(),
        notAfter: authority.notAfter.toISOString(),
      })),
      workloads: this.#options.workloads.map((workload) => this.#workloadStatus(workload)),
      foreign: this.#options.effect.foreign(),
      ...defined({ refused }),
    };
  }

  #workloadStatus({ name, id, sdsSocket }: Workload): WorkloadStatus {
    const svid = this.#identities.current(name);
    const [leaf] = svid?.chain ?? [];
    return {
      name,
      spiffeId: id,
      sdsSocket,
      ...(svid &&
        leaf && {
          svid: {
            fingerprint: parseCertificate(leaf).fingerprint,
            notAfter: svid.notAfter.toISOString(),
            rootNumber: svid.rootNumber,
            generation: svid.generation,
          },
        }),
      sds: (this.#sockets.get(name)?.acknowledged() ?? []).map(
        ({ secret, state: { currentVersion, proxies } }) => ({
          secret,
          currentVersion,
          proxies,
          inEffect: proxies.every((proxy) => proxy.acknowledged === currentVersion),
        }),
      ),
    };
  }
}

interface ControlPlaneOptions {
  readonly kind: ControlStatus['kind'];
  readonly folder: string;
  readonly trustDomain: TrustDomain;
  readonly profile: CertificateProfile;
  readonly workloads: readonly Workload[];
  readonly svidTtlMs?: number | undefined;
  readonly controlSocket: string;
  readonly effect: MeshEffect;
  /** Called after any workload got a new SVID. */
  readonly onSvidRenewed?: () => void;
  readonly clock: Clock;
  readonly log: Log;
}
