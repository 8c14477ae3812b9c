import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ConsulClient } from './consul-client.ts';
import { parsePeeringToken, type PeeringToken } from './peering-token.ts';
import { OWNER_META_KEY } from './render.ts';

const PEERINGS = boundedList(
  z.object({
    Name: z.string(),
    State: z.string(),
    Meta: z.record(z.string(), z.unknown()).catch({}),
    PeerServerName: z.string().optional().catch(undefined),
  }),
).nullable();
const TOKEN = z.object({ PeeringToken: z.string() });

/** A peering of the cluster, as far as we look at it. */
export interface Peering {
  readonly name: string;
  readonly state: string;
  /** The trust domain of its bundle, where the peering is ours. */
  readonly ownedFor?: TrustDomain;
  /**
   * The trust domain of its bundle, where the cluster dials and the peer's server name contains it.
   */
  readonly peerTrustDomain?: string;
  /** Whether its name begins with our prefix. */
  readonly underPrefix: boolean;
}

/**
 * All peerings of the cluster; ours are those under our prefix that name a trust domain. Throws
 * `MeshAdapterError`.
 */
export async function listPeerings(
  client: ConsulClient,
  prefix: string,
  signal: AbortSignal,
): Promise<Peering[]> {
  const { value } = await client.send('GET', '/v1/peerings', { signal });
  const peerings = readAnswer(PEERINGS, value, '/v1/peerings') ?? [];
  return peerings.map(({ Name, State, Meta, PeerServerName = '' }): Peering => {
    const owner = Meta[OWNER_META_KEY];
    const ours = Name.startsWith(prefix) && typeof owner === 'string' && isTrustDomain(owner);
    return {
      name: Name,
      state: State,
      underPrefix: Name.startsWith(prefix),
      ...(ours && { ownedFor: owner }),
      ...defined({ peerTrustDomain: /\.peering\.(.+)$/.exec(PeerServerName)?.[1] }),
    };
  });
}

/**
 * A new token for a peering of ours; the peering is made where it is not there. Throws
 * `MeshAdapterError`.
 */
export async function generatePeeringToken(
  client: ConsulClient,
  name: string,
  trustDomain: TrustDomain,
  signal: AbortSignal,
): Promise<PeeringToken> {
  const body = { PeerName: name, Meta: { [OWNER_META_KEY]: trustDomain } };
  const { value } = await client.send('POST', '/v1/peering/token', { body, signal });
  return parsePeeringToken(readAnswer(TOKEN, value, '/v1/peering/token').PeeringToken);
}

/**
 * Ends a peering and the trust that came through it. A peering that does not exist is not an error.
 * Throws `MeshAdapterError`.
 */
export async function deletePeering(client: ConsulClient, name: string, signal: AbortSignal): Promise<void> {
  try {
    await client.send('DELETE', `/v1/peering/${encodeURIComponent(name)}`, { signal });
  } catch (error) {
    if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
  }
}
