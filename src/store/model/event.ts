import { defined, given } from '../../objects/index.ts';
import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** The kinds of events in the audit log. */
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
  'service-refused',
  'service-declared',
  'service-forgotten',
  'service-exported',
  'service-withdrawn',
  'service-imported',
  'service-changed',
  'service-dropped',
  'access-allowed',
  'access-denied',
  'access-revoked',
  'catalogue-issued',
  'catalogue-accepted',
  'catalogue-refused',
  'catalogue-quarantined',
  'catalogue-flapping',
  'catalogue-stale',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

export function isEventKind(kind: string): kind is EventKind {
  return (EVENT_KINDS as readonly string[]).includes(kind);
}

/** Which events are wanted; a field left out does not filter. */
export interface EventFilter {
  readonly trustDomain?: TrustDomain;
  /** From this instant on. */
  readonly since?: Date;
  /** Before this instant. */
  readonly until?: Date;
  readonly kinds?: readonly EventKind[];
  /** Only events after the one with this `id`, oldest first. */
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
  /** Data for programs: JSON values and bigint (written as decimal text). Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** An audit line as stored. `id` grows with every event of the store. */
export interface StoredEvent extends NewEvent {
  readonly id: number;
  /** The bundle version the event belongs to, if any. */
  readonly versionNumber?: number;
}

/**
 * Most characters of JSON in an event's `detail`. A longer detail is left out, and the event states
 * its length.
 */
const MAX_DETAIL_CHARACTERS = 65_536;

/**
 * The event as it is stored: printable text of bounded length, and a detail of plain JSON (bigint
 * as decimal text).
 */
export function cleanEvent(event: NewEvent): NewEvent {
  const { code, detail, ...rest } = event;
  return {
    ...rest,
    actor: printable(event.actor, 100),
    message: printable(event.message, 1000),
    ...(code === undefined ? {} : { code: printable(code, 100) }),
    ...defined({ detail: given(detail, cleanDetail) }),
  };
}

function cleanDetail(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const json = JSON.stringify(detail, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  if (json.length > MAX_DETAIL_CHARACTERS) return { omitted: `${json.length} characters` };
  return JSON.parse(printable(json, MAX_DETAIL_CHARACTERS));
}
