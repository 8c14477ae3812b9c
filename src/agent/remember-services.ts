import { type ServiceReport } from '../mesh-adapters/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { hasFailed, subjectText } from './service-reports.ts';

const MAX_OPEN = 10_000;

/**
 * Keeps one open incident `service-refused` for each trust domain with a service that the mesh does
 * not have as it should, and ends it when none is left. Our own exports and policies count for
 * `own`. Because a peer can cause any number of refusals, their number is in the message. Rejects
 * with `StoreError`.
 */
export async function rememberServices(
  store: Pick<Store, 'recordIncident' | 'endIncidents' | 'incidents'>,
  reports: readonly ServiceReport[],
  context: { readonly own: TrustDomain | undefined; readonly mesh: string; readonly at: Date },
): Promise<void> {
  const { own, mesh, at } = context;
  const actor = `mesh:${mesh}`;
  const failed = Map.groupBy(reports.filter(hasFailed), ({ trustDomain }) => trustDomain ?? own);
  for (const [trustDomain, [first, ...others]] of failed) {
    if (trustDomain === undefined || !first) continue;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    await store.recordIncident({
      at,
      kind: 'service-refused',
      trustDomain,
      actor,
      origin: mesh,
      code: first.code ?? 'mesh-failed',
      message: `the mesh does not have ${subjectText(first)} as it should: ${first.message ?? first.state}${more}`,
    });
  }
  const open = await store.incidents({ open: true, offers: false, limit: MAX_OPEN });
  const over = open.filter(({ kind, trustDomain }) => kind === 'service-refused' && !failed.has(trustDomain));
  for (const { trustDomain } of over)
    await store.endIncidents({ trustDomain, at, actor, kinds: ['service-refused'] });
}
