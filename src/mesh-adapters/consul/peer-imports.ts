import type { TrustDomain } from '../../spiffe/index.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { AnnouncedService } from './announcement.ts';
import type { ServiceAnswer } from './service-sender.ts';

interface Outcome {
  readonly state: 'pending' | 'accepted' | 'refused';
  readonly fault?: ServiceFault;
}

/** What is wanted of one peer's services in Consul, and what the cluster answered. */
export class PeerImports {
  #wanted: readonly AnnouncedService[] | undefined;
  readonly #accepted = new Map<string, Buffer>();
  readonly #refused = new Map<string, { readonly content: Buffer; readonly reason: string }>();
  #listed: ReadonlySet<string> | undefined;
  #listRefusal: string | undefined;

  /** The services to announce; undefined while it is not known which are wanted. */
  get wanted(): readonly AnnouncedService[] | undefined {
    return this.#wanted;
  }

  want(services: readonly AnnouncedService[]): void {
    this.#wanted = services;
  }

  take(answer: ServiceAnswer): void {
    if (answer.kind === 'list') {
      this.#listRefusal = answer.refusal;
      if (answer.refusal !== undefined) return;
      this.#listed = new Set(answer.names);
      for (const name of this.#accepted.keys()) if (!this.#listed.has(name)) this.#accepted.delete(name);
      return;
    }
    const { name, content, refusal } = answer;
    if (refusal === undefined) {
      this.#accepted.set(name, content);
      this.#refused.delete(name);
    } else this.#refused.set(name, { content, reason: refusal });
  }

  /** Takes back the answers about these services, because they are to be sent again. */
  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#accepted.delete(name);
      this.#refused.delete(name);
    }
    this.#listed = undefined;
    this.#listRefusal = undefined;
  }

  /** With its peering the cluster forgets every service of the peer. */
  peeringEnded(): void {
    this.#accepted.clear();
    this.#refused.clear();
    this.#listed = undefined;
  }

  /** Whether the cluster has answered everything that is wanted. */
  get isSettled(): boolean {
    const wanted = this.#wanted;
    if (!wanted) return true;
    if (this.#listRefusal !== undefined) return true;
    const names = wanted.map(({ name }) => name);
    const isListed = this.#listed !== undefined && this.#listed.size === names.length;
    return (
      isListed &&
      wanted.every(({ name, content }) => this.#listed?.has(name) && this.#answerTo(name, content))
    );
  }

  /** How far one announced service came. */
  outcomeOf({ name, content }: AnnouncedService): Outcome {
    const reason = this.#listRefusal ?? this.#answerTo(name, content)?.reason;
    if (reason !== undefined) {
      const message = `the control plane refused the service ${name}: ${JSON.stringify(reason)}`;
      return { state: 'refused', fault: { code: 'mesh-refused', message } };
    }
    const isAccepted = this.#listed?.has(name) && this.#answerTo(name, content) !== undefined;
    return { state: isAccepted ? 'accepted' : 'pending' };
  }

  #answerTo(name: string, content: Buffer): { readonly reason?: string } | undefined {
    const refused = this.#refused.get(name);
    if (refused?.content.equals(content)) return { reason: refused.reason };
    return this.#accepted.get(name)?.equals(content) ? {} : undefined;
  }
}

/** The wanted services of all peers. Undefined wanted services are not known yet. */
export class ImportsByPeer {
  readonly #peers = new Map<TrustDomain, PeerImports>();
  #isKnown = false;

  /** Every peer of which services were asked for or wanted. */
  get trustDomains(): readonly TrustDomain[] {
    return [...this.#peers.keys()];
  }

  /** The services of one peer; none of a peer that `want` did not name. */
  of(trustDomain: TrustDomain): PeerImports {
    let imports = this.#peers.get(trustDomain);
    if (!imports) {
      imports = new PeerImports();
      if (this.#isKnown) imports.want([]);
      this.#peers.set(trustDomain, imports);
    }
    return imports;
  }

  /** From now on exactly these services are wanted. */
  want(wanted: ReadonlyMap<TrustDomain, readonly AnnouncedService[]>): void {
    this.#isKnown = true;
    for (const trustDomain of new Set([...this.#peers.keys(), ...wanted.keys()]))
      this.of(trustDomain).want(wanted.get(trustDomain) ?? []);
  }
}
