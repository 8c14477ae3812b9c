import { isTrustDomain, parseSpiffeId, type TrustBundle, trustDomainOf } from '../../spiffe/index.ts';
import type { ChainLink } from '../model/chain.ts';
import { readStoredDocument } from '../sql/stored-document.ts';

interface Step {
  readonly at: string;
  readonly document: string;
}

/** The bundles that a history gives for some trust domains, for proving who signed its heads. */
export class BundleTimeline {
  readonly #steps: ReadonlyMap<string, Step[]>;

  /**
   * `signers` are SPIFFE IDs; only their trust domains are remembered. An invalid SPIFFE ID is
   * skipped.
   */
  constructor(signers: Iterable<string>) {
    this.#steps = new Map([...signers].flatMap((id) => nameOf(id)).map((name) => [name, []]));
  }

  /** Takes in a link in the order of the chain. */
  add({ table, text }: ChainLink): void {
    if (table !== 'bundle_version' || text === undefined) return;
    const row: Record<string, unknown> = JSON.parse(text);
    const { trust_domain: name, received_at: at, document } = row;
    if (typeof name !== 'string' || typeof at !== 'string' || typeof document !== 'string') return;
    this.#steps.get(name)?.push({ at, document });
  }

  /**
   * The bundles of the signer's trust domain that were in effect in the second of `at`, newest
   * first.
   */
  bundlesAt(signer: string, at: Date): TrustBundle[] {
    const [name] = nameOf(signer);
    const steps = (name && this.#steps.get(name)) ?? [];
    // Statements carry whole seconds, and a root may have come in the middle of one.
    const [from, until] = [at, new Date(at.getTime() + 1000)].map((each) => each.toISOString());
    const first = steps.findLastIndex((step) => step.at <= (from ?? ''));
    return steps
      .slice(Math.max(first, 0))
      .filter((step) => step.at <= (until ?? ''))
      .toReversed()
      .flatMap(({ document }) => bundleOf(name, document));
  }
}

function nameOf(signer: string) {
  try {
    return [trustDomainOf(parseSpiffeId(signer))];
  } catch {
    // A doctored signer name only leaves its head unproven.
    return [];
  }
}

function bundleOf(name: string | undefined, document: string): TrustBundle[] {
  if (name === undefined || !isTrustDomain(name)) return [];
  try {
    return [readStoredDocument(name, Buffer.from(document), `a bundle of ${name}`)];
  } catch {
    // A doctored document proves nothing. The finding for its row reports it.
    return [];
  }
}
