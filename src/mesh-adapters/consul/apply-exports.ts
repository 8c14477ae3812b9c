import { isDeepStrictEqual } from 'node:util';
import { type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import type { ServiceReport, WantedExport } from '../contract/mesh-services.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import { deleteConfigEntry, putConfigEntry, readConfigEntry } from './config-entries.ts';
import type { ConfigWriter } from './config-writer.ts';
import { consulServiceIdOf } from './consul-id.ts';
import { type ExportPair, MAX_PAIRS, withExports } from './exported-services.ts';
import { readIntentionDefault } from './intention-default.ts';
import { listPeerings } from './peerings.ts';
import { peerNameOf } from './render.ts';

type Fault = Pick<ServiceReport, 'state' | 'code' | 'message'>;

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
  const outcomes = wanted.map((each) => {
    const found = pairsOf(each, peerNamePrefix);
    const room = MAX_PAIRS - pairs.length;
    const fault = faultOf(each, found, { present, room }) ?? open.fault;
    if (!fault || fault.state === 'pending') pairs.push(...found);
    return { each, fault };
  });
  const next = withExports(entry?.fields, pairs);
  if (entry && next === undefined) await deleteConfigEntry(client, entry, signal);
  else if (next && !isDeepStrictEqual(next, entry?.fields) && (entry || pairs.length > 0))
    await putConfigEntry(client, entry, next, signal);
  return outcomes.map(({ each, fault }) => ({
    subject: 'export',
    service: each.service.id,
    state: 'accepted',
    ...open.note,
    ...fault,
    at: clock.now(),
  }));
}

/** Each Consul service behind an export, with each peering. */
function pairsOf({ service, consumers }: WantedExport, prefix: string): readonly ExportPair[] {
  const ids = service.spiffeIds.flatMap((id) => consulServiceIdOf(id) ?? []);
  const names = new Map(ids.map((id) => [`${id.namespace}/${id.service}`, id]));
  return [...names.values()].flatMap(({ service: name, namespace }) =>
    consumers.map((consumer) => ({ service: name, namespace, peer: peerNameOf(consumer, prefix) })),
  );
}

function faultOf(
  { service, consumers }: WantedExport,
  pairs: readonly ExportPair[],
  { present, room }: { readonly present: ReadonlySet<TrustDomain>; readonly room: number },
): Fault | undefined {
  const foreign = service.spiffeIds.find((id) => consulServiceIdOf(id) === undefined);
  if (foreign !== undefined)
    return {
      state: 'refused',
      code: 'service-not-consul',
      message: `${service.id} has the identity ${foreign}, which is not one of a Consul service of ${trustDomainOf(foreign)}, so Consul cannot export it`,
    };
  if (pairs.some(({ service: name }) => name === 'consul'))
    return {
      state: 'refused',
      code: 'service-not-exportable',
      message: 'Consul does not export its own service "consul"',
    };
  if (pairs.length > room)
    return {
      state: 'refused',
      code: 'too-many-exports',
      message: `Consul's config entry has room for ${MAX_PAIRS} exports of ours, each of one service to one peer`,
    };
  const missing = consumers.find((consumer) => !present.has(consumer));
  if (missing === undefined) return undefined;
  return {
    state: 'pending',
    code: 'peering-missing',
    message: `Consul has no peering with the bundle of ${missing} yet`,
  };
}
