import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import { contentDigest } from '../../spiffe/index.ts';
import { checkLinkPage, checkPage, checkReplacement, checkSequence } from '../model/arguments.ts';
import { type OpenDatabase, openDatabase, openDatabaseForReading } from './database.ts';
import {
  invitationExists,
  invitationSpent,
  relationshipExists,
  StoreError,
  type StoreErrorCode,
} from '../model/errors.ts';
import { GroupedWrites } from './grouped-writes.ts';
import { patchRelationship } from '../model/relationship.ts';
import { createAuditTables } from './sqlite-audit.ts';
import { createChainTable } from './sqlite-chain.ts';
import { storeErrorFrom } from './sqlite-error.ts';
import { createInvitationTable } from './sqlite-invitations.ts';
import { createOperatorDecisionTables } from './sqlite-operator-decisions.ts';
import { createRelationshipTable } from './sqlite-relationships.ts';
import { createPeerHeadTable } from './sqlite-peer-heads.ts';
import { createRotationTables } from './sqlite-rotation.ts';
import { createVersionTables } from './sqlite-versions.ts';
import type { RecordedEvent, StoreObserver } from '../model/observer.ts';
import type { Store, StoreReader } from '../model/store.ts';
import { trustedAt } from '../model/trusted-at.ts';

/** Where the store is and how it is opened. */
export interface SqliteStoreOptions {
  /** The file; `:memory:` for one that ends with the process. */
  readonly path: string;
  /** Whether to create a missing file. Default no: a missing database is an error. */
  readonly create?: boolean;
  /**
   * How many bytes the file may grow to before writes are refused with `store-full`. Default: the
   * space on the disk.
   */
  readonly maxBytes?: number;
  /** Receives what is recorded, and whether the file or its disk fails. */
  readonly observer?: StoreObserver;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the store of one agent and keeps every other agent off it until it is closed or the process
 * ends. The file and its companions get mode 0600; an older shape is converted to the present one.
 * Rejects with `StoreError`: `store-missing`, `store-locked`, `store-newer`, `store-not-a-store`,
 * `store-read-only`, `store-full`, `store-corrupt`, `store-failed`.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, create = false, maxBytes, observer, clock, log } = options;
  if (maxBytes !== undefined && !(maxBytes > 0))
    throw new RangeError(`the size of a store is above 0 bytes, not ${maxBytes}`);
  return storeOver(openDatabase({ path, create, maxBytes, clock, log }), observer);
}

/**
 * Opens a store for reading only, next to a running agent or after it: without a lock, and nothing
 * is created or converted. Rejects with `StoreError`: `store-missing`, `store-newer`,
 * `store-older`, `store-not-a-store`, `store-corrupt`, `store-failed`, and `store-read-only` in a
 * folder where SQLite cannot create its shared-memory file.
 */
export async function openSqliteStoreForReading(options: { readonly path: string }): Promise<StoreReader> {
  return storeOver(openDatabaseForReading(options.path));
}

/**
 * The store over SQLite. Because SQLite is synchronous, a method is done when it returns, except
 * for the grouped writes. A write is one transaction.
 */
