import { defined } from '../../objects/index.ts';
import { printable } from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { checkSequence } from './arguments.ts';
import type { EventKind, NewEvent } from './event.ts';

/**
 * What can go wrong with a peer for a while. Each is also the kind of the event that records its
 * beginning.
 */
export type IncidentKind = Extract<
  EventKind,
  | 'endpoint-unreachable'
  | 'bundle-refused'
  | 'bundle-quarantined'
  | 'bundle-unusable'
  | 'sequence-jumped'
  | 'trust-stale'
  | 'peer-dropped-us'
  | 'peer-flapping'
  | 'mesh-refused'
  | 'service-refused'
  | 'equivocation'
  | 'history-doctored'
  | 'catalogue-refused'
  | 'catalogue-quarantined'
  | 'catalogue-flapping'
  | 'catalogue-stale'
>;

/**
 * One failed attempt. The caller reports every one; the store decides whether it continues an
 * incident.
 */
export interface NewIncident {
  readonly at: Date;
  readonly kind: IncidentKind;
  readonly trustDomain: TrustDomain;
  readonly actor: string;
  readonly code: string;
  readonly message: string;
  /** Where it happened, usually the endpoint URL. */
  readonly origin: string;
  /** The sequence of the offer, where it could be read. */
  readonly sequence?: bigint;
  /** The offer itself, where it could be parsed. An operator may accept it later. */
  readonly offered?: TrustBundle;
}

/** Which incidents to read; what it leaves out does not matter. */
export interface IncidentFilter {
  readonly trustDomain?: TrustDomain;
  readonly open?: boolean;
  readonly offers?: boolean;
  readonly limit?: number;
}

/** An incident from its beginning to its end. All its repetitions are one incident. */
export interface StoredIncident extends NewIncident {
  readonly id: number;
  /**
   * When the newest repetition was, and how many there were. `at` is the beginning; `message` and
   * the offer are the newest.
   */
  readonly lastAt: Date;
  readonly count: number;
  /**
   * `contentDigest` of the offer it shows, and since when and how often this offer was seen. Absent
   * without an offer.
   */
  readonly offer?: { readonly digest: string; readonly since: Date; readonly times: number };
  /** Absent while the incident is open. */
  readonly endedAt?: Date;
}

/**
 * The incident as it is stored: printable text of bounded length. The sequence of the offer is kept
 * only where no offer carries it.
 */
export function cleanIncident(incident: NewIncident): NewIncident {
  const sequence = incident.sequence ?? incident.offered?.sequence;
  checkSequence(sequence);
  return {
    ...incident,
    actor: printable(incident.actor, 100),
    code: printable(incident.code, 100),
    message: printable(incident.message, 1000),
    origin: printable(incident.origin, 2048),
    ...defined({ sequence }),
  };
}

/**
 * The count of an incident's offer after one more sighting: increased for the same offer, else
 * started again.
 */
export function offerSeen(
  before: StoredIncident['offer'],
  offered: TrustBundle | undefined,
  at: Date,
): StoredIncident['offer'] {
  if (!offered) return before;
  const digest = contentDigest(offered);
  return before?.digest === digest ? { ...before, times: before.times + 1 } : { digest, since: at, times: 1 };
}

/** The audit line of an incident's beginning. */
export function incidentBegan(incident: NewIncident): NewEvent {
  const { at, kind, trustDomain, actor, code, message, origin, sequence } = incident;
  const detail = { origin, ...defined({ sequence }) };
  return { at, kind, trustDomain, actor, code, message, detail };
}

/** The audit line of an incident's end. */
export function incidentEnded(
  incident: Pick<StoredIncident, 'kind' | 'trustDomain' | 'code' | 'count' | 'at'>,
  at: Date,
  actor: string,
): NewEvent {
  const { kind, trustDomain, code, count } = incident;
  const times = count === 1 ? 'once' : `${count} times`;
  const message = `${kind} (${code}) is over; it was seen ${times} since ${incident.at.toISOString()}`;
  return { at, kind: 'recovered', trustDomain, actor, code, message, detail: { kind, count } };
}

/**
 * Most incidents of one kind that may begin for one peer within `INCIDENT_WINDOW_MS`. After that an
 * open incident stays open.
 */
const INCIDENTS_IN_WINDOW = 6;
export const INCIDENT_WINDOW_MS = 60 * 60_000;

/**
 * Whether an open incident may end, by how many of its kind began within the window, itself
 * included. Because intermittent trouble would otherwise add rows without end, the incident then
 * stays open and is counted up. It ends with the first good poll of a calmer time.
 */
export function mayEnd(begunInWindow: number): boolean {
  return begunInWindow < INCIDENTS_IN_WINDOW;
}
