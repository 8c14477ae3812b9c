import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from './event.ts';
import type { StateReason } from './relationship.ts';

/** The actor of every entry that the agent's config file declares. No verb changes such an entry. */
export const CONFIG_ACTOR = 'config';

/** A service that the operator declared at the command line. */
export interface StoredOwnService {
  readonly id: string;
  /** JSON. */
  readonly document: string;
  readonly declaredAt: Date;
  readonly actor: string;
}

/** A service of ours that one peer may see. */
export interface StoredExport {
  readonly service: string;
  readonly consumer: TrustDomain;
  readonly since: Date;
  readonly state: 'serving' | 'draining';
  /** The end of a `draining` export. */
  readonly drainUntil?: Date;
  readonly actor: string;
}

/** A rule about who may call a service of ours. */
export interface StoredAccessRule {
  readonly service: string;
  readonly ruleId: string;
  /** JSON. */
  readonly document: string;
  readonly since: Date;
  readonly actor: string;
}

/**
 * How an import stands: used · ends soon · waits for the operator · its name or its ports cannot be
 * used · its owner does not offer it.
 */
export type ImportState = 'serving' | 'draining' | 'waiting' | 'conflict' | 'absent';

/** A service of a peer that we use. */
export interface StoredImport {
  readonly trustDomain: TrustDomain;
  readonly service: string;
  /** The host name that callers here use. Unique among all imports. */
  readonly name: string;
  readonly namespaces: readonly string[];
  readonly since: Date;
  readonly state: ImportState;
  readonly reason?: StateReason;
  /** The end of a `draining` import. */
  readonly drainUntil?: Date;
  /**
   * What its owner offered when it was accepted last: the content of a catalogue with this service
   * alone, as JSON. Absent until it is offered once.
   */
  readonly offer?: string;
  readonly actor: string;
}

/** The audit line of an export that ended with its relationship. */
export function exportEnded({ service, consumer }: StoredExport, at: Date, actor: string): NewEvent {
  return {
    at,
    kind: 'service-withdrawn',
    trustDomain: consumer,
    actor,
    code: 'relationship-removed',
    message: `${service} is no longer exported: the relationship with ${consumer} ended`,
    detail: { service },
  };
}

/** The audit line of an import that ended with its relationship. */
export function importEnded({ service, name, trustDomain }: StoredImport, at: Date, actor: string): NewEvent {
  return {
    at,
    kind: 'service-dropped',
    trustDomain,
    actor,
    code: 'relationship-removed',
    message: `${name} is gone: the relationship with ${trustDomain} ended`,
    detail: { service, name },
  };
}

/** The reason as it is stored. */