function storeOver(open: OpenDatabase, observer?: StoreObserver): Store {
  const { database, path } = open;
  /** The events of the current transaction. */
  let recording: RecordedEvent[] = [];
  const relationships = createRelationshipTable(database);
  const invitations = createInvitationTable(database);
  const chain = createChainTable(database);
  const versions = createVersionTables(database, chain.add);
  const audit = createAuditTables(database, chain.add, (event) => void recording.push(event));
  const decisions = createOperatorDecisionTables(database, (event) => audit.addEvent(event), chain.add);
  const rotation = createRotationTables(database);
  const peerHeads = createPeerHeadTable(database);
  const selectMeta = database.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck();
  const upsertMeta = database.prepare<[string, string]>(
    `INSERT INTO meta (key, value) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
  );

  const guarded = <T>(work: () => T): T => {
    if (!database.open)
      throw new StoreError('store-closed', `the store ${path} was used after it was closed`);
    try {
      return work();
    } catch (error) {
      const translated = storeErrorFrom(error, path);
      if (translated instanceof StoreError && isTrouble(translated)) observer?.failed(translated);
      throw translated;
    }
  };
  const read = async <T>(work: () => T): Promise<T> => guarded(work);
  const inTransaction = database.transaction((work: () => unknown) => work());
  // Several statements about one moment need a transaction even when they only read.
  const snapshot = <T>(work: () => T): Promise<T> => read(() => inTransaction.deferred(work) as T);
  const transact = <T>(work: () => T): T => {
    recording = [];
    const result = guarded(() => {
      open.checkFiles();
      return inTransaction.immediate(work) as T;
    });
    open.committed();
    observer?.wrote();
    const recorded = recording;
    recording = [];
    if (recorded.length > 0) observer?.recorded(recorded);
    return result;
  };
  const grouped = new GroupedWrites(transact);
  const write = async <T>(work: () => T): Promise<T> => {
    grouped.flush();
    return transact(work);
  };

  return {
    relationships: () => read(() => relationships.list()),
    relationship: (trustDomain) => read(() => relationships.get(trustDomain)),
    current: (trustDomain) => snapshot(() => versions.current(trustDomain)),
    priorTrust: (trustDomain) => snapshot(() => versions.priorTrust(trustDomain)),
    currentAll: () => snapshot(() => versions.currentAll()),
    history: (trustDomain, page = {}) =>
      snapshot(() => {
        const { limit, before } = checkPage(page);
        return versions.history(trustDomain, before, limit);
      }),
    versionMarks: (trustDomain, page = {}) =>
      read(() => {
        const { limit, before } = checkPage(page);
        return versions.marks(trustDomain, before, limit);
      }),
    versionLines: (trustDomain, page = {}) =>
      snapshot(() => {
        const { limit, before } = checkPage(page);
        return versions.lines(trustDomain, before, limit);
      }),
    currentMark: (trustDomain) => read(() => versions.currentMark(trustDomain)),
    bundleAt: (trustDomain, instant) => snapshot(() => versions.bundleAt(trustDomain, instant)),
    everHeld: (trustDomain, digest) => read(() => versions.everHeld(trustDomain, digest)),
    trustedAt: (instant) =>
      snapshot(() =>
        trustedAt(
          instant,
          versions.names(),
          (name) => versions.bundleAt(name, instant),
          decisions.keyDecisions(),
        ),
      ),
    events: ({ limit, ...filter } = {}) =>
      read(() => audit.events(filter, checkPage(defined({ limit })).limit)),
    incidents: ({ trustDomain, open: isOpen, offers = true, ...page } = {}) =>
      read(() => audit.incidents({ trustDomain, isOpen, offers, limit: checkPage(page).limit })),
    distrustedKeys: () => read(() => decisions.distrustedKeys()),
    rejectedOffers: (trustDomain) => read(() => decisions.rejectedOffers(trustDomain)),
    rejection: (trustDomain, digest) => read(() => decisions.rejection(trustDomain, digest)),
    invitations: (page = {}) => read(() => invitations.list(checkPage(page).limit)),
    invitation: (role, id) => read(() => invitations.get(role, id)),
    chainHead: () => read(() => chain.head()),
    chainLinks: (page = {}) =>
      snapshot(() => {
        const { limit, after } = checkLinkPage(page);
        return chain.links(after, limit);
      }),
    signedHeads: (page = {}) => snapshot(() => chain.heads(checkPage(page).limit)),
    rootLives: (trustDomain) => read(() => rotation.rootLives(trustDomain)),
    peerHoldings: () => read(() => rotation.holdings()),
    peerHeads: (trustDomain, page = {}) => read(() => peerHeads.list(trustDomain, checkPage(page).limit)),
    getMeta: (key) => read(() => selectMeta.get(key)),

    addRelationship: (relationship, firstVersion, event, invitation) =>
      write(() => {
        const { trustDomain } = relationship;
        if (firstVersion) checkReplacement({ trustDomain, version: firstVersion });
        if (!relationships.insert(patchRelationship(relationship, {}))) throw relationshipExists(trustDomain);
        if (invitation && !invitations.change(invitation)) throw invitationSpent(invitation.id);
        versions.forgetCurrent(trustDomain);
        const first = firstVersion && versions.append(firstVersion, undefined);
        audit.addEvent(event, first?.number);
      }),
    updateRelationship: (trustDomain, patch, event) => {
      const update = () => {
        const before = relationships.get(trustDomain);
        if (!before) return false;
        relationships.update(patchRelationship(before, patch));
        if (event) audit.addEvent(event);
        return true;
      };
      // The results of polls of thousands of peers. No caller waits for them, unlike for events.
      return event ? write(update) : grouped.add(update);
    },
    removeRelationship: (trustDomain, { at, actor, reason }) =>
      write(() => {
        if (!relationships.remove(trustDomain)) return false;
        const versionNumber = versions.pointer(trustDomain)?.number;
        versions.forgetCurrent(trustDomain);
        audit.endIncidents(trustDomain, at, actor, { forGood: true });
        audit.addEvent(
          { at, kind: 'relationship-removed', trustDomain, actor, message: reason },
          versionNumber,
        );
        return true;
      }),
    replaceCurrent: (replacement) =>
      write(() => {
        checkReplacement(replacement);
        const { trustDomain, expectedDigest, expectedSequence, version, event } = replacement;
        const held = versions.pointer(trustDomain);
        if ((held?.digest ?? null) !== expectedDigest) return 'conflict';
        const heldSequence = held?.sequence ?? null;
        if (expectedSequence !== undefined && heldSequence !== expectedSequence) return 'conflict';
        if (version.verdict !== 'own' && !relationships.get(trustDomain)) return 'conflict';
        const { sequence } = version.bundle;
        const lower = heldSequence !== null && sequence !== undefined && sequence < heldSequence;
        if (held && held.digest === contentDigest(version.bundle) && !lower) {
          versions.raiseSequence(trustDomain, sequence);
          return versions.current(trustDomain) ?? 'conflict';
        }
        const added = versions.append(version, held, replacement);
        if (event) audit.addEvent(event, added.number);
        return added;
      }),
    noteUnchanged: (trustDomain, at, { sequence } = {}) =>
      write(() => {
        checkSequence(sequence);
        const before = relationships.get(trustDomain);
        if (before) {
          const fresh = { lastAttemptAt: at, lastSuccessAt: at, consecutiveFailures: 0 };
          relationships.update(patchRelationship(before, fresh));
        }
        versions.raiseSequence(trustDomain, sequence);
      }),
    recordEvent: (event) => write(() => audit.addEvent(event)),
    recordIncident: (incident) => write(() => audit.recordIncident(incident)),
    endIncidents: async ({ trustDomain, at, actor, kinds }) => {
      if (!guarded(() => audit.hasOpenIncident(trustDomain))) return 0;
      return write(() => audit.endIncidents(trustDomain, at, actor, { kinds }));
    },
    distrustKey: (key) => write(() => decisions.distrust(key)),
    trustKeyAgain: (again) => write(() => decisions.trustAgain(again)),
    rejectOffer: (offer) => write(() => decisions.reject(offer)),
    reconsiderOffer: (offer) => write(() => decisions.reconsider(offer)),
    addInvitation: (invitation, event) =>
      write(() => {
        if (!invitations.insert(invitation)) throw invitationExists(invitation.id);
        audit.addEvent(event);
      }),
    changeInvitation: (change, event) =>
      write(() => {
        if (!invitations.change(change)) return false;
        if (event) audit.addEvent(event);
        return true;
      }),
    recordHead: (head) => write(() => chain.recordHead(head)),
    recordRootStages: (changes) =>
      write(() => {
        for (const { change, event } of changes) {
          rotation.addStage(change);
          audit.addEvent(event);
        }
      }),
    recordPeerHolding: (holding) => write(() => rotation.putHolding(holding)),
    recordPeerHead: (head) => write(() => peerHeads.add(head)),
    setMeta: (key, value) => write(() => void upsertMeta.run(key, value)),
    compact: async () => {
      grouped.flush();
      try {
        open.checkFiles();
        return open.compact();
      } catch (error) {
        // A disk without room for a second copy is not a store that fails.
        throw storeErrorFrom(error, path);
      }
    },
    close: async () => {
      grouped.flush();
      if (database.open) open.close();
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** Whether the file or its disk is at fault, and not the request. */
const TROUBLES: ReadonlySet<StoreErrorCode> = new Set([
  'store-corrupt',
  'store-not-a-store',
  'store-read-only',
  'store-replaced',
  'store-full',
  'store-busy',
  'store-failed',
]);

function isTrouble({ code }: StoreError): boolean {
  return TROUBLES.has(code);
}
