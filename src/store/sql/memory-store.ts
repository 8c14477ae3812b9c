import type { PeerHead } from '../model/chain.ts';
import { contentDigest, serializeBundle, type TrustDomain } from '../../spiffe/index.ts';
import { type BundleVersion, cleanVersion, type NewVersion } from '../model/bundle-version.ts';
import {
  invitationExists,
  invitationSpent,
  relationshipExists,
  rolledBack,
  StoreError,
} from '../model/errors.ts';
import { cleanEvent, type EventFilter, type NewEvent, type StoredEvent } from '../model/event.ts';
import {
  formerAfter,
  type HeldKey,
  heldKeysAfter,
  keptSequence,
  type PriorTrust,
} from '../model/prior-trust.ts';
import { createMemoryIncidents } from './memory-incidents.ts';
import { thinnedHeads } from '../model/peer-head-rule.ts';
import { lineOf, markOf } from '../model/version-mark.ts';
import { changedInvitation, cleanInvitation, type StoredInvitation } from '../model/invitation.ts';
import { checkLinkPage, checkPage, checkReplacement } from '../model/arguments.ts';
import { eventRow, versionRow } from '../model/history-rows.ts';
import { createMemoryChain } from './memory-chain.ts';
import { createOperatorDecisionMaps } from './memory-operator-decisions.ts';
import { cleanStageChange, livesOf, type RootStageChange } from '../model/own-root.ts';
import { cleanHolding, type StoredHolding } from '../model/peer-holding.ts';
import { patchRelationship, type Relationship } from '../model/relationship.ts';
import type { Replacement, Store } from '../model/store.ts';
import { trustedAt } from '../model/trusted-at.ts';
import { authorityRefs, changeBetween } from '../model/version-change.ts';

interface Held {
  readonly version: BundleVersion;
  /** The sequence that counts. */
  readonly sequence: bigint | undefined;
  /** The one that counted when the content came. */
  readonly anchor: bigint | undefined;
  readonly former: PriorTrust['former'];
}

/**
 * A store that lives and ends with the process, for tests and one-shot commands. Same contract as
 * the SQLite one.
 */
