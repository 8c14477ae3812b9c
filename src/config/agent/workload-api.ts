import { z } from 'zod';
import { listenAddress, path } from '../fields.ts';

/** `workload_api` of an agent. */
export const workloadApi = z
  .strictObject({
    socket: path().describe(
      'Unix socket on which proxies and workloads get the trust: the SPIFFE Workload API and Envoy SDS, as on that of a SPIRE agent.',
    ),
    access: z
      .enum(['owner', 'group', 'everyone'])
      .default('owner')
      .describe(
        'Mode of the socket: 0600, 0660 or 0666. Every process that may open it gets everything that is given out.',
      ),
    give_own_svid: z
      .boolean()
      .default(false)
      .describe(
        "Gives the agent's own X509-SVID, private key included, to every client of the socket, as `default` and in `FetchX509SVID`. For a single proxy that is to have it; not with `access: everyone`.",
      ),
    outbound_listen: listenAddress()
      .optional()
      .describe(
        'Where an Envoy of this socket (ADS) takes plain HTTP of its workload for imported services, by their host names; on loopback. Left out: clusters only.',
      ),
    max_streams: z
      .int()
      .min(1)
      .default(4096)
      .describe('Connections at once, and streams of each method; further ones are refused.'),
  })
  .superRefine(({ access, give_own_svid: gives }, context) => {
    if (!gives || access !== 'everyone') return;
    const message = 'hands out a private key, which does not go with access: everyone';
    context.addIssue({ code: 'custom', path: ['give_own_svid'], message });
  });
