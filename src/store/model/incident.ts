import { printable } from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { checkSequence } from './arguments.ts';
import type { EventKind, NewEvent } from './event.ts';

/**
 * What can go wrong with a peer for a while. Each is also the kind of the event that tells of its
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
  | 'equivocation'
  | 'history-doctored'
>;

/**
 * One failed attempt, as whoever failed tells it: every time anew, the store knows whether it goes
 * on.
 */
export interface NewIncident {
  readonly at: Date;
  readonly kind: IncidentKind;
  readonly trustDomain: TrustDomain;
  readonly actor: string;
  readonly code: string;
  readonly message: string;
  /** From where: the endpoint URL, usually. */
  readonly origin: string;
  /** The sequence of the offer, where one could be read. */
  readonly sequence?: bigint;
  /** The offer itself, where it could be parsed: what an operator may accept later. */
  readonly offered?: TrustBundle;
}

/** An incident from its beginning to its end. However often it repeats, it is one. */
export interface StoredIncident extends NewIncident {
  readonly id: number;
  /**
   * When the newest repetition was, and how many there were; `at` is the beginning, `message` and
   * the offer are the newest.
   */
  readonly lastAt: Date;
  readonly count: number;
  /**
   * `contentDigest` of the offer it shows, since when and how often that very one was seen; absent
   * without an offer.
   */
  readonly offer?: { readonly digest: string; readonly since: Date; readonly times: number };
  /** Absent while it goes on. */
  readonly endedAt?: Date;
}

/**
 * The incident as it is kept: printable text of bounded length, and the sequence of the offer where
 * only that tells it.
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
    ...(sequence === undefined ? {} : { sequence }),
  };
}

/**
 * How the offer of an incident stands after it was seen once more: counted up while it is the same,
 * else begun anew.
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
  const detail = { origin, ...(sequence === undefined ? {} : { sequence }) };
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
 * Incidents of one kind that may begin for one peer within `INCIDENT_WINDOW_MS`, before one that is
 * open stays so.
 */
export const INCIDENTS_IN_WINDOW = 6;
export const INCIDENT_WINDOW_MS = 60 * 60_000;

/**
 * Whether an open incident may end, by how many of its kind began within the window, itself
 * included. Because trouble that comes and goes would otherwise add rows without end, it stays open
 * then, is counted up, and ends with the first good poll of a calmer time.
 */
export function mayEnd(begunInWindow: number): boolean {
  return begunInWindow < INCIDENTS_IN_WINDOW;
}
