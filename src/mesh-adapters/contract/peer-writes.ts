import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from './errors.ts';
import type { ForeignTrustReport } from './mesh-adapter.ts';

/** Why the mesh does not have what it should of one peer. */
export type PeerFault = Required<Pick<ForeignTrustReport, 'code' | 'message'>> & {
  readonly state: 'refused' | 'failed';
};

/** What a comparison records about its writes. */
export interface PeerWriting {
  /** A conflict is not worth another reading of the whole, and is reported. */
  readonly isLastTry: boolean;
  /** Called where the mesh accepted none of the writes. */
  readonly noteTrouble: (error: MeshAdapterError) => void;
}

/** One comparison of the mesh with the foreign trust that it should hold. */
export interface TrustComparison extends PeerWriting {
  readonly wanted: readonly TrustBundle[];
  readonly signal: AbortSignal;
  /** The trust domains that the last report did not call gone. */
  readonly reported: ReadonlySet<TrustDomain>;
  /** The trust domains whose entries stay as they are, although they are not wanted. */
  readonly kept: ReadonlySet<TrustDomain>;
}

/** Writes that the mesh does not answer, one after the other, before it counts as away. */
const MAX_SILENT = 3;

/**
 * Writes peer by peer, or service by service. Because an API server can refuse one object for a
 * reason of that object, one refused write does not stop later ones. Only a mesh that rejects our
 * credentials or stays silent ends them all.
 */
export class PeerWrites<Subject extends string = TrustDomain> {
  readonly #signal: AbortSignal;
  readonly #writing: PeerWriting;
  readonly #faults = new Map<Subject, PeerFault>();
  #conflict: MeshAdapterError | undefined;
  #unnamed: MeshAdapterError | undefined;
  #failure: MeshAdapterError | undefined;
  #hasTaken = false;
  #silent = 0;

  constructor(signal: AbortSignal, writing: PeerWriting) {
    this.#signal = signal;
    this.#writing = writing;
  }

  /**
   * Does one write for one subject; undefined stands for an object of ours that names none. Returns
   * the error where the write failed. Throws what is not a `MeshAdapterError`, and
   * `mesh-unauthenticated` or `mesh-unreachable` of a mesh that is away.
   */
  async attempt(subject: Subject | undefined, work: () => Promise<void>): Promise<PeerFault | undefined> {
    try {
      await work();
      this.#silent = 0;
      this.#hasTaken = true;
      return undefined;
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof MeshAdapterError)) throw error;
      this.#silent = error.code === 'mesh-unreachable' ? this.#silent + 1 : 0;
      if (error.code === 'mesh-unauthenticated' || this.#silent === MAX_SILENT) throw error;
      if (error.code === 'mesh-conflict') this.#conflict ??= error;
      // A refusal shows that the mesh works and the peer's object does not.
      if (error.code === 'mesh-refused') this.#hasTaken = true;
      this.#failure ??= error;
      if (subject === undefined) {
        this.#unnamed ??= error;
        return undefined;
      }
      const { code, message } = error;
      const fault = { state: code === 'mesh-refused' ? 'refused' : 'failed', code, message } as const;
      this.#faults.set(subject, fault);
      return fault;
    }
  }

  faultOf(subject: Subject): PeerFault | undefined {
    return this.#faults.get(subject);
  }

  /**
   * Ends the writes. Throws `mesh-conflict` where another writer was faster and a try remains.
   * Throws the failure of an object that names no peer, because no report could carry it.
   */
  finish(): void {
    if (this.#conflict && !this.#writing.isLastTry) throw this.#conflict;
    if (this.#unnamed) throw this.#unnamed;
    if (this.#failure && !this.#hasTaken) this.#writing.noteTrouble(this.#failure);
  }
}
