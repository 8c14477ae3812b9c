import { createHash } from 'node:crypto';
import { defined } from '../objects/index.ts';
import {
  CodedError,
  type EndpointProfile,
  parseEndpointUrl,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  spiffeIdOf,
  type TrustDomain,
} from '../spiffe/index.ts';
import { decodeBase32, encodeBase32 } from './base32.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { InvitationError } from './errors.ts';

/** The content of the one line of an invitation. */
export interface Invitation {
  /** 16 hex digits. */
  readonly id: string;
  /**
   * 16 bytes. The inviter knows them only while it prints the line; after that only holders of the
   * line do.
   */
  readonly secret: Uint8Array;
  readonly trustDomain: TrustDomain;
  /** 1 to 3, tried in order. */
  readonly endpointUrls: readonly string[];
  readonly profile: EndpointProfile;
  /** The SPIFFE ID that signs for the inviter; over `https_spiffe` also its endpoint ID. */
  readonly agentId: SpiffeId;
  /**
   * The first 16 bytes of the SHA-256 of the public key of each root, present and next: 32 hex
   * digits each, 1 to 8 of them.
   */
  readonly rootPins: readonly string[];
  /** Whole seconds. */
  readonly expiresAt: Date;
  readonly requireApproval: boolean;
  /** The only trust domain that may redeem it. */
  readonly expectedPeer?: TrustDomain;
}

/** How every invitation begins. */
const INVITATION_PREFIX = 'FEDERATE:';

export const MAX_URLS = 3;
export const MAX_PINS = 8;
const VERSION = 1;
const ID_BYTES = 8;
const SECRET_BYTES = 16;
const PIN_BYTES = 16;
const CHECKSUM_BYTES = 4;
/** Version, flags and length. */
const HEAD_BYTES = 4;
/** A line of the longest names and URLs would have about half as many. */
const MAX_CHARACTERS = 32_768;

const FLAG_APPROVAL = 1;
const FLAG_PEER = 2;
const FLAG_WEB = 4;

/** Whether a text means to be an invitation: it begins as one does, whatever follows. */
export function looksLikeInvitation(text: string): boolean {
  return text.trimStart().slice(0, INVITATION_PREFIX.length).toUpperCase() === INVITATION_PREFIX;
}

/**
 * The one line of an invitation: `FEDERATE:` and base32 of version, flags, length, ID, secret,
 * expiry, names, URLs, pins and a checksum. It holds the secret. Throws `TypeError` for an
 * invitation that a line cannot hold.
 */
export function serializeInvitation(invitation: Invitation): string {
  const { id, secret, trustDomain, endpointUrls, profile, agentId, rootPins, expectedPeer } = invitation;
  if (secret.length !== SECRET_BYTES) throw new TypeError(`a secret has ${SECRET_BYTES} bytes`);
  if (profile.kind === 'https_spiffe' && profile.endpointId !== agentId)
    throw new TypeError('an https_spiffe endpoint proves the SPIFFE ID that signs');
  if (endpointUrls.length < 1 || endpointUrls.length > MAX_URLS)
    throw new TypeError(`an invitation has 1 to ${MAX_URLS} URLs`);
  if (rootPins.length < 1 || rootPins.length > MAX_PINS)
    throw new TypeError(`an invitation has 1 to ${MAX_PINS} pins`);
  const body = new ByteWriter()
    .raw(Buffer.from(id, 'hex'), ID_BYTES)
    .raw(secret, SECRET_BYTES)
    .uint32(Math.floor(invitation.expiresAt.getTime() / 1000))
    .text(trustDomain)
    .text(pathOf(agentId))
    .uint8(endpointUrls.length);
  for (const url of endpointUrls) body.text(url);
  body.uint8(rootPins.length);
  for (const pin of rootPins) body.raw(Buffer.from(pin, 'hex'), PIN_BYTES);
  if (expectedPeer !== undefined) body.text(expectedPeer);
  const rest = body.bytes();
  const flags =
    (invitation.requireApproval ? FLAG_APPROVAL : 0) |
    (expectedPeer === undefined ? 0 : FLAG_PEER) |
    (profile.kind === 'https_web' ? FLAG_WEB : 0);
  const payload = new ByteWriter()
    .uint8(VERSION)
    .uint8(flags)
    .uint16(HEAD_BYTES + rest.length)
    .raw(rest, rest.length)
    .bytes();
  return `${INVITATION_PREFIX}${encodeBase32(Buffer.concat([payload, checksum(payload)]))}`;
}

