import { callerText } from '../access/caller.ts';
import type {
  Catalogue,
  CatalogueContent,
  CatalogueGateway,
  OfferedPort,
  OfferedService,
} from './catalogue.ts';

/**
 * The claims of a `federate-exports+jws` statement, without `iss`, `aud`, `iat` and `exp`, which the
 * signer adds.
 */
export function writeCatalogue(catalogue: Catalogue): Record<string, unknown> {
  const { trustDomain, sequence, refreshHint } = catalogue;
  return { trust_domain: trustDomain, sequence, hint: refreshHint, ...contentOf(catalogue) };
}

/**
 * What a catalogue offers as JSON, without sequence, hint and times, which say nothing about
 * services. Lists have one order, so that equal content is equal text.
 */
export function catalogueContent(content: CatalogueContent): string {
  return JSON.stringify(contentOf(content));
}

function contentOf({ gateways, services }: CatalogueContent) {
  return {
    gateways: sorted(gateways, ({ id }) => id).map(writeGateway),
    services: sorted(services, ({ id }) => id).map(writeService),
  };
}

function writeGateway({ id, host, port, priority }: CatalogueGateway) {
  return { id, address: host, port, priority };
}

function writeService({ id, spiffeIds, ports, mayCall, state }: OfferedService) {
  return {
    id,
    spiffe_ids: spiffeIds.toSorted(),
    ports: sorted(ports, ({ name }) => name).map(writePort),
    may_call: mayCall.map(callerText).toSorted(),
    state,
  };
}

function writePort({ name, port, protocol, serverFirst, sni, gateways, direct }: OfferedPort) {
  return {
    name,
    port,
    protocol,
    server_first: serverFirst,
    sni,
    gateways: gateways.toSorted(),
    direct: sorted(direct, (each) => `${each.network} ${each.host} ${each.port}`).map(
      ({ network, host, port: number }) => ({ network, address: host, port: number }),
    ),
  };
}

function sorted<Item>(items: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
  return items
    .map((item) => [keyOf(item), item] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([, item]) => item);
}
