import { hash } from 'node:crypto';
import { defined } from '../objects/index.ts';
import {
  type JsonObject,
  type JsonValue,
  type TrustDomain,
  instantOfClaim,
  isDigest,
  isJsonObject,
} from '../spiffe/index.ts';

/** What an agent saw of bundles, signed for one peer. */
export const SEEN_TYPE = 'federate-seen+jws';
/** Where a peer's agent is asked for it, at the host of its bundle endpoint. */
export const SEEN_PATH = '/.well-known/federate/seen';
/** About three hundred trust domains. An agent with more reports them in turns. */
export const MAX_SEEN_CHARACTERS = 512 * 1024;
/** Trust domains in one answer, and versions of each, newest first. */
export const MAX_SEEN_BUNDLES = 300;
export const MAX_SEEN_VERSIONS = 4;

/** One content that an endpoint showed. */
export interface SeenVersion {
  /** `contentDigest`. */
  readonly digest: string;
  readonly sequence?: bigint;
  /** When it was first seen with that number. */
  readonly at: Date;
}

/** What an endpoint showed to one agent. */
export interface SeenBundle {
  /** `trustDomainHash` of whose bundle it is. */
  readonly subject: string;
  /** Newest first. */
  readonly versions: readonly SeenVersion[];
  /** When the endpoint last confirmed that this is its newest bundle. */
  readonly confirmedAt: Date;
}

/** A head of a history: the statement of whose history it is, and when it was signed. */
export interface ShownHead {
  readonly statement: string;
  readonly at: Date;
}

/** What one agent reports to another. */
export interface Seen {
  /** The newest head of the reporter's own history. */
  readonly head?: ShownHead;
  /** The newest head of the listener's history that the reporter keeps. */
  readonly yourHead?: ShownHead;
  readonly bundles: readonly SeenBundle[];
}

/**
 * Gives the hash that names a trust domain in a report. Only an agent that already knows the name
 * can recognize it.
 */
export function trustDomainHash(trustDomain: TrustDomain): string {
  return hash('sha256', `federate-seen ${trustDomain}`, 'hex');
}

/** The claims of a `federate-seen+jws` statement. */
export function seenClaims({ head, yourHead, bundles }: Seen): Record<string, unknown> {
  const shown = (each: ShownHead | undefined) =>
    each ? { statement: each.statement, at: each.at.toISOString() } : null;
  return {
    head: shown(head),
    your_head: shown(yourHead),
    seen: bundles.map(({ subject, versions, confirmedAt }) => ({
      of: subject,
      confirmed_at: confirmedAt.toISOString(),
      versions: versions.map(({ digest, sequence, at }) => ({
        digest,
        sequence: sequence?.toString() ?? null,
        at: at.toISOString(),
      })),
    })),
  };
}

/** Reads such a statement; undefined where it has another form. */
export function readSeen(claims: JsonObject): Seen | undefined {
  const [head, yourHead, list] = [claims.get('head'), claims.get('your_head'), claims.get('seen')];
  if (!Array.isArray(list) || list.length > MAX_SEEN_BUNDLES) return undefined;
  const bundles = list.map(readBundle);
  const [shown, yours] = [readHead(head), readHead(yourHead)];
  if (shown === 'malformed' || yours === 'malformed' || !bundles.every((each) => each !== undefined))
    return undefined;
  return { bundles, ...defined({ head: shown, yourHead: yours }) };
}

function readHead(value: JsonValue | undefined): ShownHead | undefined | 'malformed' {
  if (value === null) return undefined;
  if (!isJsonObject(value)) return 'malformed';
  const [statement, at] = [value.get('statement'), instantOfClaim(value.get('at'))];
  return typeof statement === 'string' && at ? { statement, at } : 'malformed';
}

function readBundle(value: JsonValue): SeenBundle | undefined {
  if (!isJsonObject(value)) return undefined;
  const [subject, list] = [value.get('of'), value.get('versions')];
  const confirmedAt = instantOfClaim(value.get('confirmed_at'));
  if (!isDigest(subject) || !confirmedAt || !Array.isArray(list) || list.length > MAX_SEEN_VERSIONS)
    return undefined;
  const versions = list.map(readVersion);
  return versions.every((each) => each !== undefined) ? { subject, versions, confirmedAt } : undefined;
}

function readVersion(value: JsonValue): SeenVersion | undefined {
  if (!isJsonObject(value)) return undefined;
  const [digest, sequence, at] = [
    value.get('digest'),
    value.get('sequence'),
    instantOfClaim(value.get('at')),
  ];
  if (!isDigest(digest) || !at) return undefined;
  if (sequence === null) return { digest, at };
  if (typeof sequence !== 'string' || !/^\d{1,20}$/.test(sequence)) return undefined;
  return { digest, at, sequence: BigInt(sequence) };
}
