import { isDeepStrictEqual } from 'node:util';
import type { CheckServiceNode } from '../../../grpc/index.ts';
import type { SnapshotFile } from '../snapshot-file.ts';

/** How far a peering is, as the product names it. */
export type PeeringState = 'PENDING' | 'ESTABLISHING' | 'ACTIVE' | 'FAILING' | 'DELETING' | 'TERMINATED';

/** A peering, with its secrets: the file it is kept in is for this process only. */
export interface Peering {
  readonly id: string;
  readonly name: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly state: PeeringState;
  /** The peer's ID of this peering; set where we dial. */
  readonly remoteId?: string;
  /** The content of the token, where we dial. */
  readonly dial?: {
    readonly caPems: readonly string[];
    readonly serverName: string;
    readonly addresses: readonly string[];
  };
  readonly remote?: { readonly partition: string; readonly datacenter: string };
  /** Given out in a token and good for one `ExchangeSecret` (accepting side). */
  readonly establishmentSecret?: string;
  /** Given for it, and not used yet to open a stream (accepting side). */
  readonly pendingStreamSecret?: string;
  /** What opens a stream now: expected where we accept, presented where we dial. */
  readonly streamSecret?: string;
  /** The last data from the peer, stored by peering. */
  readonly trustBundle?: ImportedBundle;
  /** The services that the peer exports to us, with their instances. */
  readonly imports?: readonly ImportedService[];
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** A service of a peer under the name of its proxies, as it came over the stream. */
export interface ImportedService {
  readonly name: string;
  readonly nodes: readonly CheckServiceNode[];
}

/** A trust bundle as a peer sent it. */
interface ImportedBundle {
  /** As the peer claims it; the product does not check the owner. */
  readonly trustDomain: string;
  readonly rootPems: readonly string[];
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** A config entry with the body it was written with. */
export interface ConfigEntry {
  readonly kind: string;
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** What a blocking query waits for. */
export type Table = 'roots' | 'leaves' | 'peerings' | 'config' | 'catalog';

/** What is written to disk. */
export interface ConsulSnapshot {
  readonly index: number;
  readonly tables: Readonly<Record<Table, number>>;
  readonly peerings: readonly Peering[];
  readonly configEntries: readonly ConfigEntry[];
}

/** A new cluster's log has some entries before the first request. */
const FIRST_INDEX = 10;

/** The replicated state of a Consul cluster: tables under one growing index. */
export class ConsulState {
  readonly #file: SnapshotFile<ConsulSnapshot>;
  readonly #waiting = new Set<() => void>();
  readonly #peerings = new Map<string, Peering>();
  readonly #config = new Map<string, ConfigEntry>();
  #tables: Record<Table, number> = tablesAt(FIRST_INDEX);
  #index = FIRST_INDEX;
  #era = 0;

  private constructor(file: SnapshotFile<ConsulSnapshot>) {
    this.#file = file;
  }

  /** Throws `SimulatedMeshError` `state-malformed`; the system's error otherwise. */
  static async open(file: SnapshotFile<ConsulSnapshot>): Promise<ConsulState> {
    const state = new ConsulState(file);
    const snapshot = await file.load();
    if (snapshot) {
      state.#index = snapshot.index;
      state.#tables = { ...tablesAt(snapshot.index), ...snapshot.tables };
      for (const peering of snapshot.peerings) state.#peerings.set(peering.name, peering);
      for (const entry of snapshot.configEntries) state.#config.set(keyOf(entry), entry);
    }
    return state;
  }

  indexOf(table: Table): number {
    return this.#tables[table];
  }

  /** Grows when a snapshot is restored; a query that waits across it waits for nothing. */
  get era(): number {
    return this.#era;
  }

