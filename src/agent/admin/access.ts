import type {
  AccessPolicyDocument,
  AccessRuleDocument,
  accessRoutes,
  HandlersOf,
} from '../../admin/index.ts';
import { defined } from '../../objects/index.ts';
import { ExportError, fittingRules, type KeptRule } from '../../service-exchange/index.ts';
import { parseServiceId, portsOf, type Service, writeRule } from '../../services/index.ts';
import { parseSpiffeId } from '../../spiffe/index.ts';
import type { ServiceExports } from '../service-exports.ts';
import { describeReport } from './describe-report.ts';
import { type ExportHandlerParts, needExports } from './exports.ts';

/** Who may call our services. */
export function accessHandlers(parts: ExportHandlerParts): HandlersOf<keyof typeof accessRoutes> {
  return {
    'GET /v1/access': () => {
      const exports = needExports(parts.exports);
      const { book } = exports.owner;
      const ids = new Set([...book.ruled(), ...book.exports.map(({ service }) => service)]);
      return [...ids].toSorted().map((id) => describePolicy(id, exports, parts));
    },
    'GET /v1/access/{service}': ({ params: { service } }) => {
      const exports = needExports(parts.exports);
      const { book } = exports.owner;
      if (book.rulesOf(service).length === 0) exports.accessDesk.policyOf(service);
      return describePolicy(service, exports, parts);
    },
    'POST /v1/access': async ({ body, actor }) => {
      const exports = needExports(parts.exports);
      const { service, id, ...rule } = body;
      const kept = await exports.accessDesk.add({ service, rule, ...defined({ id }) }, actor);
      const found = exports.owner.book.services.find(service);
      return {
        service,
        ...describeRule(kept, found),
        warnings: found ? warningsOf(kept, found, exports) : [],
      };
    },
    'POST /v1/revoked-access': async ({ body, actor }) => {
      await needExports(parts.exports).accessDesk.revoke(body.service, body.id, actor);
      return body;
    },
    'POST /v1/access-check': ({ body }) => {
      const { accessDesk } = needExports(parts.exports);
      const { service: id, from, method, path, headers } = body;
      const { service } = accessDesk.policyOf(id);
      const port = portIn(service, body.port);
      const request = { caller: parseSpiffeId(from), port, ...defined({ method, path, headers }) };
      const answer = accessDesk.check(id, request);
      return {
        service: id,
        port,
        allowed: answer.allowed,
        rule: 'rule' in answer ? answer.rule : null,
        code: 'code' in answer ? answer.code : null,
      };
    },
  };
}

/** Throws `ExportError` `port-unknown`. */
function portIn({ id, ports }: Service, name: string | undefined): string {
  const [only] = ports;
  if (name === undefined && ports.length === 1 && only) return only.name;
  if (name !== undefined && ports.some((port) => port.name === name)) return name;
  throw new ExportError(
    'port-unknown',
    `${id} has the ports ${ports.map((port) => port.name).join(', ')}: name one of them`,
  );
}

function describePolicy(
  id: string,
  { owner: { book } }: ServiceExports,
  { publisher }: ExportHandlerParts,
): AccessPolicyDocument {
  const service = book.services.find(id);
  return {
    service: id,
    ports:
      service?.ports.map(({ name, port, protocol, serverFirst }) => ({
        name,
        port,
        protocol,
        server_first: serverFirst,
      })) ?? null,
    namespace: service?.namespace ?? null,
    labels: service?.labels ?? {},
    rules: book.rulesOf(id).map((kept) => describeRule(kept, service)),
    in_mesh: describeReport(publisher.of({ subject: 'access', service: parseServiceId(id) })),
  };
}

function describeRule({ rule, since, actor }: KeptRule, service: Service | undefined): AccessRuleDocument {
  const [unfit] = service ? fittingRules(service, [rule]).unfit : [];
  return {
    id: rule.id,
    ...writeRule(rule),
    since: since.toISOString(),
    actor,
    unfit: unfit?.message ?? null,
  };
}

/** What an operator has to know about a rule that is otherwise in order. */
function warningsOf(
  { rule }: KeptRule,
  service: Service,
  { owner: { book } }: ServiceExports,
): { readonly code: string; readonly message: string }[] {
  const consumers = book.consumersOf(service.id);
  const serverFirst = portsOf(rule, service).filter((port) => port.serverFirst);
  return [
    ...(consumers.length === 0
      ? [
          {
            code: 'not-exported',
            message: `${service.id} is not exported to any peer, so no caller of a peer reaches it: "federate service export ${service.id} --to …"`,
          },
        ]
      : []),
    ...serverFirst.map(({ name }) => ({
      code: 'server-first-port',
      message: `on the port ${name} of ${service.id} the server speaks first: most meshes let a refused caller read the greeting`,
    })),
  ];
}
