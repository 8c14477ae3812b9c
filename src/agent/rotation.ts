import { tagOfBundle } from '../bundle-endpoint/index.ts';
import type { PeerHolding, PeerHoldings } from '../federation/index.ts';
import {
  type GateVerdict,
  judgeRootStages,
  judgeSigning,
  judgeUse,
  type OwnVersion,
  type PlanFinding,
  planRoots,
  type RotationTimes,
  type RotationView,
  type Signing,
} from '../rotation/index.ts';
import { isWarningCode, type WarningDocument } from '../admin/index.ts';
import type { OwnTrust } from '../mesh-adapters/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import { defined } from '../objects/index.ts';
import { type Clock, formatDurationMs, type Log, pause } from '../platform/index.ts';
import { type TrustBundle, verifyX509Svid, X509SvidError } from '../spiffe/index.ts';
import type { NewEvent, Relationship, RootStageChange, Store } from '../store/index.ts';
import { PeerAddresses } from './peer-addresses.ts';

/** How often time alone is looked at: roots that near their end, peers' addresses. */
const REVIEW_MS = 60_000;
/** How far back versions are known by their digest and tag. */
const VERSIONS = 100;

export interface RotationOptions {
  readonly store: Store;
  readonly own: () => TrustBundle | undefined;
  readonly svid: SvidSource | undefined;
  readonly holdings: PeerHoldings;
  readonly relationships: () => readonly Relationship[];
  readonly times: RotationTimes;
  /** The source of `OwnTrust.signing`. */
  readonly reportedBy: 'mesh' | 'config';
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Follows our own roots through their stages, records each, and warns of trouble before it happens.
 * `PeerHoldings` knows which peer has which root; the federation room makes all judgements.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #addresses = new PeerAddresses();
  readonly #stopping = new AbortController();
  #reported: Signing | undefined;
  #signing: Signing | undefined;
  #risks: readonly PlanFinding[] = [];
  /** When each impossible risk was found first. */
  readonly #since = new Map<PlanFinding['code'], Date>();
  #versions: { readonly of: TrustBundle; readonly list: readonly OwnVersion[] } | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** The root that signs now, as far as known. */
  get signing(): Signing | undefined {
    return this.#signing;
  }

  /** The conflicts of the last check. */
  get risks(): readonly PlanFinding[] {
    return this.#risks;
  }

