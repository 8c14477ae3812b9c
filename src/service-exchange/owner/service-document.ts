import { defined } from '../../objects/index.ts';
import { checkPorts, type EndpointAddress, parseServiceId, type Protocol } from '../../services/index.ts';
import { parseSpiffeId } from '../../spiffe/index.ts';
import type { StoredOwnService } from '../../store/index.ts';
import type { DeclaredService } from './settings.ts';

interface ServiceDocument {
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: Protocol;
    readonly server_first: boolean;
    readonly target?: EndpointAddress;
  }[];
  readonly spiffe_ids: readonly string[];
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The JSON of a described service. Equal services are equal text. */
export function writeDeclaredService({ ports, spiffeIds, namespace, labels }: DeclaredService): string {
  const document: ServiceDocument = {
    ports: ports
      .map(({ name, port, protocol, serverFirst, target }) => ({
        name,
        port,
        protocol,
        server_first: serverFirst,
        ...defined({ target }),
      }))
      .toSorted((a, b) => a.port - b.port),
    spiffe_ids: spiffeIds.toSorted(),
    ...defined({ namespace }),
    labels: Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
  return JSON.stringify(document);
}

/** The described service of a row. Throws where the row was changed by other means. */
export function readDeclaredService({ id, document }: StoredOwnService): DeclaredService {
  const { ports, spiffe_ids: ids, namespace, labels }: ServiceDocument = JSON.parse(document);
  const read = ports.map(({ server_first: serverFirst, ...port }) => ({ ...port, serverFirst }));
  checkPorts(read);
  return {
    id: parseServiceId(id),
    ports: read,
    spiffeIds: ids.map(parseSpiffeId),
    ...defined({ namespace }),
    labels,
  };
}