  peerings(): Peering[] {
    return [...this.#peerings.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  peering(name: string): Peering | undefined {
    return this.#peerings.get(name);
  }

  peeringById(id: string): Peering | undefined {
    return [...this.#peerings.values()].find((peering) => peering.id === id);
  }

  putPeering(peering: Omit<Peering, 'createIndex' | 'modifyIndex'>): Peering {
    const index = this.#touch('peerings');
    const createIndex = this.#peerings.get(peering.name)?.createIndex ?? index;
    const stored = { ...peering, createIndex, modifyIndex: index };
    this.#peerings.set(peering.name, stored);
    this.#save();
    return stored;
  }

  /** Replaces the bundle that this peering imported; equal content keeps the index. */
  putTrustBundle(
    name: string,
    bundle: { readonly trustDomain: string; readonly rootPems: readonly string[] },
  ): void {
    const peering = this.#peerings.get(name);
    if (!peering) return;
    const held = peering.trustBundle;
    if (held?.trustDomain === bundle.trustDomain && held.rootPems.join() === bundle.rootPems.join()) return;
    const index = this.#touch('peerings');
    const trustBundle = { ...bundle, createIndex: held?.createIndex ?? index, modifyIndex: index };
    this.#peerings.set(name, { ...peering, trustBundle, modifyIndex: index });
    this.#save();
  }

  /** Replaces the imports of a peering; equal content keeps the index. */
  putImports(name: string, imports: readonly ImportedService[]): void {
    const peering = this.#peerings.get(name);
    if (!peering || isDeepStrictEqual(peering.imports ?? [], imports)) return;
    this.#touch('catalog');
    this.#peerings.set(name, { ...peering, imports });
    this.#save();
  }

  deletePeering(name: string): void {
    if (!this.#peerings.delete(name)) return;
    this.#touch('peerings');
    this.#save();
  }

  configEntry(kind: string, name: string): ConfigEntry | undefined {
    return this.#config.get(keyOf({ kind, name }));
  }

  configEntries(kind: string): ConfigEntry[] {
    return [...this.#config.values()].filter((entry) => entry.kind === kind);
  }

  /**
   * With `cas` it writes only where that is the entry's index, 0 meaning "not there yet"; returns
   * false otherwise.
   */
  putConfigEntry(entry: Pick<ConfigEntry, 'kind' | 'name' | 'body'>, cas?: number): boolean {
    const held = this.configEntry(entry.kind, entry.name);
    if (cas !== undefined && cas !== (held?.modifyIndex ?? 0)) return false;
    const index = this.#touch('config');
    this.#config.set(keyOf(entry), { ...entry, createIndex: held?.createIndex ?? index, modifyIndex: index });
    this.#save();
    return true;
  }

  deleteConfigEntry(kind: string, name: string, cas?: number): boolean {
    const held = this.configEntry(kind, name);
    if (cas !== undefined && cas !== held?.modifyIndex) return false;
    if (!held) return true;
    this.#config.delete(keyOf(held));
    this.#touch('config');
    this.#save();
    return true;
  }

  /** Marks a table with rows elsewhere, such as the CA's roots, as changed. */
  changed(table: 'roots' | 'leaves' | 'catalog'): void {
    this.#touch(table);
    this.#save();
  }

  /**
   * Does to clients what restoring an old snapshot does: all indexes start low again and every
   * blocking query ends.
   */
  resetIndexes(): void {
    this.#index = 1;
    this.#tables = tablesAt(1);
    this.#era += 1;
    this.#save();
    this.#wakeAll();
  }

  /** Calls back once, at the next change of any table. Returns what takes that back. */
  onceChanged(listener: () => void): () => void {
    this.#waiting.add(listener);
    return () => this.#waiting.delete(listener);
  }

  #touch(table: Table): number {
    this.#index += 1;
    this.#tables[table] = this.#index;
    return this.#index;
  }

  #save(): void {
    this.#file.save({
      index: this.#index,
      tables: { ...this.#tables },
      peerings: this.peerings(),
      configEntries: [...this.#config.values()],
    });
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener();
  }
}

function keyOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind}/${name}`;
}

function tablesAt(index: number): Record<Table, number> {
  return { roots: index, leaves: index, peerings: index, config: index, catalog: index };
}
