import type { WarningCode, WarningDocument } from '../admin/index.ts';
import { trustDomainOfCaller } from '../services/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import { fittingRules, type ServiceOwner } from '../service-exchange/index.ts';

/** What about our exports and access rules needs an operator's hand. */
export function exportWarnings(
  owner: Pick<ServiceOwner, 'book' | 'refusalOf' | 'declared'>,
  {
    peers,
    own,
    now,
  }: { readonly peers: readonly TrustDomain[]; readonly own: TrustDomain | undefined; readonly now: Date },
): readonly WarningDocument[] {
  const { book } = owner;
  const warning = (code: WarningCode, trustDomain: TrustDomain | null, message: string, since = now) => ({
    trust_domain: trustDomain,
    code,
    message,
    since: since.toISOString(),
  });
  const contents = new Map(peers.map((peer) => [peer, book.contentFor(peer).services]));
  const exports = book.exports
    .filter(({ state }) => state === 'serving')
    .flatMap(({ service: id, consumer, since }) => {
      const service = book.services.find(id);
      if (!service)
        return book.services.wasRead
          ? [
              warning(
                'export-service-missing',
                consumer,
                `${id} is exported to ${consumer}, and our mesh does not have it any more: withdraw it, or start it again`,
                since,
              ),
            ]
          : [];
      const obstacle = book.obstacleOf(service);
      if (obstacle)
        return [
          warning(
            'export-not-served',
            consumer,
            `${id} is exported to ${consumer} and not in its list: ${obstacle.message} [${obstacle.code}]`,
            since,
          ),
        ];
      const offered = contents.get(consumer)?.find((each) => each.id === id);
      return offered?.mayCall.length === 0
        ? [
            warning(
              'export-without-access',
              consumer,
              `${id} is exported to ${consumer}, and no rule lets a caller of it in: "federate access allow --service ${id} --from …"`,
              since,
            ),
          ]
        : [];
    });
  const tooLarge = peers.flatMap((peer) => {
    const why = owner.refusalOf(peer);
    return why === undefined
      ? []
      : [
          warning(
            'export-not-served',
            peer,
            `${peer} keeps its last list of our services, because the new one is too large: ${why}`,
          ),
        ];
  });
  const waiting = (owner.declared?.exports ?? []).flatMap(({ service, to }) =>
    to
      .filter((consumer) => book.exportOf(service, consumer)?.state !== 'serving')
      .map((consumer) =>
        warning(
          'export-waits',
          peers.includes(consumer) ? consumer : null,
          `the config file exports ${service} to ${consumer}, which waits: ${peers.includes(consumer) ? `${service} is not a service that can be exported` : `there is no relationship with ${consumer}`}`,
        ),
      ),
  );
  const rules = book.ruled().flatMap((id) => {
    const service = book.services.find(id);
    const kept = book.rulesOf(id);
    const unfit = service
      ? fittingRules(
          service,
          kept.map(({ rule }) => rule),
        ).unfit
      : [];
    const unknown = kept.flatMap(({ rule }) =>
      rule.callers
        .map(trustDomainOfCaller)
        .filter((each) => each !== own && !peers.includes(each))
        .slice(0, 1)
        .map((each) => ({ id: rule.id, message: `there is no relationship with ${each}` })),
    );
    return [...unfit, ...unknown].map((each) =>
      warning('access-rule-unfit', null, `the rule ${each.id} of ${id} does not count: ${each.message}`),
    );
  });
  return [...exports, ...tooLarge, ...waiting, ...rules];
}