export function createMemoryStore(): Store {
  const relationships = new Map<TrustDomain, Relationship>();
  const versions = new Map<TrustDomain, BundleVersion[]>();
  const held = new Map<TrustDomain, Held>();
  const heldKeys = new Map<TrustDomain, readonly HeldKey[]>();
  const events: StoredEvent[] = [];
  const invitations = new Map<string, StoredInvitation>();
  const stages: RootStageChange[] = [];
  const holdings = new Map<TrustDomain, StoredHolding>();
  let peerHeads: readonly PeerHead[] = [];
  const meta = new Map<string, string>();
  const chain = createMemoryChain();
  let closed = false;

  const current = (trustDomain: TrustDomain): BundleVersion | undefined => {
    const now = held.get(trustDomain);
    if (!now) return undefined;
    const { sequence: _, ...bundle } = now.version.bundle;
    return {
      ...now.version,
      bundle: now.sequence === undefined ? bundle : { ...bundle, sequence: now.sequence },
    };
  };
  const addEvent = (event: NewEvent, versionNumber?: number) => {
    const kept = { ...cleanEvent(event), ...(versionNumber === undefined ? {} : { versionNumber }) };
    events.push({ ...kept, id: events.length + 1 });
    chain.remember('event', eventRow(kept));
  };
  const decisions = createOperatorDecisionMaps((event) => addEvent(event), chain.remember);
  const append = (
    version: NewVersion,
    {
      keepsSequence,
      unusable = false,
      leaptFrom,
    }: Pick<Replacement, 'keepsSequence' | 'unusable' | 'leaptFrom'> = {},
  ): BundleVersion => {
    const { bundle } = version;
    const past = versions.get(bundle.trustDomain) ?? [];
    const before = held.get(bundle.trustDomain);
    if (
      before?.sequence !== undefined &&
      bundle.sequence !== undefined &&
      bundle.sequence < before.sequence &&
      version.verdict !== 'operator'
    ) {
      throw rolledBack(bundle.trustDomain, bundle.sequence, before.sequence);
    }
    const added: BundleVersion = {
      ...cleanVersion(version),
      trustDomain: bundle.trustDomain,
      number: past.length + 1,
      document: new Uint8Array(serializeBundle(bundle)),
      digest: contentDigest(bundle),
      diff: changeBetween(before ? authorityRefs(before.version.bundle) : [], authorityRefs(bundle)),
    };
    versions.set(bundle.trustDomain, [...past, added]);
    chain.remember('bundle_version', versionRow(added));
    const sequence = keepsSequence
      ? keptSequence(before?.sequence, bundle.sequence, keepsSequence)
      : bundle.sequence;
    const { former } = formerAfter(before?.former, version, leaptFrom);
    held.set(bundle.trustDomain, { version: added, sequence, anchor: sequence, former });
    if (version.verdict !== 'own') {
      const known = before ? (heldKeys.get(bundle.trustDomain) ?? []) : [];
      heldKeys.set(bundle.trustDomain, heldKeysAfter(known, version, unusable).sort(byKey));
    }
    return current(bundle.trustDomain) ?? added;
  };
  const bundleAt = (trustDomain: TrustDomain, instant: Date): BundleVersion | undefined => {
    const version = (versions.get(trustDomain) ?? []).findLast((each) => each.receivedAt <= instant);
    const removed = events.some(
      (event) =>
        event.kind === 'relationship-removed' &&
        event.trustDomain === trustDomain &&
        event.versionNumber === version?.number &&
        event.at <= instant,
    );
    return removed ? undefined : version;
  };
  const incidents = createMemoryIncidents({ addEvent, addIncident: (over) => chain.addIncident(over) });
  /** Gives `work` the whole of the turn, and its failure to the promise, as a transaction would. */
  const turn = async <T>(work: () => T): Promise<T> => {
    if (closed) throw new StoreError('store-closed', 'the store was used after it had been closed');
    return work();
  };

  return {
    relationships: () => turn(() => [...relationships.values()].sort(byTrustDomain)),
    relationship: (trustDomain) => turn(() => relationships.get(trustDomain)),
    addRelationship: (relationship, firstVersion, event, invitation) =>
      turn(() => {
        const { trustDomain } = relationship;
        if (firstVersion) checkReplacement({ trustDomain, version: firstVersion });
        if (relationships.has(trustDomain)) throw relationshipExists(trustDomain);
        const spent =
          invitation && changedInvitation(invitations.get(`${invitation.role} ${invitation.id}`), invitation);
        if (invitation && !spent) throw invitationSpent(invitation.id);
        held.delete(trustDomain);
        heldKeys.delete(trustDomain);
        const first = firstVersion ? append(firstVersion) : undefined;
        relationships.set(trustDomain, patchRelationship(relationship, {}));
        if (spent) invitations.set(`${spent.role} ${spent.id}`, spent);
        addEvent(event, first?.number);
      }),
    updateRelationship: (trustDomain, patch, event) =>
      turn(() => {
        const before = relationships.get(trustDomain);
        if (!before) return false;
        relationships.set(trustDomain, patchRelationship(before, patch));
        if (event) addEvent(event);
        return true;
      }),
    removeRelationship: (trustDomain, { at, actor, reason }) =>
      turn(() => {
        if (!relationships.delete(trustDomain)) return false;
        holdings.delete(trustDomain);
        const last = held.get(trustDomain);
        held.delete(trustDomain);
        heldKeys.delete(trustDomain);
        incidents.end(trustDomain, at, actor, { forGood: true });
        addEvent(
          { at, kind: 'relationship-removed', trustDomain, actor, message: reason },
          last?.version.number,
        );
        return true;
      }),
    current: (trustDomain) => turn(() => current(trustDomain)),
    priorTrust: (trustDomain) =>
      turn(() => {
        const { anchor, former } = held.get(trustDomain) ?? {};
        return {
          keys: heldKeys.get(trustDomain) ?? [],
          ...(anchor === undefined ? {} : { anchor }),
          ...(anchor === undefined || !former ? {} : { former }),
        };
      }),
    currentAll: () => turn(() => [...held.keys()].flatMap((name) => current(name) ?? []).sort(byTrustDomain)),
    replaceCurrent: (replacement) =>
      turn(() => {
        checkReplacement(replacement);
        const { trustDomain, version, event } = replacement;
        const now = current(trustDomain);
        if ((now?.digest ?? null) !== replacement.expectedDigest) return 'conflict';
        if (
          replacement.expectedSequence !== undefined &&
          (now?.bundle.sequence ?? null) !== replacement.expectedSequence
        ) {
          return 'conflict';
        }
        if (version.verdict !== 'own' && !relationships.has(trustDomain)) return 'conflict';
        const offered = version.bundle.sequence;
        const heldSequence = now?.bundle.sequence;
        const lower = offered !== undefined && heldSequence !== undefined && offered < heldSequence;
        if (now && now.digest === contentDigest(version.bundle) && !lower) {
          if (offered !== undefined)
            held.set(trustDomain, { ...requireHeld(trustDomain), sequence: offered });
          return current(trustDomain) ?? 'conflict';
        }
        const added = append(version, replacement);
        if (event) addEvent(event, added.number);
        return added;
      }),
    noteUnchanged: (trustDomain, at, seen = {}) =>
      turn(() => {
        const before = relationships.get(trustDomain);
        if (before) {
          relationships.set(
            trustDomain,
            patchRelationship(before, { lastAttemptAt: at, lastSuccessAt: at, consecutiveFailures: 0 }),
          );
        }
        const now = held.get(trustDomain);
        if (now && seen.sequence !== undefined && (now.sequence ?? -1n) < seen.sequence) {
          held.set(trustDomain, { ...now, sequence: seen.sequence });
        }
      }),
    history: (trustDomain, page = {}) =>
      turn(() => {
        const { limit, before } = checkPage(page);
        const past = (versions.get(trustDomain) ?? []).filter(({ number }) => number < before);
        return past.toReversed().slice(0, limit);
      }),
    versionMarks: (trustDomain, page = {}) =>
      turn(() => {
        const { limit, before } = checkPage(page);
        const past = (versions.get(trustDomain) ?? []).filter(({ number }) => number < before);
        return past.toReversed().slice(0, limit).map(markOf);
      }),
    versionLines: (trustDomain, page = {}) =>
      turn(() => {
        const { limit, before } = checkPage(page);
        const past = (versions.get(trustDomain) ?? []).filter(({ number }) => number < before);
        return past.toReversed().slice(0, limit).map(lineOf);
      }),
    currentMark: (trustDomain) =>
      turn(() => {
        const now = current(trustDomain);
        return now && markOf(now);
      }),
    bundleAt: (trustDomain, instant) => turn(() => bundleAt(trustDomain, instant)),
    everHeld: (trustDomain, digest) =>
      turn(() => (versions.get(trustDomain) ?? []).some((version) => version.digest === digest)),
    trustedAt: (instant) =>
      turn(() =>
        trustedAt(instant, [...versions.keys()], (name) => bundleAt(name, instant), decisions.keyDecisions()),
      ),
    recordEvent: (event) => turn(() => addEvent(event)),
    events: ({ limit: wantedLimit, ...filter } = {}) =>
      turn(() => {
        const { limit } = checkPage(wantedLimit === undefined ? {} : { limit: wantedLimit });
        const wanted = events.filter((event) => isWanted(event, filter));
        return (filter.after === undefined ? wanted.toReversed() : wanted).slice(0, limit);
      }),
    recordIncident: (reported) => turn(() => incidents.record(reported)),
    endIncidents: ({ trustDomain, at, actor, kinds }) =>
      turn(() => incidents.end(trustDomain, at, actor, { kinds })),
    incidents: ({ trustDomain, open, offers = true, ...page } = {}) =>
      turn(() => incidents.list({ trustDomain, open, offers, limit: checkPage(page).limit })),
    distrustedKeys: () => turn(() => decisions.distrustedKeys()),
    rejectedOffers: (trustDomain) => turn(() => decisions.rejectedOffers(trustDomain)),
    rejection: (trustDomain, digest) => turn(() => decisions.rejection(trustDomain, digest)),
    distrustKey: (key) => turn(() => decisions.distrust(key)),
    trustKeyAgain: (again) => turn(() => decisions.trustAgain(again)),
    rejectOffer: (offer) => turn(() => decisions.reject(offer)),
    reconsiderOffer: (offer) => turn(() => decisions.reconsider(offer)),
    invitations: (page = {}) =>
      turn(() => {
        const { limit } = checkPage(page);
        return [...invitations.values()].sort(newestFirst).slice(0, limit);
      }),
    invitation: (role, id) => turn(() => invitations.get(`${role} ${id}`)),
    addInvitation: (invitation, event) =>
      turn(() => {
        const name = `${invitation.role} ${invitation.id}`;
        if (invitations.has(name)) throw invitationExists(invitation.id);
        invitations.set(name, cleanInvitation(invitation));
        addEvent(event);
      }),
    changeInvitation: (change, event) =>
      turn(() => {
        const name = `${change.role} ${change.id}`;
        const after = changedInvitation(invitations.get(name), change);
        if (!after) return false;
        invitations.set(name, after);
        if (event) addEvent(event);
        return true;
      }),
    chainHead: () => turn(() => chain.head()),
    chainLinks: (page = {}) =>
      turn(() => {
        const { limit, after } = checkLinkPage(page);
        return chain.links(after, limit);
      }),
    signedHeads: (page = {}) => turn(() => chain.heads(checkPage(page).limit)),
    recordHead: (head) => turn(() => chain.recordHead(head)),
    rootLives: (trustDomain) =>
      turn(() => livesOf(stages.filter((each) => each.trustDomain === trustDomain)).slice(-256)),
    recordRootStages: (changes) =>
      turn(() => {
        stages.push(...changes.map(({ change }) => cleanStageChange(change)));
        for (const { event } of changes) addEvent(event);
      }),
    peerHoldings: () => turn(() => [...holdings.values()].sort(byTrustDomain)),
    recordPeerHolding: (holding) =>
      turn(() => {
        if (relationships.has(holding.trustDomain)) holdings.set(holding.trustDomain, cleanHolding(holding));
      }),
    peerHeads: (trustDomain, page = {}) =>
      turn(() => {
        const { limit } = checkPage(page);
        return peerHeads
          .filter((head) => head.trustDomain === trustDomain)
          .toReversed()
          .slice(0, limit);
      }),
    getMeta: (key) => turn(() => meta.get(key)),
    recordPeerHead: (head) =>
      turn(() => {
        const isOfPeer = ({ trustDomain }: PeerHead) => trustDomain === head.trustDomain;
        const stay = new Set(thinnedHeads([...peerHeads.filter(isOfPeer), head]));
        peerHeads = [...peerHeads, head].filter((each) => !isOfPeer(each) || stay.has(each));
      }),
    setMeta: (key, value) => turn(() => void meta.set(key, value)),
    close: async () => {
      closed = true;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };

  function requireHeld(trustDomain: TrustDomain): Held {
    const now = held.get(trustDomain);
    if (!now) throw new TypeError('unreachable: the caller has just read it');
    return now;
  }
}

function newestFirst(a: StoredInvitation, b: StoredInvitation): number {
  return (
    b.createdAt.getTime() - a.createdAt.getTime() || (`${a.id} ${a.role}` < `${b.id} ${b.role}` ? -1 : 1)
  );
}

function byKey(a: HeldKey, b: HeldKey): number {
  return `${a.kind} ${a.key}` < `${b.kind} ${b.key}` ? -1 : 1;
}

function byTrustDomain(a: { trustDomain: string }, b: { trustDomain: string }): number {
  return a.trustDomain < b.trustDomain ? -1 : a.trustDomain > b.trustDomain ? 1 : 0;
}

function isWanted(event: StoredEvent, { trustDomain, since, until, kinds, after }: EventFilter): boolean {
  return (
    (trustDomain === undefined || event.trustDomain === trustDomain) &&
    (since === undefined || event.at >= since) &&
    (until === undefined || event.at < until) &&
    (kinds === undefined || kinds.includes(event.kind)) &&
    (after === undefined || event.id > after)
  );
}
