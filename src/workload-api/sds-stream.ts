import type { EncodedResource } from './encoded-secret.ts';

/** The progress of one secret on one stream: versions, and why the last one was refused. */
export interface Subscription {
  sent?: string;
  acknowledged?: string;
  refused?: string;
}

/** One proxy's open stream, of either variant. */
export interface SdsStream {
  /** The proxy's own name for itself; empty until it sends one. */
  readonly nodeId: string;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /**
   * Sends those secrets the proxy asked for and does not have yet. Returns whether there was one to
   * send.
   */
  push(): boolean;
  end(): void;
}

/** The fate of a response: sent, accepted (ACK) or refused (NACK). */
export type SdsEvent = 'sent' | 'acknowledged' | 'refused';

/** The parts that every stream uses. */
export interface SdsStreamParts {
  /** The type of the resources: of secrets as a rule. */
  readonly typeUrl: string;
  readonly resource: (name: string) => EncodedResource | undefined;
  /**
   * Whether a response holds every resource that exists, so that a removal is sent too. So it is for
   * clusters; a secret that is gone is not taken away from a proxy.
   */
  readonly isComplete: boolean;
  /** The names for a proxy that names none. */
  readonly everyName: () => readonly string[];
  /** Called for each response and each answer to one; `reason` comes with a refusal. */
  readonly observe: (event: SdsEvent, stream: SdsStream, reason?: string) => void;
}

/** How many resources one proxy may ask for: one per federated trust domain, and a few. */
export const MAX_NAMES_PER_STREAM = 4096;
const MAX_REASON_CHARACTERS = 1000;

/** Records the answer to the newest response for all secrets in it. */
export function settle(
  subscriptions: Iterable<Subscription>,
  error: { readonly message: string } | undefined,
): void {
  for (const subscription of subscriptions) {
    if (subscription.sent === undefined) continue;
    if (error) subscription.refused = reasonOf(error);
    else {
      subscription.acknowledged = subscription.sent;
      delete subscription.refused;
    }
  }
}

/** A text from a proxy, bounded. */
export function reasonOf({ message }: { readonly message: string }): string {
  return message.slice(0, MAX_REASON_CHARACTERS);
}
