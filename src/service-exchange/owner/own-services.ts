import type { OwnService } from '../../services/index.ts';
import { type DeclaredService, ownServiceOf } from './settings.ts';

/**
 * The services of our mesh: those that it reports, and those that the operator describes. What the
 * operator describes takes the place of a report with the same ID, the config file first.
 */
export class OwnServices {
  #reported: readonly OwnService[] | undefined;
  #inConfig: readonly DeclaredService[] = [];
  #byVerb: readonly DeclaredService[] = [];
  #all: ReadonlyMap<string, OwnService> = new Map();
  /** Every service that was there since the start. */
  readonly #seen = new Map<string, OwnService>();
  #version = 0;

  /** What the mesh has now. A mesh that cannot be read changes nothing: its last report stays. */
  report(services: readonly OwnService[]): void {
    this.#reported = services;
    this.#merge();
  }

  /** What the config file describes now. */
  declare(services: readonly DeclaredService[]): void {
    this.#inConfig = services;
    this.#merge();
  }

  /** What the operator described at the command line. */
  describe(services: readonly DeclaredService[]): void {
    this.#byVerb = services;
    this.#merge();
  }

  /** Whether the mesh was read since the start. Before that a missing service proves nothing. */
  get wasRead(): boolean {
    return this.#reported !== undefined;
  }

  /** Whether the config file describes this service. */
  isInConfig(id: string): boolean {
    return this.#inConfig.some((each) => each.id === id);
  }

  /** Another number after every change. */
  get version(): number {
    return this.#version;
  }

  find(id: string): OwnService | undefined {
    return this.#all.get(id);
  }

  /**
   * The service as it was there last. While it is deployed again it is missing for a moment, and its
   * policy must stay.
   */
  lastSeen(id: string): OwnService | undefined {
    return this.#seen.get(id);
  }

  /** All of them, by ID. */
  list(): readonly OwnService[] {
    return [...this.#all.values()];
  }

  #merge(): void {
    this.#version += 1;
    const all = new Map((this.#reported ?? []).map((each) => [String(each.id), each]));
    for (const described of [...this.#byVerb, ...this.#inConfig]) {
      // Describing a service does not take back what the mesh exports.
      const exportedTo = all.get(described.id)?.exportedTo;
      all.set(described.id, { ...ownServiceOf(described), ...(exportedTo ? { exportedTo } : {}) });
    }
    this.#all = new Map([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    for (const [id, service] of all) this.#seen.set(id, service);
  }
}
