import { isDeepStrictEqual } from 'node:util';
import { type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { ServiceReport, WantedExport } from '../contract/mesh-services.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import { exportSubject, serviceReport } from '../contract/service-report.ts';
import { deleteConfigEntry, putConfigEntry, readConfigEntry } from './config-entries.ts';
import type { ConfigWriter } from './config-writer.ts';
import { consulServiceIdOf } from './consul-id.ts';
import { type ExportPair, MAX_PAIRS, readExports, withExports } from './exported-services.ts';
import { readIntentionDefault } from './intention-default.ts';
import { listPeerings } from './peerings.ts';
import { peerNameOf } from './render.ts';
import { serviceIdOf } from './service-id.ts';

interface Refusal {
  readonly state: 'refused' | 'pending';
  readonly fault: ServiceFault;
}

/**
 * Makes `exported-services` hold exactly these exports of ours. Because Consul's proxies take the
 * roots of a peer only for services that are exported to it, an export needs this entry. What others
 * wrote stays. Throws `MeshAdapterError`.
 */
export async function applyExports(
  wanted: readonly WantedExport[],
  writer: ConfigWriter,
  signal: AbortSignal,
): Promise<readonly ServiceReport[]> {
  return await retryConflicts(() => applyOnce(wanted, writer, signal), { ...writer, signal });
}

async function applyOnce(
  wanted: readonly WantedExport[],
  { client, peerNamePrefix, access, clock }: ConfigWriter,
  signal: AbortSignal,
): Promise<readonly ServiceReport[]> {
  const [entry, peerings, open] = await Promise.all([
    readConfigEntry(client, 'exported-services', 'default', signal),
    listPeerings(client, peerNamePrefix, signal),
    readIntentionDefault(client, access, signal),
  ]);
  const present = new Set(peerings.flatMap(({ ownedFor }) => ownedFor ?? []));
  const pairs: ExportPair[] = [];
  const reports = wanted.map((each) => {
    const found = pairsOf(each, peerNamePrefix);
    const refusal =
      refusalOf(each, found, { present, room: MAX_PAIRS - pairs.length }) ??
      (open.fault && { state: 'refused', fault: open.fault });
    if (refusal?.state !== 'refused') pairs.push(...found);
    const subject = exportSubject(each);
    return refusal
      ? serviceReport(subject, refusal.state, clock.now(), refusal.fault)
      : serviceReport(subject, 'accepted', clock.now(), open.note);
  });
  const next = withExports(entry?.fields, pairs);
  if (entry && next === undefined) await deleteConfigEntry(client, entry, signal);
  else if (next && !isDeepStrictEqual(next, entry?.fields) && (entry || pairs.length > 0))
    await putConfigEntry(client, entry, next, signal);
  const named = new Set([...pairs.map(({ service }) => service), ...wanted.map(({ service }) => service.id)]);
  const gone = new Set(
    readExports(entry?.fields)
      .pairs.filter(({ service, isOurs }) => isOurs && !named.has(service))
      .flatMap(({ service }) => serviceIdOf(service) ?? []),
  );
  return [
    ...reports,
    ...[...gone].map((service) => serviceReport({ subject: 'export', service }, 'removed', clock.now())),
  ];
}

/** Each Consul service behind an export, with each peering. */
function pairsOf({ service, consumers }: WantedExport, prefix: string): readonly ExportPair[] {
  const ids = service.spiffeIds.flatMap((id) => consulServiceIdOf(id) ?? []);
  const names = new Map(ids.map((id) => [`${id.namespace}/${id.service}`, id]));
  return [...names.values()].flatMap(({ service: name, namespace }) =>
    consumers.map((consumer) => ({ service: name, namespace, peer: peerNameOf(consumer, prefix) })),
  );
}

function refusalOf(
  { service, consumers }: WantedExport,
  pairs: readonly ExportPair[],
  { present, room }: { readonly present: ReadonlySet<TrustDomain>; readonly room: number },
): Refusal | undefined {
  const refused = (code: string, message: string): Refusal => ({
    state: 'refused',
    fault: { code, message },
  });
  const foreign = service.spiffeIds.find((id) => consulServiceIdOf(id) === undefined);
  if (foreign !== undefined)
    return refused(
      'service-not-consul',
      `${service.id} has the identity ${foreign}, which is not one of a Consul service of ${trustDomainOf(foreign)}, so Consul cannot export it`,
    );
  // The operator may declare a service under another name than Consul's.
  const other = pairs.find(({ service: name }) => name !== service.id);
  if (service.origin === 'mesh' && other)
    return refused(
      'service-not-consul',
      `Consul has no service ${service.id}: its identity is that of ${other.service}`,
    );
  if (pairs.some(({ service: name }) => name === 'consul'))
    return refused('service-not-exportable', 'Consul does not export its own service "consul"');
  if (pairs.length > room)
    return refused(
      'too-many-exports',
      `Consul's config entry has room for ${MAX_PAIRS} exports of ours, each of one service to one peer`,
    );
  const missing = consumers.find((consumer) => !present.has(consumer));
  if (missing === undefined) return undefined;
  const message = `Consul has no peering with the bundle of ${missing} yet`;
  return { state: 'pending', fault: { code: 'peering-missing', message } };
}
