import { z } from 'zod';
import { exportedServiceMessage } from '../../grpc/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import type { AnnouncedService } from './announcement.ts';
import type { ConsulClient } from './consul-client.ts';

const AT_ONCE = 8;
const text = z.string().catch('');
const texts = z.array(z.string()).catch([]);
const PEER_META = z.object({ SNI: texts, SpiffeID: texts, Protocol: text });
const INSTANCE = z.object({
  Service: z.object({
    Address: text,
    Port: z.number().catch(0),
    Connect: z.object({ PeerMeta: PEER_META.optional().catch(undefined) }).catch({ PeerMeta: undefined }),
  }),
  Checks: z.array(z.object({ Status: text })).catch([]),
});

/**
 * The announced services of a peer that the catalog does not have as they were announced, because it
 * was restored from a backup for instance. Throws `MeshAdapterError`.
 */
export async function missingInCatalog(
  client: ConsulClient,
  peer: string,
  announced: readonly AnnouncedService[],
  signal: AbortSignal,
): Promise<readonly AnnouncedService[]> {
  const missing: AnnouncedService[] = [];
  for (let from = 0; from < announced.length; from += AT_ONCE) {
    const some = announced.slice(from, from + AT_ONCE);
    const found = await Promise.all(
      some.map(async ({ name }) => {
        const path = `/v1/health/connect/${encodeURIComponent(name)}`;
        const { value } = await client.send('GET', path, { query: { peer }, signal });
        return readAnswer(boundedList(INSTANCE), value ?? [], path).map(contentOf);
      }),
    );
    for (const [index, service] of some.entries())
      if (found[index]?.toSorted().join() !== announcedContentOf(service).join()) missing.push(service);
  }
  return missing;
}

function contentOf({ Service, Checks }: z.output<typeof INSTANCE>): string {
  const { SNI = [], SpiffeID = [], Protocol = '' } = Service.Connect.PeerMeta ?? {};
  const status = Checks.map(({ Status }) => Status).join();
  return JSON.stringify([Service.Address, Service.Port, SNI, SpiffeID, Protocol, status]);
}

function announcedContentOf({ content }: AnnouncedService): readonly string[] {
  return exportedServiceMessage
    .decode(content)
    .nodes.map(({ service, checks }) => {
      const { sni = [], spiffe_id: ids = [], protocol = '' } = service.connect?.peer_meta ?? {};
      const status = checks.map((check) => check.status).join();
      return JSON.stringify([service.address, service.port, sni, ids, protocol, status]);
    })
    .toSorted();
}
