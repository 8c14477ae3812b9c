import type {
  HandlersOf,
  ImportDocument,
  importRoutes,
  OfferedPortDocument,
  PeerOffersDocument,
  WaitingListDocument,
} from '../../admin/index.ts';
import type { ReportSubject, ServiceReport } from '../../mesh-adapters/index.ts';
import {
  ImportError,
  type Import,
  type PeerOffers,
  type PendingCatalogue,
} from '../../service-exchange/index.ts';
import {
  callerText,
  type OfferedPort,
  parseAlias,
  parseImportName,
  parseServiceId,
} from '../../services/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import type { ServiceImports } from '../service-imports.ts';
import type { ServicePublisher } from '../service-publisher.ts';

/** An import, also one that was removed just now. */
type Described = Pick<Import, 'row'> & Partial<Import>;

/** Shows what peers offer, and takes the decisions about it. Without `imports` services are off. */
export function importHandlers({
  imports,
  publisher,
}: {
  readonly imports: ServiceImports | undefined;
  readonly publisher: Pick<ServicePublisher, 'of' | 'after'>;
}): HandlersOf<keyof typeof importRoutes> {
  const on = (): ServiceImports => {
    if (imports) return imports;
    throw new ImportError('services-off', 'this agent exchanges no services: its config has no "services"');
  };
  const describe = (each: Described): ImportDocument => describeImport(each, publisher.of(subjectOf(each)));
  /** What the mesh has of it once it was compared. */
  const describeAfter = async (each: Described): Promise<ImportDocument> =>
    describeImport(each, await publisher.after(subjectOf(each)));
  return {
    'GET /v1/service-offers': async () => (await on().desk.offers()).map(describeOffers),
    'GET /v1/service-offers/{trust_domain}': async ({ params }) => {
      const [offers] = await on().desk.offers(parseTrustDomain(params.trust_domain));
      if (!offers)
        throw new ImportError('not-federated', `there is no relationship with ${params.trust_domain}`);
      return describeOffers(offers);
    },
    'GET /v1/imports': () => (imports?.importer.book.list() ?? []).map(describe),
    'POST /v1/imports': async ({ body, actor }) => {
      const { service, from, name, alias, namespaces } = body;
      const request = {
        service: parseServiceId(service),
        from: parseTrustDomain(from),
        ...(name === undefined ? {} : { name: parseImportName(name) }),
        ...(alias === undefined ? {} : { alias: parseAlias(alias) }),
        namespaces,
      };
      return await describeAfter(await on().desk.import(request, actor));
    },
    'POST /v1/dropped-imports': async ({ body, actor }) => {
      const from = body.from === undefined ? undefined : parseTrustDomain(body.from);
      const row = await on().desk.drop(body.name, from, actor);
      return await describeAfter(on().importer.book.find(row.trustDomain, row.service) ?? { row });
    },
    'GET /v1/waiting-lists': () =>
      on()
        .desk.waiting()
        .map((each) => describeWaiting(each, on())),
    'POST /v1/waiting-lists/{trust_domain}': async ({ params, body, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      const { decision, reason } = body;
      const named = body.digest.replace(/^sha256:/, '');
      const { digest } = await on().desk[decision](trustDomain, named, { actor, reason });
      return { trust_domain: trustDomain, decision, digest };
    },
  };
}

function describeOffers({
  trustDomain,
  sequence,
  receivedAt,
  expiresAt,
  services,
  lastAnswer,
}: PeerOffers): PeerOffersDocument {
  return {
    trust_domain: trustDomain,
    sequence: sequence ?? null,
    received_at: receivedAt?.toISOString() ?? null,
    expires_at: expiresAt?.toISOString() ?? null,
    services: services.map(({ offered, importedAs }) => ({
      service: offered.id,
      state: offered.state,
      spiffe_ids: [...offered.spiffeIds],
      ports: offered.ports.map(describePort),
      may_call: offered.mayCall.map(callerText),
      imported_as: importedAs ?? null,
    })),
    last_answer: lastAnswer
      ? { at: lastAnswer.at.toISOString(), ...describeOutcome(lastAnswer.outcome) }
      : null,
  };
}

function describeOutcome(outcome: NonNullable<PeerOffers['lastAnswer']>['outcome']) {
  if ('code' in outcome) return { outcome: outcome.kind, code: outcome.code, message: outcome.message };
  if ('changes' in outcome) {
    const message = outcome.changes.map((change) => change.message).join('; ');
    return { outcome: outcome.kind, code: outcome.changes[0]?.code ?? null, message };
  }
  return { outcome: outcome.kind, code: null, message: null };
}

function describePort({ name, port, protocol, serverFirst, sni }: OfferedPort): OfferedPortDocument {
  return { name, port, protocol, server_first: serverFirst, sni };
}

function subjectOf({ row: { trustDomain, service } }: Described): ReportSubject {
  return { subject: 'import', trustDomain, service: parseServiceId(service) };
}

function describeImport({ row, offer }: Described, report: ServiceReport | undefined): ImportDocument {
  const [offered] = offer?.services ?? [];
  const { trustDomain, service } = row;
  return {
    name: row.name,
    service,
    trust_domain: trustDomain,
    state: row.state,
    reason: row.reason ?? null,
    namespaces: [...row.namespaces],
    spiffe_ids: [...(offered?.spiffeIds ?? [])],
    ports: offered?.ports.map(describePort) ?? [],
    since: row.since.toISOString(),
    drain_until: row.drainUntil?.toISOString() ?? null,
    actor: row.actor,
    in_mesh: report
      ? { state: report.state, code: report.code ?? null, message: report.message ?? null }
      : null,
  };
}

function describeWaiting(pending: PendingCatalogue, { importer }: ServiceImports): WaitingListDocument {
  const { catalogue, digest, changes, status, since, lastAt } = pending;
  return {
    trust_domain: catalogue.trustDomain,
    status,
    changes: changes.map(({ code, service, message }) => ({ code, service: service ?? null, message })),
    sequence: catalogue.sequence,
    digest,
    held_sequence: importer.held.of(catalogue.trustDomain)?.sequence ?? null,
    since: since.toISOString(),
    last_seen: lastAt.toISOString(),
    services: catalogue.services.map(({ id }) => id),
  };
}
