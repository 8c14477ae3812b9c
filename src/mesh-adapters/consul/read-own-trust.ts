import type { Clock, Random } from '../../platform/index.ts';
import { isTrustDomain } from '../../spiffe/index.ts';
import type { AdapterState } from '../adapter-state.ts';
import { backoffMs } from '../backoff.ts';
import { MeshAdapterError } from '../errors.ts';
import type { OwnTrust } from '../mesh-adapter.ts';
import { ownRootsFromPem } from '../own-roots.ts';
import type { ConsulClient } from './consul-client.ts';

const PATH = '/v1/connect/ca/roots';
const WAIT_SECONDS = 300;

/**
 * The own trust from the body of `/v1/connect/ca/roots`: every root, active and retiring, never an intermediate
 * (mesh-surfaces §3). Throws `MeshAdapterError`: `mesh-answer-malformed`, `own-trust-domain-malformed`, `own-roots-malformed`.
 */
export function parseOwnTrust(value: unknown): OwnTrust {
  const { TrustDomain: trustDomain, Roots: roots } = Object(value) as {
    TrustDomain?: unknown;
    Roots?: unknown;
  };
  if (typeof trustDomain !== 'string' || !Array.isArray(roots))
    throw new MeshAdapterError('mesh-answer-malformed', `${PATH} names no trust domain or no roots`);
  const name = trustDomain.toLowerCase();
  if (!isTrustDomain(name)) {
    throw new MeshAdapterError(
      'own-trust-domain-malformed',
      `${PATH} names ${JSON.stringify(name.slice(0, 80))} as the trust domain, which is none`,
    );
  }
  const pems = roots.map((root: unknown) => {
    const { RootCert: pem } = Object(root) as { RootCert?: unknown };
    if (typeof pem === 'string') return pem;
    throw new MeshAdapterError('own-roots-malformed', `a root of ${PATH} has no RootCert`);
  });
  return { trustDomain: name, roots: ownRootsFromPem(pems, PATH) };
}

/** The own trust as the cluster tells it now. Throws `MeshAdapterError`. */
export async function fetchOwnTrust(client: ConsulClient, signal: AbortSignal): Promise<OwnTrust> {
  return parseOwnTrust((await client.send('GET', PATH, { signal })).value);
}

/** Tells the own trust now and after each change, by blocking queries, until the signal aborts. */
export async function readOwnTrust(options: {
  readonly client: ConsulClient;
  readonly state: AdapterState;
  readonly tell: (own: OwnTrust) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { client, state, tell, clock, random, signal } = options;
  let index = 0;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const query: Record<string, string> =
        index > 0 ? { index: String(index), wait: `${WAIT_SECONDS}s` } : {};
      const askedMs = clock.monotonicMs();
      const { value, answer } = await client.send('GET', PATH, {
        query,
        waitMs: index > 0 ? WAIT_SECONDS * 1000 : 0,
        signal,
      });
      tell(parseOwnTrust(value));
      state.contact('roots');
      const told = indexOf(answer.headers['x-consul-index']);
      // An index that did not move and did not wait either: somebody does not understand blocking queries.
      const hurried = told === 0 || (told === index && clock.monotonicMs() - askedMs < 1000);
      failures = hurried ? failures + 1 : 0;
      // Backwards means that the cluster was restored: begin again from what it has now.
      index = told < index ? 0 : told;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      index = 0;
      state.trouble('roots', error);
    }
    try {
      if (failures > 0) await clock.sleep(backoffMs(failures, random), signal);
    } catch {
      return;
    }
  }
}

function indexOf(header: string | string[] | undefined): number {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0;
}
