import { readFileSync } from 'node:fs';
import {
  bundleOf,
  certificatesFromPem,
  parseSpiffeId,
  parseTrustDomain,
  type TrustBundle,
  type TrustDomain,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import type { NewEvent, NewIncident, NewVersion, Relationship } from '../../src/store/index.ts';

/**
 * Eight self-signed CA certificates, `O=istio.example, CN=Root 1` to `Root 8`, made once with
 * openssl. Their keys are gone.
 */
export const roots = certificatesFromPem(readFileSync(new URL('./roots.pem', import.meta.url), 'utf8')).map(
  x509AuthorityFromDer,
);

export const istio = parseTrustDomain('istio.example');
export const consul = parseTrustDomain('consul.example');
export const start = new Date('2026-03-01T12:00:00.000Z');

/** `start` plus this many seconds. */
export const at = (seconds: number): Date => new Date(start.getTime() + seconds * 1000);

/** A bundle with the roots of these numbers (from 1). */
export function bundle(
  numbers: readonly number[],
  sequence?: bigint,
  trustDomain: TrustDomain = istio,
): TrustBundle {
  const authorities = numbers.flatMap((number) => roots[number - 1] ?? []);
  return bundleOf(trustDomain, authorities, sequence === undefined ? {} : { sequence });
}

export function version(
  offered: TrustBundle,
  receivedAt: Date = start,
  verdict: NewVersion['verdict'] = 'accepted',
): NewVersion {
  return { bundle: offered, receivedAt, verdict, origin: `https://${offered.trustDomain}:8443/` };
}

export function relationship(trustDomain: TrustDomain = istio, createdAt: Date = start): Relationship {
  return {
    trustDomain,
    endpointUrl: `https://${trustDomain}:8443/`,
    profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(`spiffe://${trustDomain}/federate`) },
    state: 'active',
    consecutiveFailures: 0,
    createdAt,
    bootstrap: { kind: 'bundle-file', detail: '/etc/peer.json' },
  };
}

export function added(trustDomain: TrustDomain = istio, when: Date = start): NewEvent {
  return { at: when, kind: 'relationship-added', trustDomain, actor: 'operator:1000', message: 'as agreed' };
}

/** The endpoint of `istio` does not answer. */
export const outage: NewIncident = {
  at: at(10),
  kind: 'endpoint-unreachable',
  trustDomain: istio,
  actor: 'agent',
  code: 'fetch-connect',
  message: 'connect ECONNREFUSED',
  origin: 'https://istio.example:8443/',
};
