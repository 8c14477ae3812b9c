import type { SdsSecret } from './secret.ts';

/** How far one secret has come on one stream; versions, and why the last one was refused. */
export interface Subscription {
  sent?: string;
  acknowledged?: string;
  refused?: string;
}

/** One proxy's open stream, of either variant. */
export interface SdsStream {
  /** The proxy's own name for itself; empty until it has said it. */
  readonly nodeId: string;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /**
   * Sends what the proxy does not have yet of the secrets it asked for. Whether there was something
   * to send.
   */
  push(): boolean;
  end(): void;
}

/** What became of a response: sent, taken up (ACK) or refused (NACK). */
export type SdsEvent = 'sent' | 'acknowledged' | 'refused';

/** What every stream works with. */
export interface SdsStreamParts {
  readonly secrets: (name: string) => SdsSecret | undefined;
  /** The names that a proxy gets which names none. */
  readonly everyName: () => readonly string[];
  /** Called once for each response and each answer to one; `reason` with a refusal. */
  readonly observe: (event: SdsEvent, stream: SdsStream, reason?: string) => void;
}

/** How many secrets one proxy may ask for: one per federated trust domain, and a few. */
export const MAX_NAMES_PER_STREAM = 4096;
const MAX_REASON_CHARACTERS = 1000;

/** Writes down the answer to the newest response for all that was in it. */
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

/** What a proxy says, in bounds. */
export function reasonOf({ message }: { readonly message: string }): string {
  return message.slice(0, MAX_REASON_CHARACTERS);
}
