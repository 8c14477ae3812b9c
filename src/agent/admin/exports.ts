import type {
  ExportDocument,
  ExportRequestDocument,
  exportRoutes,
  HandlersOf,
  OwnServiceDocument,
} from '../../admin/index.ts';
import { defined } from '../../objects/index.ts';
import { type DeclaredService, ExportError } from '../../service-exchange/index.ts';
import { callerText, checkPorts, type OwnService, parseServiceId, sniOf } from '../../services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../spiffe/index.ts';
import type { StoredExport } from '../../store/index.ts';
import type { ServiceExports } from '../service-exports.ts';
import type { ServicePublisher } from '../service-publisher.ts';
import { describeReport } from './describe-report.ts';

/** What decisions about exports need. */
export interface ExportHandlerParts {
  /** Undefined where the config has no section `services`. */
  readonly exports: ServiceExports | undefined;
  readonly publisher: Pick<ServicePublisher, 'of' | 'compare'>;
}

/** Which peers see which of our services. */
export function exportHandlers(parts: ExportHandlerParts): HandlersOf<keyof typeof exportRoutes> {
  const list = (rows: readonly StoredExport[], exports: ServiceExports) =>
    rows.map((row) => describeExport(row, exports, parts));
  return {
    'GET /v1/services': () => {
      const exports = needExports(parts.exports);
      return exports.owner.book.services.list().map((service) => describeService(service, exports));
    },
    'GET /v1/exports': () => {
      const exports = needExports(parts.exports);
      return list(exports.owner.book.exports, exports);
    },
    'POST /v1/exports': async ({ body, actor }) => {
      const exports = needExports(parts.exports);
      const { service, to, described } = body;
      const request = {
        service,
        to: to.map(parseTrustDomain),
        ...defined({ described: described && describedService(service, described) }),
      };
      const rows = await exports.exportDesk.export(request, actor);
      return list(rows, exports);
    },
    'POST /v1/withdrawn-exports': async ({ body, actor }) => {
      const exports = needExports(parts.exports);
      const { service, from } = body;
      const request = { service, ...defined({ from: from?.map(parseTrustDomain) }) };
      return list(await exports.exportDesk.withdraw(request, actor), exports);
    },
    'POST /v1/forgotten-services': async ({ body, actor }) => {
      await needExports(parts.exports).exportDesk.forget(body.service, actor);
      return body;
    },
  };
}

/** Throws `ExportError` `services-off`. */
export function needExports(exports: ServiceExports | undefined): ServiceExports {
  if (exports) return exports;
  throw new ExportError(
    'services-off',
    'the config of this agent has no section "services", so it exports nothing',
  );
}

function describedService(
  service: string,
  { ports, spiffe_ids: ids, namespace, labels = {} }: NonNullable<ExportRequestDocument['described']>,
): DeclaredService {
  const own = ports.map(({ server_first: serverFirst = false, protocol = 'http', ...port }) => ({
    ...port,
    protocol,
    serverFirst,
  }));
  checkPorts(own);
  return {
    id: parseServiceId(service),
    ports: own,
    spiffeIds: ids.map(parseSpiffeId),
    labels,
    ...defined({ namespace }),
  };
}

function describeService(service: OwnService, { owner: { book } }: ServiceExports): OwnServiceDocument {
  const { id, origin, spiffeIds, namespace, ports } = service;
  return {
    service: id,
    origin,
    spiffe_ids: spiffeIds,
    namespace: namespace ?? null,
    ports: ports.map((port) => ({
      name: port.name,
      port: port.port,
      protocol: port.protocol,
      server_first: port.serverFirst,
      target: port.target ?? null,
      sni: sniOf(service, port, book.sniSuffix) ?? null,
    })),
    obstacle: book.obstacleOf(service) ?? null,
    exported_to: book.consumersOf(id),
    rules: book.rulesOf(id).length,
  };
}

function describeExport(
  { service: id, consumer, state, since, drainUntil, actor }: StoredExport,
  { owner }: ServiceExports,
  { publisher }: ExportHandlerParts,
): ExportDocument {
  const { book, issued } = owner;
  const service = book.services.find(id);
  const obstacle = service && book.obstacleOf(service);
  const sent = issued.peek(consumer);
  const offered = sent?.services.find((each) => each.id === id);
  const tooLarge = owner.refusalOf(consumer);
  const reason =
    obstacle ?? (tooLarge === undefined ? undefined : { code: 'catalogue-too-large', message: tooLarge });
  const use = book.useOf(consumer);
  const refusal = use?.refused.find((each) => each.id === id);
  const isGone = !service && book.services.wasRead;
  return {
    service: id,
    trust_domain: consumer,
    state: state === 'draining' ? state : reason ? 'refused' : isGone ? 'down' : state,
    reason:
      reason ??
      (isGone ? { code: 'service-missing', message: `our mesh does not have ${id} any more` } : null),
    since: since.toISOString(),
    drain_until: drainUntil?.toISOString() ?? null,
    actor,
    sequence: sent?.sequence ?? null,
    may_call: offered?.mayCall.map(callerText) ?? [],
    snis: offered?.ports.map(({ sni }) => sni) ?? [],
    // A report without room for all of it says nothing about a service that is not in it.
    used:
      use && (refusal || use.imported.includes(id) || !use.isPartial)
        ? {
            state: use.imported.includes(id) ? 'imported' : refusal ? 'refused' : 'not-imported',
            code: refusal?.code ?? null,
            sequence: use.sequence,
          }
        : null,
    in_mesh: describeReport(publisher.of({ subject: 'export', service: parseServiceId(id) })),
  };
}
