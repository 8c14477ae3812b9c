import { type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { defined } from '../../objects/index.ts';
import { type Clock, Listeners, type Log, Turns } from '../../platform/index.ts';
import {
  generateKeyPair,
  issueCertificate,
  parseCertificate,
  spiffeIdOf,
  type TrustDomain,
  type X509Authority,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import { CaFolder, type RootPhase, type StoredRoot } from './ca-folder.ts';
import type { CertificateProfile } from './certificate-profile.ts';
import { SimulatedMeshError } from './errors.ts';

/** The phase of a rotation: none running · the new root is published · the new root signs. */
export type RotationPhase = 'stable' | 'published' | 'activated';

/** A trusted root of the own mesh. */
export interface OwnRoot {
  /** Counts from 1, never used twice. */
  readonly number: number;
  readonly phase: RootPhase;
  readonly authority: X509Authority;
  /** What a holder of an older root needs too: this root's key, signed by the root before it. */
  readonly crossSigned?: Uint8Array;
  /** The certificate under this root that signs leaves; absent while the root is `next`. */
  readonly intermediate?: Uint8Array;
}

interface IssuedLeaf {
  /** Leaf first, then the intermediates, the root not among them. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly rootNumber: number;
}

const DAY_MS = 86_400_000;
const ROOT_LIFE_MS = 3650 * DAY_MS;
const INTERMEDIATE_LIFE_MS = 365 * DAY_MS;
/** An intermediate with less than this left is replaced before it signs again. */
const INTERMEDIATE_MARGIN_MS = 30 * DAY_MS;

/**
 * The CA of a simulated mesh: root, intermediate, leaves, and a rotation in three steps. The steps
 * ensure that a root signs only after peers could learn of it (FED-18) and leaves only after its
 * last use (FED-20). A folder holds everything, keys with mode 0600, and the CA survives a restart
 * in the middle of a rotation.
 */
export class CertificateAuthority {
  readonly trustDomain: TrustDomain;
  readonly #folder: CaFolder;
  readonly #profile: CertificateProfile;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Listeners();
  /**
   * One change at a time: issuing waits for a rotation step, and rotation steps wait for one
   * another.
   */
  readonly #turns = new Turns();

  private constructor(options: CertificateAuthorityOptions, folder: CaFolder) {
    this.trustDomain = options.trustDomain;
    this.#folder = folder;
    this.#profile = options.profile;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * The CA kept in `folder`, or a new one where there is none. Throws `SimulatedMeshError`:
   * `ca-state-malformed`, `ca-other-trust-domain`; the system's error when the folder cannot be
   * read or written.
   */
  static async open(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const folder = await CaFolder.open(options.folder, options.trustDomain);
    const authority = new CertificateAuthority(options, folder);
    if (folder.roots.length === 0) {
      const root = await authority.#makeRoot('active');
      await folder.save([await authority.#withIntermediate(root)]);
    }
    return authority;
  }

  /** The trusted roots: the retiring one first, then the active, then the next. */
  roots(): readonly OwnRoot[] {
    return this.#folder.roots.map((root) => ({
      number: root.number,
      phase: root.phase,
      authority: x509AuthorityFromDer(root.certificate),
      ...defined({ crossSigned: root.crossSigned }),
      ...(root.intermediate && { intermediate: root.intermediate.certificate }),
    }));
  }

  get phase(): RotationPhase {
    const phases = new Set(this.#folder.roots.map((root) => root.phase));
    if (phases.has('next')) return 'published';
    return phases.has('retiring') ? 'activated' : 'stable';
  }

  /** Calls back after the roots or their phases changed. Returns what ends that. */
  readonly onChange = this.#listeners.add;

  /**
   * Makes the next root and lists it among the own roots; the active one keeps signing. Throws
   * `rotation-phase`.
   */
  publish(): Promise<void> {
    return this.#turns.run(async () => {
      this.#expect('stable', 'publish');
      const [active] = this.#folder.roots;
      if (!active) throw new TypeError('unreachable: an open CA has a root');
      const next = await this.#makeRoot('next');
      const crossSigned = this.#profile.crossSigns ? await this.#crossSign(next, active) : undefined;
      await this.#changed([active, crossSigned ? { ...next, crossSigned } : next], 'new root published');
    });
  }

  /**
   * Lets the next root sign, by an intermediate of its own; the old root stays trusted. Throws
   * `rotation-phase`.
   */
  activate(): Promise<void> {
    return this.#turns.run(async () => {
      this.#expect('published', 'activate');
      const changed: StoredRoot[] = [];
      for (const root of this.#folder.roots) {
        const isNext = root.phase === 'next';
        changed.push(
          isNext
            ? await this.#withIntermediate({ ...root, phase: 'active' })
            : { ...root, phase: 'retiring' },
        );
      }
      await this.#changed(changed, 'new root activated');
    });
  }

  /** Drops the old root and its keys. Throws `rotation-phase`. */
  retire(): Promise<void> {
    return this.#turns.run(async () => {
      this.#expect('activated', 'retire');
      await this.#changed(
        this.#folder.roots.filter((root) => root.phase === 'active'),
        'old root retired',
      );
    });
  }

  /**
   * Signs a leaf for any given URI, in this product's shape (X509-10, X509-12, X509-14). The caller
   * decides which ID is allowed.
   */
  async issueLeaf(request: {
    readonly uri: string;
    readonly ttlMs: number;
    readonly dnsSans?: readonly string[];
  }): Promise<IssuedLeaf> {
    // Keys take longest to make and need no turn.
    const pair = await generateKeyPair(this.#profile.leafKey);
    return this.#turns.run(async () => {
      const { root, intermediate } = await this.#signer();
      const now = this.#clock.now().getTime();
      const notBefore = new Date(now - this.#profile.backdateMs);
      const notAfter = new Date(now + request.ttlMs);
      const leaf = await issueCertificate({
        subject: '',
        publicKey: pair.publicKey,
        issuer: { certificate: intermediate.certificate, key: intermediate.key },
        notBefore,
        notAfter,
        isCa: false,
        keyUsage: this.#profile.leafKeyUsage,
        extendedKeyUsage: ['serverAuth', 'clientAuth'],
        uriSans: [request.uri],
        ...defined({ dnsSans: request.dnsSans }),
      });
      const chain = [leaf, intermediate.certificate, ...(root.crossSigned ? [root.crossSigned] : [])];
      return { chain, privateKey: pair.privateKey, notBefore, notAfter, rootNumber: root.number };
    });
  }

  async #signer(): Promise<{ root: StoredRoot; intermediate: NonNullable<StoredRoot['intermediate']> }> {
    const active = this.#folder.roots.find((root) => root.phase === 'active');
    if (!active?.intermediate) throw new TypeError('unreachable: an active root has an intermediate');
    const left =
      x509AuthorityFromDer(active.intermediate.certificate).notAfter.getTime() - this.#clock.now().getTime();
    if (left > INTERMEDIATE_MARGIN_MS) return { root: active, intermediate: active.intermediate };
    const renewed = await this.#withIntermediate(active);
    await this.#changed(
      this.#folder.roots.map((root) => (root === active ? renewed : root)),
      'intermediate renewed',
    );
    return { root: renewed, intermediate: renewed.intermediate };
  }

  async #makeRoot(phase: RootPhase): Promise<StoredRoot> {
    const pair = await generateKeyPair(this.#profile.caKey);
    const now = this.#clock.now().getTime();
    const certificate = await issueCertificate({
      subject: this.#profile.rootSubject(this.trustDomain, mark()),
      publicKey: pair.publicKey,
      signingKey: pair.privateKey,
      notBefore: new Date(now - this.#profile.backdateMs),
      notAfter: new Date(now + ROOT_LIFE_MS),
      ...this.#caShape(),
    });
    return { number: this.#folder.lastNumber + 1, phase, certificate, key: pair.privateKey };
  }

  async #withIntermediate(
    root: StoredRoot,
  ): Promise<StoredRoot & Required<Pick<StoredRoot, 'intermediate'>>> {
    const pair = await generateKeyPair(this.#profile.caKey);
    const now = this.#clock.now().getTime();
    const end = Math.min(
      now + INTERMEDIATE_LIFE_MS,
      x509AuthorityFromDer(root.certificate).notAfter.getTime(),
    );
    const certificate = await issueCertificate({
      subject: this.#profile.intermediateSubject(this.trustDomain, mark()),
      publicKey: pair.publicKey,
      issuer: { certificate: root.certificate, key: root.key },
      notBefore: new Date(now - this.#profile.backdateMs),
      notAfter: new Date(end),
      ...this.#caShape(),
      pathLength: 0,
    });
    return { ...root, intermediate: { certificate, key: pair.privateKey } };
  }

  async #crossSign(root: StoredRoot, by: StoredRoot): Promise<Uint8Array> {
    const { subjectDer, notBefore, notAfter } = parseCertificate(root.certificate);
    const signerEnd = x509AuthorityFromDer(by.certificate).notAfter;
    return issueCertificate({
      subject: '',
      subjectDer,
      publicKey: new X509Certificate(root.certificate).publicKey,
      issuer: { certificate: by.certificate, key: by.key },
      notBefore,
      notAfter: notAfter < signerEnd ? notAfter : signerEnd,
      ...this.#caShape(),
    });
  }

  #caShape() {
    return {
      isCa: true,
      keyUsage: this.#profile.caKeyUsage,
      ...(this.#profile.caCarriesSpiffeId && { uriSans: [spiffeIdOf(this.trustDomain)] }),
    };
  }

  #expect(phase: RotationPhase, step: string): void {
    if (this.phase === phase) return;
    throw new SimulatedMeshError(
      'rotation-phase',
      `a rotation runs publish, activate, retire: "${step}" needs phase "${phase}", the CA of ${this.trustDomain} is in "${this.phase}"`,
    );
  }

  async #changed(roots: readonly StoredRoot[], message: string): Promise<void> {
    await this.#folder.save(roots);
    this.#log.info(message, {
      trustDomain: this.trustDomain,
      phase: this.phase,
      roots: this.roots().map((root) => root.authority.fingerprint),
    });
    this.#listeners.notify();
  }
}

interface CertificateAuthorityOptions {
  /** Made with mode 0700 when it is not there. */
  readonly folder: string;
  readonly trustDomain: TrustDomain;
  readonly profile: CertificateProfile;
  readonly clock: Clock;
  readonly log: Log;
}

function mark(): string {
  return randomBytes(4).toString('hex');
}
