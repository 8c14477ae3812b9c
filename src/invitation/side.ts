import { createHash } from 'node:crypto';
import { defined } from '../objects/index.ts';
import {
  type BundleLimits,
  certificatesFromPem,
  CodedError,
  type EndpointProfile,
  type JsonObject,
  type JsonValue,
  parseBundle,
  parseEndpointUrl,
  parseSpiffeId,
  parseStrictJson,
  parseTrustDomain,
  type SpiffeId,
  type TrustBundle,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe/index.ts';
import { InvitationError } from './errors.ts';
import { MAX_URLS } from './line.ts';

/** What one side of an invitation reports about itself. */
export interface SideTerms {
  readonly role: 'inviter' | 'newcomer';
  readonly invitationId: string;
  readonly trustDomain: TrustDomain;
  readonly endpointUrls: readonly string[];
  readonly profile: EndpointProfile;
  /** The SPIFFE ID that signs for it. */
  readonly agentId: SpiffeId;
  /** The CA of an `https_web` endpoint that is not in the public Web PKI, PEM. */
  readonly webPkiCaPem?: string;
  /** Its SPIFFE bundle document. */
  readonly bundleDocument: string;
  /** The time of its clock when it wrote this. */
  readonly at: Date;
  /** 64 hex digits of chance. */
  readonly nonce: string;
}

/** What one side reported, and the exact text of it, because that text gets signed. */
export interface Side extends SideTerms {
  readonly bundle: TrustBundle;
  readonly text: string;
}

const MAX_CA_CHARACTERS = 64 * 1024;
/** JSON inside JSON has a backslash before each quotation mark. */
const ESCAPED = 2;

/** The longest text of a side, in bytes, for bundles of at most `maxBytes`. */
export function maxSideBytes({ maxBytes }: BundleLimits): number {
  return ESCAPED * (maxBytes + MAX_CA_CHARACTERS) + 16_384;
}

/** What a side sends. */
export function serializeSide(terms: SideTerms): string {
  const { role, invitationId, trustDomain, endpointUrls, profile, agentId, webPkiCaPem } = terms;
  return JSON.stringify({
    role,
    invitation: invitationId,
    trust_domain: trustDomain,
    endpoint_urls: endpointUrls,
    profile: profile.kind,
    agent_id: agentId,
    ...defined({ ca_pem: webPkiCaPem }),
    bundle: terms.bundleDocument,
    at: terms.at.toISOString(),
    nonce: terms.nonce,
  });
}

/**
 * SHA-256 of what a side will send. It commits to that before it knows the message of the other
 * side. 64 hex digits.
 */
export function commitmentTo(text: string): string {
  return createHash('sha256').update('federate-invitation-commitment-v1\n').update(text).digest('hex');
}

/** Reads what the other side reported. Throws `InvitationError` `invitation-message-invalid`. */
export function parseSide(
  text: string,
  expected: { readonly role: Side['role']; readonly invitationId: string; readonly limits: BundleLimits },
): Side {
  try {
    return readSide(text, expected);
  } catch (cause) {
    if (cause instanceof InvitationError || !(cause instanceof CodedError)) throw cause;
    throw new InvitationError(
      'invitation-message-invalid',
      `the statement of the ${expected.role} cannot be read: ${cause.message}`,
      { cause },
    );
  }
}

function readSide(
  text: string,
  { role, invitationId, limits }: { role: Side['role']; invitationId: string; limits: BundleLimits },
): Side {
  const fields = jsonObject(Buffer.from(text, 'utf8'), maxSideBytes(limits));
  if (stringIn(fields, 'role') !== role) throw invalid(`its role is not ${role}`);
  if (stringIn(fields, 'invitation') !== invitationId) throw invalid('it is about another invitation');
  const trustDomain = parseTrustDomain(stringIn(fields, 'trust_domain'));
  const agentId = parseSpiffeId(stringIn(fields, 'agent_id'));
  if (trustDomainOf(agentId) !== trustDomain) throw invalid(`${agentId} is not of ${trustDomain}`);
  const kind = stringIn(fields, 'profile');
  if (kind !== 'https_spiffe' && kind !== 'https_web')
    throw invalid(`its profile ${JSON.stringify(kind)} is unknown`);
  const nonce = stringIn(fields, 'nonce');
  if (!/^[0-9a-f]{64}$/.test(nonce)) throw invalid('its nonce is not 64 hex digits');
  const at = new Date(stringIn(fields, 'at'));
  if (Number.isNaN(at.getTime())) throw invalid('its time is not an instant');
  const webPkiCaPem = fields.get('ca_pem') === undefined ? undefined : stringIn(fields, 'ca_pem');
  if (webPkiCaPem !== undefined) {
    if (kind !== 'https_web' || webPkiCaPem.length > MAX_CA_CHARACTERS)
      throw invalid('a CA goes with https_web, and has a bounded length');
    certificatesFromPem(webPkiCaPem);
  }
  const bundleDocument = stringIn(fields, 'bundle');
  return {
    role,
    invitationId,
    trustDomain,
    endpointUrls: urlsIn(fields),
    profile: kind === 'https_web' ? { kind } : { kind, endpointId: agentId },
    agentId,
    ...defined({ webPkiCaPem }),
    bundleDocument,
    bundle: parseBundle(trustDomain, Buffer.from(bundleDocument, 'utf8'), limits).bundle,
    at,
    nonce,
    text,
  };
}

/**
 * Less than what signatures allow for. So each side that passes here can verify what the other one
 * signs.
 */
const MOST_APART_MS = 45_000;

/**
 * Throws `InvitationError` `clocks-differ` where the other side's clock is too far from ours for
 * signatures.
 */
export function compareClocks({ role, at }: Side, now: Date): void {
  if (Math.abs(at.getTime() - now.getTime()) <= MOST_APART_MS) return;
  throw new InvitationError(
    'clocks-differ',
    `the clock of the ${role} shows ${at.toISOString()}, and ours ${now.toISOString()}: more than ${MOST_APART_MS / 1000} seconds apart`,
  );
}

function urlsIn(fields: JsonObject): string[] {
  const urls = fields.get('endpoint_urls');
  if (!Array.isArray(urls) || urls.length < 1 || urls.length > MAX_URLS)
    throw invalid(`it has 1 to ${MAX_URLS} endpoint URLs`);
  return urls.map((url: JsonValue) => {
    if (typeof url !== 'string') throw invalid('an endpoint URL is a text');
    return parseEndpointUrl(url).href;
  });
}

/**
 * One JSON object of bounded size. Throws `JsonError`, and `InvitationError` for JSON of another
 * kind.
 */
export function jsonObject(bytes: Uint8Array, maxBytes: number): JsonObject {
  const value = parseStrictJson(bytes, { maxBytes, maxDepth: 8 });
  if (value instanceof Map) return value;
  throw invalid('a message is one JSON object');
}

/** A member that is a text. Throws `InvitationError` `invitation-message-invalid`. */
export function stringIn(object: JsonObject, name: string): string {
  const value = object.get(name);
  if (typeof value === 'string') return value;
  throw invalid(`${name} is missing, or no text`);
}

function invalid(why: string): InvitationError {
  return new InvitationError(
    'invitation-message-invalid',
    `a message about an invitation is invalid: ${why}`,
  );
}
