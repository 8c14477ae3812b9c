import type { Svid } from '../mtls/index.ts';
import { defined } from '../objects/index.ts';
import { CodedError, serializeBundle, type TrustBundle, verifyX509Svid } from '../spiffe/index.ts';
import { InvitationError } from './errors.ts';
import { MAX_PINS } from './line.ts';
import type { InvitationParts } from './parts.ts';
import { reportedBundle } from './reported-bundle.ts';
import { parseSide, type Side, type SideTerms, serializeSide } from './side.ts';

/** What we sign with, and the roots that prove it. */
export interface OwnIdentity {
  readonly svid: Svid;
  readonly own: TrustBundle;
  /** Pins of our roots as a line holds them; the one above our SVID first, then the newest. */
  readonly rootPins: readonly string[];
}

const PIN_DIGITS = 32;

/**
 * Gives our SVID, if peers that hold our roots can verify it. Throws `InvitationError`
 * `own-bundle-unknown`, `identity-missing`, `identity-unusable`.
 */
export function ownIdentity(parts: InvitationParts): OwnIdentity {
  const { own: ownBundle, svid: source, clock } = parts;
  const own = ownBundle();
  if (!own)
    throw new InvitationError(
      'own-bundle-unknown',
      'our own mesh has not reported its roots yet; invitations are possible after that',
    );
  const svid = source?.current();
  if (!svid)
    throw new InvitationError(
      'identity-missing',
      source
        ? 'an invitation is signed with an X509-SVID of this agent, and it has not got one yet'
        : 'an invitation is signed with an X509-SVID of this agent, and its config names none: an https_web agent takes one from "identity"',
    );
  try {
    const proved = verifyX509Svid(svid.certificateChain, reportedBundle(parts, own), {
      now: clock.now(),
      peerRole: 'server',
    });
    return { svid, own, rootPins: pinsOf(own, proved.anchorFingerprint) };
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new InvitationError(
      'identity-unusable',
      `an invitation is signed with an X509-SVID under our own roots, and ${svid.id} is not: ${cause.message}`,
      { cause },
    );
  }
}

function pinsOf({ x509Authorities }: TrustBundle, anchor: string): string[] {
  const [first, others] = [
    x509Authorities.filter(({ fingerprint }) => fingerprint === anchor),
    x509Authorities
      .filter(({ fingerprint }) => fingerprint !== anchor)
      .sort((a, b) => b.notBefore.getTime() - a.notBefore.getTime()),
  ];
  const pins = [...first, ...others].map(({ keyFingerprint }) => keyFingerprint.slice(0, PIN_DIGITS));
  return [...new Set(pins)].slice(0, MAX_PINS);
}

/** Our identity and endpoint, as they stand in a line and in a side. */
export function ownEndpoint(
  { url, profile }: InvitationParts['endpoint'],
  { svid, own }: Pick<OwnIdentity, 'svid' | 'own'>,
): Pick<SideTerms, 'trustDomain' | 'endpointUrls' | 'profile' | 'agentId'> {
  return {
    trustDomain: own.trustDomain,
    endpointUrls: [url.href],
    profile: profile === 'https_web' ? { kind: 'https_web' } : { kind: 'https_spiffe', endpointId: svid.id },
    agentId: svid.id,
  };
}

/** Our report about ourselves, with a new nonce. */
export function ownSide(
  { endpoint, random, bundleLimits, clock }: InvitationParts,
  identity: OwnIdentity,
  { role, invitationId }: Pick<SideTerms, 'role' | 'invitationId'>,
): Side {
  const text = serializeSide({
    role,
    invitationId,
    ...ownEndpoint(endpoint, identity),
    ...defined({ webPkiCaPem: endpoint.webPkiCaPem }),
    bundleDocument: Buffer.from(serializeBundle(identity.own)).toString('utf8'),
    at: clock.now(),
    nonce: Buffer.from(random.bytes(32)).toString('hex'),
  });
  return parseSide(text, { role, invitationId, limits: bundleLimits });
}

/** The part of a bundle that the pins name. */
export function pinnedPart(bundle: TrustBundle, rootPins: readonly string[]): TrustBundle {
  const pins = new Set(rootPins);
  const x509Authorities = bundle.x509Authorities.filter(({ keyFingerprint }) =>
    pins.has(keyFingerprint.slice(0, PIN_DIGITS)),
  );
  return { ...bundle, x509Authorities };
}
