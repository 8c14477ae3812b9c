import { createHash } from 'node:crypto';
import type { PeerHolding } from '../../src/federation/index.ts';
import type { OwnRoot, OwnVersion, RotationView } from '../../src/rotation/index.ts';
import { parseSpiffeId, parseTrustDomain, type X509Authority } from '../../src/spiffe/index.ts';
import { oddCertificate, soundParts } from '../../testkit/odd-certificates.ts';
import type { RootStage } from '../../src/store/index.ts';

export const us = parseTrustDomain('us.example');
export const peerB = parseTrustDomain('b.example');
export const peerC = parseTrustDomain('c.example');
/** The instant of every judgement. */
export const now = new Date('2030-01-01T12:00:00Z');

const ROOT = oddCertificate(soundParts());
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** `now` and so many seconds, usually fewer. */
export const at = (seconds: number): Date => new Date(now.getTime() + seconds * SECOND);
const fingerprintOf = (number: number): string => `${number}`.repeat(64);

/** A root of ours with this number, published five minutes ago. */
export function ownRoot(number: number, stage: RootStage, rest: Partial<OwnRoot['life']> = {}): OwnRoot {
  const authority: X509Authority = {
    der: ROOT,
    fingerprint: fingerprintOf(number),
    keyFingerprint: fingerprintOf(number),
    subject: `CN=Root ${number}`,
    notBefore: at(-3600),
    notAfter: at(365 * 24 * 3600),
  };
  const life = {
    trustDomain: us,
    fingerprint: authority.fingerprint,
    label: `${number} CN=Root ${number}`,
    stage,
    since: at(-300),
    knownBy: 'mesh' as const,
    publishedAt: at(-300),
    ...rest,
  };
  return { authority, life };
}

/** A root with a negative serial number, which Go refuses. */
export function unreadableRoot(): Pick<X509Authority, 'der' | 'fingerprint'> {
  const der = oddCertificate({ ...soundParts(), serial: Uint8Array.of(0xee, 1) });
  return { der, fingerprint: createHash('sha256').update(der).digest('hex') };
}

/** A version with these roots; its sequence is its digest's digit. */
export function ownVersion(sequence: number, roots: readonly number[]): OwnVersion {
  return {
    digest: `${sequence}`.repeat(64),
    sequence: BigInt(sequence),
    publishedAt: at(-300),
    roots: new Set(roots.map(fingerprintOf)),
    tag: `"${sequence}"`,
  };
}

/** What a peer proved: it holds this version, in effect in its mesh for two minutes. */
export function holding(sequence: number, rest: Partial<PeerHolding> = {}): PeerHolding {
  return {
    trustDomain: peerB,
    digest: `${sequence}`.repeat(64),
    sequence: BigInt(sequence),
    since: at(-130),
    inMesh: { progress: 'in-effect', since: at(-120) },
    signer: parseSpiffeId('spiffe://b.example/agent'),
    address: '192.0.2.1',
    statedAt: at(-10),
    seenAt: at(-5),
    knownSince: at(-120),
    ...rest,
  };
}

/** Root 1 signs; version 2 has root 2 as well; one peer holds it. */
export function viewOf(rest: Partial<RotationView> = {}): RotationView {
  return {
    now,
    times: { hintMs: 5 * MINUTE, leadMs: 15 * MINUTE, leafLifetimeMs: 60 * MINUTE, settleMs: 10 * SECOND },
    roots: [ownRoot(1, 'in-use', { publishedAt: at(-9000) }), ownRoot(2, 'published')],
    signingKnown: true,
    versions: [ownVersion(2, [1, 2]), ownVersion(1, [1])],
    peers: [{ trustDomain: peerB, holding: holding(2) }],
    pollers: [],
    ...rest,
  };
}
