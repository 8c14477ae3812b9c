import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** What the audit log can tell. */
export const EVENT_KINDS = [
  'agent-started',
  'agent-stopped',
  'relationship-added',
  'relationship-changed',
  'relationship-removed',
  'bundle-accepted',
  'bundle-refused',
  'bundle-quarantined',
  'bundle-unusable',
  'sequence-jumped',
  'endpoint-unreachable',
  'recovered',
  'own-bundle-changed',
  'operator-override',
  'key-distrusted',
  'key-trusted-again',
  'offer-rejected',
  'offer-reconsidered',
  'trust-stale',
  'peer-dropped-us',
  'peer-flapping',
  'equivocation',
  'history-doctored',
  'invitation-given',
  'invitation-taken',
  'invitation-refused',
  'invitation-ended',
  'root-published',
  'root-in-use',
  'root-retiring',
  'root-gone',
  'rotation-risk',
  'mesh-updated',
  'mesh-refused',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

export function isEventKind(word: string): word is EventKind {
  return (EVENT_KINDS as readonly string[]).includes(word);
}

/** Which events are wanted; what is left out does not matter. */
export interface EventFilter {
  readonly trustDomain?: TrustDomain;
  /** From this instant on. */
  readonly since?: Date;
  /** Before this instant. */
  readonly until?: Date;
  readonly kinds?: readonly EventKind[];
  /** Only those after the event with this `id`, and then the oldest first. */
  readonly after?: number;
  readonly limit?: number;
}

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

/** Characters of JSON an event's `detail` may have; more is left out, and the detail says so. */
const MAX_DETAIL_CHARACTERS = 65_536;

/**
 * The event as it is kept: printable text of bounded length, and a detail that is plain JSON
 * (bigint as decimal text).
 */
export function cleanEvent(event: NewEvent): NewEvent {
  const { code, detail, ...rest } = event;
  return {
    ...rest,
    actor: printable(event.actor, 100),
    message: printable(event.message, 1000),
    ...(code === undefined ? {} : { code: printable(code, 100) }),
    ...(detail === undefined ? {} : { detail: cleanDetail(detail) }),
  };
}

function cleanDetail(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const json = JSON.stringify(detail, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  if (json.length > MAX_DETAIL_CHARACTERS) return { omitted: `${json.length} characters` };
  return JSON.parse(printable(json, MAX_DETAIL_CHARACTERS));
}