/**
 * Reads a line, in either case and with whatever white space a chat put into it. Throws
 * `InvitationError` `invitation-malformed`, `invitation-version`, `invitation-cut`,
 * `invitation-mistyped`; no message repeats the line, which holds a secret.
 */
export function parseInvitation(text: string): Invitation {
  const joined = text.replace(/\s+/g, '');
  if (!looksLikeInvitation(joined))
    throw new InvitationError('invitation-malformed', `an invitation begins with ${INVITATION_PREFIX}`);
  const bytes =
    joined.length > MAX_CHARACTERS ? undefined : decodeBase32(joined.slice(INVITATION_PREFIX.length));
  if (!bytes)
    throw new InvitationError(
      'invitation-mistyped',
      `after ${INVITATION_PREFIX} an invitation has only the letters A to Z and the digits 2 to 7`,
    );
  const payload = checkedPayload(bytes);
  try {
    return readPayload(payload);
  } catch (cause) {
    if (!(cause instanceof CodedError || cause instanceof RangeError)) throw cause;
    throw new InvitationError(
      'invitation-malformed',
      `the invitation is complete, but its content cannot be right: ${cause.message}`,
      { cause },
    );
  }
}

/** The payload without its checksum, once version, length and checksum are right. */
function checkedPayload(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEAD_BYTES) throw cutOff(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(2);
  const payload = bytes.subarray(0, length);
  const sum = bytes.subarray(length);
  const right = sum.length === CHECKSUM_BYTES && checksum(payload).equals(sum);
  // A newer form may have another checksum, an older one has not been.
  if (view.getUint8(0) > VERSION && right)
    throw new InvitationError(
      'invitation-version',
      `the invitation has form ${view.getUint8(0)}, and this version of Federate reads form ${VERSION}`,
    );
  if (bytes.length < length + CHECKSUM_BYTES) throw cutOff(bytes.length, length + CHECKSUM_BYTES);
  if (!right)
    throw new InvitationError(
      'invitation-mistyped',
      'the checksum of the invitation is wrong: a character of it was changed, lost or added',
    );
  return payload;
}

function cutOff(has: number, needs?: number): InvitationError {
  const many = needs === undefined ? '' : `: it has ${has} of ${needs} bytes`;
  return new InvitationError('invitation-cut', `the invitation is cut off, or was mistyped${many}`);
}

function readPayload(payload: Uint8Array): Invitation {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== VERSION) throw new RangeError(`its form is not ${VERSION}`);
  const flags = reader.uint8();
  if ((flags & ~(FLAG_APPROVAL | FLAG_PEER | FLAG_WEB)) !== 0) throw new RangeError('it has unknown flags');
  reader.uint16();
  const id = Buffer.from(reader.raw(ID_BYTES)).toString('hex');
  const secret = reader.raw(SECRET_BYTES).slice();
  const expiresAt = new Date(reader.uint32() * 1000);
  const trustDomain = parseTrustDomain(reader.text());
  const agentId = parseSpiffeId(`${spiffeIdOf(trustDomain)}${reader.text()}`);
  const endpointUrls = reader.list(MAX_URLS, () => parseEndpointUrl(reader.text()).href);
  const rootPins = reader.list(MAX_PINS, () => Buffer.from(reader.raw(PIN_BYTES)).toString('hex'));
  const expectedPeer = (flags & FLAG_PEER) === 0 ? undefined : parseTrustDomain(reader.text());
  reader.end();
  return {
    id,
    secret,
    trustDomain,
    endpointUrls,
    profile: (flags & FLAG_WEB) === 0 ? { kind: 'https_spiffe', endpointId: agentId } : { kind: 'https_web' },
    agentId,
    rootPins,
    expiresAt,
    requireApproval: (flags & FLAG_APPROVAL) !== 0,
    ...defined({ expectedPeer }),
  };
}

function checksum(payload: Uint8Array): Buffer {
  return createHash('sha256')
    .update('federate-invitation-line')
    .update(payload)
    .digest()
    .subarray(0, CHECKSUM_BYTES);
}
