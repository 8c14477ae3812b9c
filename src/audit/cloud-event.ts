import type { TrustDomain } from '../spiffe/index.ts';
import type { StoredEvent } from '../store/index.ts';

/** An event of the history as CloudEvents 1.0 has it, in the structured JSON format. */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** The history's first link and the number in it: two stores never give one ID twice. */
  readonly id: string;
  /** The trust domain of the agent, as a SPIFFE ID. */
  readonly source: string;
  readonly type: `dev.federate.${string}`;
  /** The peer that the event is about. */
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: {
    readonly actor: string;
    readonly code: string | null;
    readonly message: string;
    readonly version: number | null;
    readonly detail: Readonly<Record<string, unknown>> | null;
  };
}

/** Which history it is, and whose. */
export interface HistoryIdentity {
  /** Hash of the first link of its chain. */
  readonly chain: string;
  /** Undefined as long as the mesh has not reported it. */
  readonly trustDomain: TrustDomain | undefined;
}

/** Writes an event of the history as a CloudEvent. */
export function cloudEventOf(event: StoredEvent, { chain, trustDomain }: HistoryIdentity): CloudEvent {
  return {
    specversion: '1.0',
    id: `${chain.slice(0, 16)}-${event.id}`,
    source: trustDomain === undefined ? '/federate/agent' : `spiffe://${trustDomain}`,
    type: `dev.federate.${event.kind}`,
    ...(event.trustDomain === undefined ? {} : { subject: event.trustDomain }),
    time: event.at.toISOString(),
    datacontenttype: 'application/json',
    data: {
      actor: event.actor,
      code: event.code ?? null,
      message: event.message,
      version: event.versionNumber ?? null,
      detail: event.detail ?? null,
    },
  };
}
