import { stat } from 'node:fs/promises';
import { WARNING_CODES } from '../admin/index.ts';
import type { Federation } from '../federation/index.ts';
import type { Invitations } from '../invitation/index.ts';
import type { MeshAdapter } from '../mesh-adapters/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import { type Clock, type Metrics, version } from '../platform/index.ts';
import type { Attention } from './attention.ts';
import type { ForeignTrust } from './foreign-trust.ts';
import type { StoreHealth } from './store-health.ts';

/** The sources of the numbers. */
export interface AgentMetricsParts {
  readonly attention: Attention;
  readonly federation: Federation;
  readonly foreignTrust: ForeignTrust;
  readonly adapter: MeshAdapter;
  readonly svid: SvidSource | undefined;
  readonly endpoint: { readonly certificateEndsAt: Date | undefined };
  readonly invitations: { readonly desk: Pick<Invitations['desk'], 'list'> };
  readonly notReady: () => string | undefined;
  readonly health: StoreHealth;
  readonly storePath: string;
  readonly clock: Clock;
}

/** Invitations in these states can still lead to a relationship. */
const OPEN: ReadonlySet<string> = new Set(['open', 'redeeming', 'awaiting-approval']);

/**
 * The numbers of an agent as a whole, computed for each scrape; docs/operations.md lists every one.
 */
export function createAgentMetrics(metrics: Metrics, parts: AgentMetricsParts): void {
  const secondsTo = (instant: Date) => (instant.getTime() - parts.clock.now().getTime()) / 1000;
  const build = metrics.gauge('federate_build_info', 'The version that runs; always 1', ['version', 'node']);
  build.set({ version: version(), node: process.versions.node }, 1);
  createHealthGauges(metrics, parts);
  createEndGauges(metrics, parts, secondsTo);
  createPeerGauges(metrics, parts, secondsTo);
}

function createHealthGauges(metrics: Metrics, parts: AgentMetricsParts): void {
  const { attention, adapter, health, storePath } = parts;
  const ready = metrics.gauge('federate_ready', 'Whether the agent is ready, as in /readyz');
  const warnings = metrics.gauge('federate_warnings', 'What needs an operator now, by code', ['code']);
  const usable = metrics.gauge('federate_store_usable', 'Whether the store could be written and read last');
  const bytes = metrics.gauge('federate_store_bytes', 'Size of the store with its write-ahead log');
  const connected = metrics.gauge('federate_mesh_connected', 'Whether the mesh answered last', ['mesh']);
  metrics.beforeRender(async () => {
    ready.set(parts.notReady() === undefined ? 1 : 0);
    usable.set(health.trouble ? 0 : 1);
    connected.set({ mesh: adapter.kind }, adapter.status().connected ? 1 : 0);
    const sizes = await Promise.all([storePath, `${storePath}-wal`].map(sizeOf));
    bytes.set(sizes.reduce((sum, size) => sum + size, 0));
    const counts = await attention.counts();
    for (const code of WARNING_CODES) warnings.set({ code }, counts.get(code) ?? 0);
  });
}

function createEndGauges(
  metrics: Metrics,
  { svid, endpoint, federation }: AgentMetricsParts,
  secondsTo: (instant: Date) => number,
): void {
  const ownSvid = metrics.gauge('federate_own_svid_ends_seconds', "Seconds until the agent's own SVID ends");
  const certificate = metrics.gauge(
    'federate_endpoint_certificate_ends_seconds',
    'Seconds until the certificate ends that the bundle endpoint shows',
  );
  const roots = metrics.gauge(
    'federate_peer_roots_end_seconds',
    'Seconds until the last root of a peer ends that counts',
    ['trust_domain'],
  );
  metrics.beforeRender(() => {
    for (const gauge of [ownSvid, certificate, roots]) gauge.reset();
    const current = svid?.current();
    // Without an SVID the end is unknown: 0 would raise an alarm of its own, and readiness covers
    // that case.
    ownSvid.set(current ? secondsTo(current.notAfter) : Number.NaN);
    const { certificateEndsAt } = endpoint;
    certificate.set(certificateEndsAt ? secondsTo(certificateEndsAt) : Number.NaN);
    for (const { trustDomain, x509Authorities } of federation.bundles.list()) {
      const last = Math.max(...x509Authorities.map(({ notAfter }) => notAfter.getTime()));
      if (Number.isFinite(last)) roots.set({ trust_domain: trustDomain }, secondsTo(new Date(last)));
    }
  });
}

function createPeerGauges(
  metrics: Metrics,
  { federation, foreignTrust, invitations }: AgentMetricsParts,
  secondsTo: (instant: Date) => number,
): void {
  const inMesh = metrics.gauge(
    'federate_peer_in_mesh',
    'How far the bundle of a peer came in the mesh: 1 for the state that holds',
    ['trust_domain', 'state'],
  );
  const offers = metrics.gauge(
    'federate_offer_waiting_seconds',
    'Seconds for which an offered bundle of a peer has waited for a decision',
    ['trust_domain'],
  );
  const distrusted = metrics.gauge('federate_distrusted_keys', 'Keys that the operator distrusts', [
    'trust_domain',
  ]);
  const open = metrics.gauge('federate_open_invitations', 'Invitations that can still be taken up', ['role']);
  metrics.beforeRender(() => {
    inMesh.reset();
    for (const { trustDomain, state } of foreignTrust.list())
      inMesh.set({ trust_domain: trustDomain, state }, 1);
    distrusted.reset();
    for (const { trustDomain } of federation.distrusts.list()) distrusted.inc({ trust_domain: trustDomain });
  });
  metrics.beforeRender(async () => {
    const waiting = await federation.reviews.waiting();
    offers.reset();
    for (const { relationship, since, status } of waiting)
      if (status !== 'rejected') offers.set({ trust_domain: relationship.trustDomain }, -secondsTo(since));
  });
  metrics.beforeRender(async () => {
    const list = await invitations.desk.list();
    for (const role of ['inviter', 'newcomer'] as const)
      open.set({ role }, list.filter((each) => each.role === role && OPEN.has(each.state)).length);
  });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
