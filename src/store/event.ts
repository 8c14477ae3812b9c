import type { TrustDomain } from '../spiffe/index.ts';

/** What the audit log can tell. */
export type EventKind =
  | 'agent-started'
  | 'agent-stopped'
  | 'relationship-added'
  | 'relationship-changed'
  | 'relationship-removed'
  | 'bundle-accepted'
  | 'bundle-refused'
  | 'bundle-quarantined'
  | 'endpoint-unreachable'
  | 'recovered'
  | 'own-bundle-changed'
  | 'operator-override'
  | 'mesh-updated'
  | 'mesh-refused';

/** One line for the audit log: who did what, and why. */
export interface NewEvent {
  readonly at: Date;
  readonly kind: EventKind;
  readonly trustDomain?: TrustDomain;
  /** `agent`, `operator:<uid>` or `mesh:<kind>`. */
  readonly actor: string;
  readonly code?: string;
  readonly message: string;
  /** Data for programs; JSON values and bigint (written as decimal text). Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** An audit line as it was kept. `id` grows with every event of the store. */
export interface StoredEvent extends NewEvent {
  readonly id: number;
  /** The bundle version the event belongs to, where it belongs to one. */
  readonly versionNumber?: number;
}

/** The data of an event as text, or undefined where there is none; bigint becomes decimal text. */
export function serializeDetail(detail: NewEvent['detail']): string | undefined {
  if (detail === undefined) return undefined;
  return JSON.stringify(detail, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
