import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { isTrustDomain } from '../../spiffe/index.ts';
import { readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { ownRootsFromPem } from '../contract/own-roots.ts';
import type { OwnTrustReading } from '../contract/own-trust-reading.ts';
import { followBlockingQuery } from './blocking-query.ts';
import type { ConsulClient } from './consul-client.ts';

const PATH = '/v1/connect/ca/roots';
const ANSWER = z.object({ TrustDomain: z.string(), Roots: z.array(z.unknown()) });
const ROOT = z.object({ RootCert: z.string(), Active: z.unknown().optional() });

/**
 * The own trust from the body of `/v1/connect/ca/roots`: every root, active and retiring, never an
 * intermediate. Throws `MeshAdapterError`: `mesh-answer-malformed`,
 * `own-trust-domain-malformed`, `own-roots-malformed`.
 */
export function parseOwnTrust(value: unknown): OwnTrust {
  const { TrustDomain, Roots } = readAnswer(ANSWER, value, PATH);
  const name = TrustDomain.toLowerCase();
  if (!isTrustDomain(name)) {
    throw new MeshAdapterError(
      'own-trust-domain-malformed',
      `${PATH} names ${JSON.stringify(name.slice(0, 80))}, which is not a trust domain`,
    );
  }
  const roots = Roots.map((root) => readAnswer(ROOT, root, `a root of ${PATH}`, 'own-roots-malformed'));
  const pems = roots.map(({ RootCert }) => RootCert);
  // Report no active root where there are several: the product has one, and a guess would let a
  // root go too early.
  const active = roots.filter(({ Active }) => Active === true).map(({ RootCert }) => RootCert);
  const signing =
    active.length === 1 ? ownRootsFromPem(active, PATH).map(({ fingerprint }) => fingerprint) : undefined;
  return { trustDomain: name, roots: ownRootsFromPem(pems, PATH), ...defined({ signing }) };
}

/** Reads the own trust that the cluster reports now. Throws `MeshAdapterError`. */
export async function fetchOwnTrust(client: ConsulClient, signal: AbortSignal): Promise<OwnTrust> {
  return parseOwnTrust((await client.send('GET', PATH, { signal })).value);
}

/**
 * Reports the own trust now and after each change, by blocking queries, until the signal aborts.
 */
export async function readOwnTrust(
  options: OwnTrustReading & {
    readonly client: ConsulClient;
  },
): Promise<void> {
  const { state, report } = options;
  await followBlockingQuery({
    ...options,
    path: PATH,
    take: (value) => {
      report(parseOwnTrust(value));
      state.contact('roots');
    },
    onTrouble: (error) => state.trouble('roots', error),
  });
}