  /** What cannot work about the rotation of our roots, and since when that is known. */
  impossible(): readonly Pick<WarningDocument, 'code' | 'message' | 'since'>[] {
    return this.#risks.flatMap((risk) => {
      if (risk.level !== 'impossible' || !isWarningCode(risk.code)) return [];
      const since = this.#since.get(risk.code) ?? this.#options.clock.now();
      return [{ code: risk.code, message: risk.message, since: since.toISOString() }];
    });
  }

  /** Begins to look, now and again; ends with `stop`. */
  start(): void {
    const { svid } = this.#options;
    const unwatch = svid?.onChange(() => void this.review());
    this.#running = this.#run().finally(unwatch);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#turn;
  }

  /** Handles a report of the mesh's roots, after the own bundle was made of them. */
  async observe({ signing }: OwnTrust): Promise<void> {
    this.#reported = signing && { fingerprints: new Set(signing), knownBy: this.#options.reportedBy };
    await this.review();
  }

  /** Looks at everything once. Never rejects: what fails is logged, and looked at again. */
  review(): Promise<void> {
    const turn = this.#turn.then(async () => {
      try {
        await this.#review();
      } catch (error) {
        this.#options.log.error('the stages of our own roots were not judged', {
          error,
        });
      }
    });
    this.#turn = turn;
    return turn;
  }

  /** The current input for judging a rotation; undefined before the mesh has reported its roots. */
  async view(): Promise<RotationView | undefined> {
    await this.review();
    return this.#view();
  }

  /** How many peers and pollers are not known to have some root of ours. */
  async laggards(): Promise<number> {
    const view = await this.#view();
    const missing = view?.roots.flatMap((root) => judgeUse(root, view).missing) ?? [];
    return new Set(missing.flatMap(({ peer, poller }) => peer ?? poller ?? [])).size;
  }

  async #run(): Promise<void> {
    const { clock, holdings, relationships } = this.#options;
    const { signal } = this.#stopping;
    do {
      const silent = relationships().filter(({ trustDomain }) => !holdings.of(trustDomain));
      await this.#addresses.refresh(silent, signal);
      await this.review();
    } while (await pause(clock, REVIEW_MS, signal));
  }

  async #review(): Promise<void> {
    const { store, own, clock, times } = this.#options;
    const bundle = own();
    if (!bundle) return;
    const now = clock.now();
    const anchor = this.#ownAnchor(bundle, now);
    this.#signing = judgeSigning({ bundle, reported: this.#reported, ownAnchor: anchor });
    const lives = await store.rootLives(bundle.trustDomain);
    const changes = judgeRootStages({ bundle, lives, signing: this.#signing, now });
    if (changes.length > 0) {
      await store.recordRootStages(changes.map((change) => ({ change, event: this.#eventOf(change) })));
      for (const { label, stage, knownBy } of changes)
        this.#options.log.info('own root came to a stage', { root: label, stage, known_by: knownBy });
    }
    const view = await this.#view();
    if (!view) return;
    if (lives.length > 0) await this.#reportEarlyUse(changes, view);
    const unproven: PlanFinding[] =
      anchor === 'none'
        ? [
            {
              level: 'impossible',
              code: 'own-svid-unproven',
              message:
                "the agent's own SVID chains to no root that we publish: the mesh signs with a root that no peer can have",
            },
          ]
        : [];
    await this.#reportRisks([...unproven, ...planRoots(view.roots, times, now)], bundle, now);
  }

  async #view(): Promise<RotationView | undefined> {
    const { store, own, clock, holdings, relationships, times } = this.#options;
    const bundle = own();
    if (!bundle) return undefined;
    const lives = new Map(
      (await store.rootLives(bundle.trustDomain)).map((life) => [life.fingerprint, life]),
    );
    const plain = holdings.plainPollers();
    const taken = new Set<string>();
    const peers = relationships().map((relationship) => {
      const { trustDomain } = relationship;
      const holding = holdings.of(trustDomain);
      if (holding) return { trustDomain, holding };
      const poller = plain.findLast(({ address }) => this.#addresses.of(relationship).includes(address));
      if (!poller) return { trustDomain };
      taken.add(poller.address);
      return { trustDomain, poller };
    });
    return {
      now: clock.now(),
      times,
      roots: bundle.x509Authorities.flatMap((authority) => {
        const life = lives.get(authority.fingerprint);
        return life ? [{ authority, life }] : [];
      }),
      signingKnown: this.#signing !== undefined,
      versions: await this.#versionsOf(bundle),
      peers,
      pollers: plain.filter(({ address }) => !taken.has(address)),
      forgotAt: holdings.forgotAt,
    };
  }

  async #versionsOf(bundle: TrustBundle): Promise<readonly OwnVersion[]> {
    if (this.#versions?.of === bundle) return this.#versions.list;
    const { refreshHintSeconds } = bundle;
    const history = await this.#options.store.history(bundle.trustDomain, { limit: VERSIONS });
    const list = history.map((version): OwnVersion => {
      const { sequence, x509Authorities } = version.bundle;
      return {
        digest: version.digest,
        publishedAt: version.receivedAt,
        roots: new Set(x509Authorities.map(({ fingerprint }) => fingerprint)),
        tag: tagOfBundle({
          ...version.bundle,
          ...defined({ refreshHintSeconds }),
        }),
        ...defined({ sequence }),
      };
    });
    this.#versions = { of: bundle, list };
    return list;
  }

  /**
   * The root of ours that our own SVID chains to; `none` where it chains to none of them, undefined
   * without a valid SVID.
   */
  #ownAnchor(bundle: TrustBundle, now: Date): string | undefined {
    const svid = this.#options.svid?.current();
    if (!svid || svid.notAfter <= now) return undefined;
    const source = { bundleFor: () => bundle };
    try {
      return verifyX509Svid(svid.certificateChain, source, { now, peerRole: 'server' }).anchorFingerprint;
    } catch (error) {
      if (error instanceof X509SvidError) return 'none';
      throw error;
    }
  }

  #eventOf({ stage, label, trustDomain, knownBy, at, fingerprint }: RootStageChange): NewEvent {
    const { leadMs, leafLifetimeMs } = this.#options.times;
    const until = (ms: number) =>
      `${formatDurationMs(ms)}, until ${new Date(at.getTime() + ms).toISOString()}`;
    const message = {
      published: `our root ${label} is published; a peer that does not report what it holds is given ${until(leadMs)}`,
      'in-use': `our root ${label} signs identities from now on (${knownBy})`,
      retiring: `our root ${label} has stopped signing (${knownBy}); what it signed may be in use for ${until(leafLifetimeMs)}`,
      gone: `our root ${label} is no longer published`,
    }[stage];
    return { at, kind: `root-${stage}`, trustDomain, actor: 'agent', message, detail: { fingerprint } };
  }

  /**
   * A CA that rotates on its own may sign with a root before any peer has it. Report that at once,
   * with the affected peers.
   */
  async #reportEarlyUse(changes: readonly RootStageChange[], view: RotationView): Promise<void> {
    const { store, log } = this.#options;
    for (const { fingerprint, stage, label, trustDomain, at } of changes) {
      const root = view.roots.find(({ authority }) => authority.fingerprint === fingerprint);
      if (stage !== 'in-use' || !root) continue;
      const verdict = judgeUse(root, view);
      if (verdict.safe) continue;
      const message = `our root ${label} signs identities before every peer has it: ${whoIsMissing(verdict)}`;
      log.warn('own root in use too early', { root: label, missing: verdict.missing.length });
      await store.recordEvent({
        at,
        kind: 'rotation-risk',
        trustDomain,
        actor: 'agent',
        code: 'root-used-early',
        message,
      });
    }
  }

  /** Each risk once, when it appears, and once when it is over. */
  async #reportRisks(found: readonly PlanFinding[], { trustDomain }: TrustBundle, at: Date): Promise<void> {
    const { store, log } = this.#options;
    const before = this.#risks;
    this.#risks = found;
    const impossible = new Set(found.filter(({ level }) => level === 'impossible').map(({ code }) => code));
    for (const code of impossible) if (!this.#since.has(code)) this.#since.set(code, at);
    for (const code of this.#since.keys()) if (!impossible.has(code)) this.#since.delete(code);
    const event = { at, trustDomain, actor: 'agent' };
    for (const risk of found) {
      if (risk.level === 'note' || before.some((each) => sameRisk(each, risk))) continue;
      log.warn('own roots at risk', { risk: risk.level, code: risk.code, why: risk.message });
      await store.recordEvent({ ...event, kind: 'rotation-risk', code: risk.code, message: risk.message });
    }
    for (const risk of before) {
      if (risk.level === 'note' || found.some((each) => sameRisk(each, risk))) continue;
      const message = `no longer so: ${risk.message}`;
      await store.recordEvent({ ...event, kind: 'recovered', code: risk.code, message });
    }
  }
}

/** Keeps over a restart what a peer proved. A repeated proof adds nothing. */
export function rememberHolding(holding: PeerHolding, store: Store, log: Log): void {
  if (holding.knownSince < holding.seenAt) return;
  store.recordPeerHolding(holding).catch((error: unknown) => {
    log.error('what a peer holds was not remembered', {
      trustDomain: holding.trustDomain,
      error,
    });
  });
}

function sameRisk(a: PlanFinding, b: PlanFinding): boolean {
  return a.code === b.code && a.level === b.level;
}

/** Lists the first few that are missing, as text. */
function whoIsMissing({ missing }: GateVerdict): string {
  const [first = '', second, ...more] = missing.map(({ message }) => message);
  const rest = more.length === 0 ? '' : `; and ${more.length} more`;
  return `${first}${second === undefined ? '' : `; ${second}`}${rest}`;
}
