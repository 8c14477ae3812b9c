import { BundleEndpoint } from '../../src/bundle-endpoint/index.ts';
import {
  createHostLookup,
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  Federation,
} from '../../src/federation/index.ts';
import { type InvitationParts, Invitations } from '../../src/invitation/index.ts';
import { type Svid, svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import {
  bundleOf,
  defaultBundleLimits,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
} from '../../src/spiffe/index.ts';
import { type Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { PATIENCE_MS } from '../../testkit/patience.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createFailingStore, type FailingStore } from '../../testkit/failing-store.ts';
import { writeFileSync } from 'node:fs';

const HOUR_MS = 3_600_000;

/** Certificates are also looked at by TLS stacks, which have the machine's clock. */
const NOW = new Date();
export const VALID = {
  notBefore: new Date(NOW.getTime() - HOUR_MS),
  notAfter: new Date(NOW.getTime() + 48 * HOUR_MS),
};

export interface SideOptions {
  readonly profile?: 'https_spiffe' | 'https_web';
  /** Where it says it is; default where it is. */
  readonly url?: string;
  readonly parts?: Partial<InvitationParts>;
  /** Called when a relationship was added, before the agents hear of it. */
  readonly added?: () => void;
  /** A clock that differs from the other side's. */
  readonly clockOffsetMs?: number;
}

interface Wanted {
  readonly peer?: TrustDomain;
  readonly expiresInSeconds?: number;
  readonly requireApproval?: boolean;
}

/** One agent's invitations over its real endpoint on loopback, its own store, and a clock that stands still. */
export class InvitationSide {
  readonly name: string;
  readonly ca: TestCa;
  readonly clock: TestClock;
  readonly log = createRecordingLog();
  readonly store: FailingStore;
  readonly endpoint: BundleEndpoint;
  federation: Federation;
  invitations: Invitations;
  own: TrustBundle;
  svid: Svid | undefined;
  readonly #options: SideOptions;
  readonly #store: Store;
  readonly #webCaPem: string | undefined;
  readonly #folder: ReturnType<typeof tempDir>;

  private constructor(made: {
    readonly name: string;
    readonly ca: TestCa;
    readonly svid: Svid;
    readonly store: Store;
    readonly endpoint: BundleEndpoint;
    readonly options: SideOptions;
    readonly webCaPem: string | undefined;
    readonly folder: ReturnType<typeof tempDir>;
  }) {
    this.name = made.name;
    this.ca = made.ca;
    this.svid = made.svid;
    this.#store = made.store;
    this.store = createFailingStore(made.store);
    this.endpoint = made.endpoint;
    this.#options = made.options;
    this.#webCaPem = made.webCaPem;
    this.#folder = made.folder;
    this.clock = new TestClock(new Date(NOW.getTime() + (made.options.clockOffsetMs ?? 0)));
    this.own = bundleOf(made.ca.trustDomain, [made.ca.authority], { sequence: 1n, refreshHintSeconds: 300 });
    this.endpoint.publish(this.own);
    this.federation = this.#federation();
    this.invitations = this.#invitations();
  }

  static async start(name: string, options: SideOptions = {}): Promise<InvitationSide> {
    const ca = await createTestCa({ trustDomain: name, ...VALID });
    const leaf = await ca.issueLeaf({ path: '/federate', ...VALID });
    const svid = svidFromPem(leaf.certPem, leaf.keyPem);
    const folder = tempDir();
    const profile = options.profile ?? 'https_spiffe';
    let webCaPem: string | undefined;
    if (profile === 'https_web') {
      const web = await createTestCa({ trustDomain: 'web.example', ...VALID });
      const shown = await web.issueLeaf({ uriSans: [], dnsSans: ['localhost'], ...VALID });
      writeFileSync(folder.file('web.pem'), shown.certPem);
      writeFileSync(folder.file('web.key'), shown.keyPem, { mode: 0o600 });
      webCaPem = pemFromCertificates([web.root]);
    }
    const endpoint = new BundleEndpoint({
      profile:
        profile === 'https_web'
          ? { kind: profile, certificateFile: folder.file('web.pem'), keyFile: folder.file('web.key') }
          : { kind: profile, svid: { current: () => svid, onChange: () => () => {} } },
      url: new URL('https://localhost/'),
      path: '/',
      limits: { maxConnections: 500, maxConnectionsPerAddress: 500 },
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics({ processMetrics: false }),
    });
    await endpoint.start({ host: '127.0.0.1', port: 0 });
    const store = await openTestStore();
    const side = new InvitationSide({ name, ca, svid, store, endpoint, options, webCaPem, folder });
    await side.#begin();
    return side;
  }

  async #begin(): Promise<void> {
    await this.federation.start(new AbortController().signal);
    await this.invitations.start();
    this.endpoint.extend(this.invitations.reception);
  }

  /** Stops the agent as a crash would, and starts another one on the same store. */
  async restart(): Promise<void> {
    await this.invitations.stop();
    await this.federation.stop();
    this.federation = this.#federation();
    this.invitations = this.#invitations();
    await this.#begin();
  }

  get port(): number {
    return this.endpoint.address().port;
  }

  get url(): string {
    return this.#options.url ?? `https://localhost:${this.port}/`;
  }

  #federation(): Federation {
    return new Federation({
      store: this.store,
      clock: this.clock,
      log: this.log,
      own: () => this.own,
      random: systemRandom,
      metrics: createMetrics({ processMetrics: false }),
      fetchLimits: defaultFetchLimits,
      bundleLimits: defaultBundleLimits,
      redirects: defaultRedirectSettings,
      schedule: defaultScheduleSettings,
      watch: { seconds: 300, most: 0 },
      concurrency: 10,
      lookup: createHostLookup(),
      proxy: this.#options.parts?.proxy,
    });
  }

  #invitations(): Invitations {
    const { federation } = this;
    const { relationships } = federation;
    return new Invitations({
      store: this.store,
      federation: {
        bundles: federation.bundles,
        peers: federation.peers,
        relationships: {
          check: (request) => relationships.check(request),
          vouchingRoots: (reported) => relationships.vouchingRoots(reported),
          change: (trustDomain, change) => relationships.change(trustDomain, change),
          add: async (request) => {
            const added = await relationships.add(request);
            this.#options.added?.();
            return added;
          },
        },
      },
      own: () => this.own,
      svid: { current: () => this.svid, onChange: () => () => {} },
      endpoint: {
        url: new URL(this.url),
        profile: this.#options.profile ?? 'https_spiffe',
        ...(this.#webCaPem === undefined ? {} : { webPkiCaPem: this.#webCaPem }),
      },
      clock: this.clock,
      random: systemRandom,
      log: this.log,
      lookup: createHostLookup(),
      fetchLimits: defaultFetchLimits,
      bundleLimits: defaultBundleLimits,
      ...this.#options.parts,
    });
  }

  /** The line of a new invitation. */
  async give({ peer, expiresInSeconds, requireApproval }: Wanted = {}): Promise<string> {
    const { desk } = this.invitations;
    return (await desk.give('operator:ann', peer, expiresInSeconds, requireApproval)).line;
  }

  /** Takes a line up; gives its state, or the code with which it was refused. */
  async take(line: string): Promise<string> {
    try {
      return (await this.invitations.taker.take(line, 'operator:bob')).status;
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  }

  /** Resolves when the newest invitation is as given; moves the clocks on, a second at a time, so that what waits goes on. */
  async until(newest: string, ...others: readonly InvitationSide[]): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let turn = 0; performance.now() < deadline; turn += 1) {
      if ((await this.newest()) === newest) return;
      if (turn % 8 === 0) for (const { clock } of [this, ...others]) await clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`waited in vain for ${newest}, it is ${await this.newest()}`);
  }

  /** Its relationships, each with its state and what its first trust rested on. */
  federated(): string[] {
    return this.federation.peers
      .status()
      .map((each) => `${each.trustDomain} ${each.state} ${each.bootstrap.kind}`);
  }

  /** Of the newest invitation: its role, its state, and why. */
  async newest(): Promise<string> {
    const [newest] = await this.#store.invitations({ limit: 1 });
    if (!newest) return 'none';
    return [newest.role, newest.state, newest.reason?.code].filter((word) => word !== undefined).join(' ');
  }

  /** The codes of what is on record about invitations, oldest first. */
  async story(): Promise<string[]> {
    const events = await this.#store.events({ limit: 1000 });
    return events
      .filter(({ kind }) => kind.startsWith('invitation-'))
      .map(({ kind, code }) => `${kind.slice('invitation-'.length)}${code === undefined ? '' : ` ${code}`}`)
      .toReversed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.invitations.stop();
    await this.federation.stop();
    await this.endpoint.stop(50);
    await this.#store.close();
    this.#folder[Symbol.dispose]();
  }
}

/** A certificate that no line pins: what somebody in the middle can show. */
export async function strangersCertificate(): Promise<{ certificatePem: string; keyPem: string }> {
  const ca = await createTestCa({ trustDomain: 'stranger.example', ...VALID });
  const { certPem, keyPem } = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'], ...VALID });
  return { certificatePem: certPem, keyPem };
}
