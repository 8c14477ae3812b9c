import type { Clock, Log } from '../../platform/index.ts';
import { contentDigest, type TrustDomain } from '../../spiffe/index.ts';
import { checkReplacement, checkSequence } from '../model/arguments.ts';
import { type OpenDatabase, openDatabase, openDatabaseForReading } from './database.ts';
import {
  invitationSpent,
  relationshipExists,
  relationshipGone,
  StoreError,
  type StoreErrorCode,
} from '../model/errors.ts';
import { GroupedWrites } from './grouped-writes.ts';
import { patchRelationship } from '../model/relationship.ts';
import { createAuditTables } from './sqlite-audit.ts';
import { createCatalogueTables } from './sqlite-catalogues.ts';
import { createChainTable } from './sqlite-chain.ts';
import { storeErrorFrom } from './sqlite-error.ts';
import { createInvitationTable } from './sqlite-invitations.ts';
import { createOperatorDecisionTables } from './sqlite-operator-decisions.ts';
import { createRelationshipTable } from './sqlite-relationships.ts';
import { createPeerHeadTable } from './sqlite-peer-heads.ts';
import { createRotationTables } from './sqlite-rotation.ts';
import { createServiceTables } from './sqlite-services.ts';
import { createVersionTables } from './sqlite-versions.ts';
import type { NewEvent } from '../model/event.ts';
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
  const chain = createChainTable(database);
  const versions = createVersionTables(database, chain.add);
  const audit = createAuditTables(database, chain.add, (event) => void recording.push(event));
  const addEvent = (event: NewEvent) => audit.addEvent(event);
  const invitations = createInvitationTable(database, addEvent);
  const decisions = createOperatorDecisionTables(database, addEvent, chain.add);
  const rotation = createRotationTables(database, addEvent);
  const peerHeads = createPeerHeadTable(database);
  const needRelationship = (trustDomain: TrustDomain) => {
    if (!relationships.reads.relationship(trustDomain)) throw relationshipGone(trustDomain);
  };
  const services = createServiceTables(database, addEvent, needRelationship);
  const catalogues = createCatalogueTables(database, { addEvent, addLink: chain.add, needRelationship });
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
  const inTransaction = database.transaction((work: () => unknown) => work());
  // A transaction too, because several statements read one moment.
  const read = async <T>(work: () => T): Promise<T> => guarded(() => inTransaction.deferred(work) as T);
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
    ...each(read, {
      ...relationships.reads,
      ...versions.reads,
      ...audit.reads,
      ...decisions.reads,
      ...invitations.reads,
      ...rotation.reads,
      ...chain.reads,
      ...peerHeads.reads,
      ...services.reads,
      ...catalogues.reads,
      getMeta: (key: string) => selectMeta.get(key),
      trustedAt: (instant: Date) =>
        trustedAt(
          instant,
          versions.names(),
          (name) => versions.reads.bundleAt(name, instant),
          decisions.keyDecisions(),
        ),
    }),
    ...each(write, {
      ...audit.writes,
      ...decisions.writes,
      ...invitations.writes,
      ...chain.writes,
      ...rotation.writes,
      ...peerHeads.writes,
      ...services.writes,
      ...catalogues.writes,
      setMeta: (key: string, value: string) => void upsertMeta.run(key, value),
    }),

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
        const before = relationships.reads.relationship(trustDomain);
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
        const endServices = services.endWith(trustDomain, at, actor);
        if (!relationships.remove(trustDomain)) return false;
        endServices();
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
        if (version.verdict !== 'own' && !relationships.reads.relationship(trustDomain)) return 'conflict';
        const { sequence } = version.bundle;
        const lower = heldSequence !== null && sequence !== undefined && sequence < heldSequence;
        if (held && held.digest === contentDigest(version.bundle) && !lower) {
          versions.raiseSequence(trustDomain, sequence);
          return versions.reads.current(trustDomain) ?? 'conflict';
        }
        const added = versions.append(version, held, replacement);
        if (event) audit.addEvent(event, added.number);
        return added;
      }),
    noteUnchanged: (trustDomain, at, { sequence } = {}) =>
      write(() => {
        checkSequence(sequence);
        const before = relationships.reads.relationship(trustDomain);
        if (before) {
          const fresh = { lastAttemptAt: at, lastSuccessAt: at, consecutiveFailures: 0 };
          relationships.update(patchRelationship(before, fresh));
        }
        versions.raiseSequence(trustDomain, sequence);
      }),
    endIncidents: async ({ trustDomain, at, actor, kinds }) => {
      if (!guarded(() => audit.hasOpenIncident(trustDomain))) return 0;
      return write(() => audit.endIncidents(trustDomain, at, actor, { kinds }));
    },
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

// oxlint-disable-next-line typescript/no-explicit-any -- any arguments: the tables' methods keep their own
type Methods = Readonly<Record<string, (...input: any[]) => unknown>>;
type Promised<All extends Methods> = {
  readonly [Name in keyof All]: (...input: Parameters<All[Name]>) => Promise<ReturnType<All[Name]>>;
};

/** The methods of tables as methods of the store: each call runs by itself, in `run`. */
function each<All extends Methods>(run: <T>(work: () => T) => Promise<T>, methods: All): Promised<All> {
  const named = Object.entries(methods).map(([name, method]) => [
    name,
    (...input: unknown[]) => run(() => method(...input)),
  ]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same names and arguments as `methods`
  return Object.fromEntries(named) as Promised<All>;
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
