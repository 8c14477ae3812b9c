import type { AdminHandlers } from '../admin/index.ts';
import { Federation, PeerHoldings, type Reach } from '../federation/index.ts';
import {
  createMetrics,
  createMetricsServer,
  Listeners,
  type Part,
  partOf,
  Parts,
  type ProcessContext,
} from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import { openSqliteStore, type Store, type StoreObserver } from '../store/index.ts';
import { type AgentConfig, type LoadedConfig, planOfConfig, rotationTimes } from '../config/index.ts';
import { createFederationGateway } from '../envoy/index.ts';
import { Observations } from '../observation/index.ts';
import { bundleHandlers } from './admin/bundles.ts';
import { distrustedHandlers } from './admin/distrusted.ts';
import { historyHandlers } from './admin/history.ts';
import { invitationHandlers } from './admin/invitations.ts';
import { offerHandlers } from './admin/offers.ts';
import { peersSeen } from './admin/peers-seen.ts';
import { refreshHandlers } from './admin/refresh.ts';
import { relationshipChangeHandlers } from './admin/relationship-changes.ts';
import { relationshipHandlers } from './admin/relationships.ts';
import { rotationHandlers } from './admin/rotation.ts';
import { signedBundleHandlers } from './admin/signed-bundle.ts';
import { statusHandlers } from './admin/status.ts';
import { unrecordedTrustHandlers } from './admin/unrecorded-trust.ts';
import { storeHandlers } from './admin/store.ts';
import { verifyHandlers } from './admin/verify.ts';
import { createAdminSocket } from './admin-socket.ts';
import { AuditStreams } from './audit-streams.ts';
import { createAgentMetrics } from './agent-metrics.ts';
import { Attention } from './attention.ts';
import { addAttentionSources } from './attention-sources.ts';
import { createEndpoint } from './endpoint.ts';
import { pollingOf } from './federation-options.ts';
import { ForeignTrust } from './foreign-trust.ts';
import { HistoryHeads } from './history-heads.ts';
import { createHistoryLog } from './history-log.ts';
import { noticeIgnoredProxy } from './ignored-proxy.ts';
import { createInvitations } from './create-invitations.ts';
import { createMeshAdapter } from './mesh-adapter.ts';
import { createOwnSvid } from './open-svid.ts';
import { OwnBundle } from './own-bundle.ts';
import { OwnCertificates } from './own-certificates.ts';
import { OwnTrustWatch } from './own-trust-watch.ts';
import { peerEndpoints } from './peer-endpoints.ts';
import { agentReadiness } from './readiness.ts';
import { Resources } from './resources.ts';
import { Reconciliation, type Served } from './reconciliation.ts';
import { rememberHolding, Rotation } from './rotation.ts';
import { createRotationMetrics } from './rotation-metrics.ts';
import { createServiceExchange } from './service-exchange.ts';
import { anyExtension, createSignedBundles } from './signed-bundles.ts';
import { StoreHealth } from './store-health.ts';
import { createWorkloadApi } from './workload-api.ts';

/** How long requests in flight may go on when the agent stops. */
const DRAIN_MS = 5000;

/**
 * Opens the store, which refuses a second agent, and builds everything else around it; the agent
 * runs once the parts are started. What was trusted and published before the last stop is so again
 * before the first client is served and before the first poll. Throws `StoreError`, and what the
 * parts throw that cannot be built; then the store is closed.
 */
export async function buildAgent(loaded: LoadedConfig<AgentConfig>, context: ProcessContext): Promise<Parts> {
  return new Parts(await partsOfAgent(loaded, context), context);
}

/**
 * The parts of `buildAgent` in the order in which they start; the store, which is first, is open.
 */
export async function partsOfAgent(
  loaded: LoadedConfig<AgentConfig>,
  context: ProcessContext,
  openStore = openSqliteStore,
): Promise<readonly Part[]> {
  const { store: path } = loaded.config;
  const { clock, log } = context;
  const health = new StoreHealth({ clock, log: log.with({ part: 'store' }) });
  const recorded = new Listeners();
  const writeLog = createHistoryLog(log);
  const observer: StoreObserver = {
    recorded: (events) => {
      writeLog(events);
      recorded.notify();
    },
    wrote: () => health.wrote(),
    failed: (error) => health.failed(error),
  };
  const store = await openStore({ path, create: true, observer, clock, log });
  try {
    return [
      { name: 'store', stop: () => store.close() },
      ...(await connectParts(loaded, context, { store, path, health, onRecorded: recorded.add })),
    ];
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Builds all parts, connects them, and lists them in the order in which they start. Before that,
 * nothing changes and nothing is served.
 */
async function connectParts(
  loaded: LoadedConfig<AgentConfig>,
  context: ProcessContext,
  {
    store,
    path: storePath,
    health,
    onRecorded,
  }: {
    readonly store: Store;
    readonly path: string;
    readonly health: StoreHealth;
    readonly onRecorded: Listeners['add'];
  },
): Promise<readonly Part[]> {
  const { config } = loaded;
  const { clock, random, log } = context;
  for (const { level, code, message } of planOfConfig(loaded))
    log.warn('times of the config do not fit', { risk: level, code, why: message });
  const metrics = createMetrics({ processMetrics: true });
  const stopping = new AbortController();
  const attention = new Attention(store, () => clock.now());

  const identity = createOwnSvid(config, context);
  const svid = identity?.svid;
  const signer = () => svid?.current();
  const heads = new HistoryHeads({ store, signer, clock, log: log.with({ part: 'history' }) });
  const ownBundle = new OwnBundle({
    store,
    expected: config.trust_domain,
    refreshHintSeconds: config.endpoint.refresh_hint / 1000,
    origin: config.mesh.kind,
    clock,
    log,
  });
  const own = () => ownBundle.current;
  const ownName = () => own()?.trustDomain;
  const auditStreams = new AuditStreams(config.audit, context, {
    store,
    trustDomain: () => own()?.trustDomain ?? config.trust_domain,
    metrics,
  });
  onRecorded(() => auditStreams.wake());
  attention.add('audit', () => auditStreams.warnings());

  noticeIgnoredProxy(context.environment, config, log);
  const polling = pollingOf(config);
  const reach: Reach = { ...polling, clock, random, log: log.with({ part: 'federation' }) };
  const federation = new Federation({ ...polling, ...reach, store, own, metrics, signer });
  const observations = new Observations({
    ...reach,
    store,
    own,
    relationships: () => federation.peers.relationships(),
    bundles: federation.bundles,
    holding: federation.holding,
    verifier: federation.verifier,
    signer,
    head: () => heads.newest,
    metrics,
  });
  federation.held.onChange((trustDomain, bundle) => observations.changed(trustDomain, bundle !== undefined));
  const relationshipWith = (trustDomain: TrustDomain) => federation.peers.find(trustDomain)?.relationship;
  const holdings = new PeerHoldings({
    ownTrustDomain: ownName,
    relationshipWith,
    bundles: federation.bundles,
    clock,
    log: log.with({ part: 'holdings' }),
    onContact: (trustDomain) => federation.peers.find(trustDomain)?.peerIsBack(),
    onHolding: (holding) => {
      rememberHolding(holding, store, log);
      void observations.noteHolding(holding);
    },
  });
  const signedBundles = createSignedBundles({
    own,
    svid,
    federation,
    carry: config.endpoint.carry_signed_bundles,
    clock,
  });
  const invitations = await createInvitations(config, {
    ...reach,
    log: log.with({ part: 'invitations' }),
    store,
    federation,
    own,
    svid,
  });

  const endpoint = createEndpoint(config, svid, metrics, context, {
    onRequest: (seen) => holdings.note(seen),
    onServed: (address, tag) => holdings.noteServed(address, tag),
  });
  const adapter = createMeshAdapter(
    config,
    context,
    peerEndpoints({ relationshipWith, bundles: federation.bundles }, ownName),
  );
  const foreignTrust = new ForeignTrust(adapter, federation, store, context, stopping.signal);
  const services = createServiceExchange(
    loaded,
    { store, federation, holdings, adapter, own: ownName, signer, svid, stopping: stopping.signal },
    context,
  );
  const extensions = [invitations.reception, observations.reception, signedBundles.extension];
  endpoint.extend(anyExtension([...extensions, ...services.extensions]));
  const gateway = await createFederationGateway(config, ownBundle, federation.bundles, context);
  const workloadApi = createWorkloadApi(
    config,
    { own, foreign: () => federation.bundles.list(), svid, wants: services.wants, metrics },
    context,
  );
  const rotation = new Rotation({
    store,
    own,
    svid,
    holdings,
    relationships: () => federation.peers.status(),
    times: rotationTimes(config),
    reportedBy: adapter.kind === 'files' ? 'config' : 'mesh',
    clock,
    log: log.with({ part: 'rotation' }),
  });
  createRotationMetrics(metrics, rotation);
  const ownTrust = new OwnTrustWatch({ adapter, own: ownBundle, clock, log });

  ownBundle.follow((bundle) => {
    endpoint.publish(bundle);
    workloadApi?.trustChanged();
    gateway?.trustChanged();
    // Which foreign roots are admitted depends on our own.
    foreignTrust.compare();
    services.trustChanged(bundle.trustDomain);
  });
  ownTrust.onTaken((trust) => void rotation.observe(trust));
  federation.bundles.onChange((trustDomain) => {
    foreignTrust.compare();
    services.trustChanged(trustDomain);
    gateway?.trustChanged();
    workloadApi?.trustChanged();
    // A distrust of one of our own keys has begun or ended.
    if (trustDomain === own()?.trustDomain)
      ownBundle
        .reconsider()
        .catch((error: unknown) => log.error('our own bundle was not published again', { error }));
  });
  services.onChange(() => workloadApi?.servicesChanged());
  addAttentionSources(attention, {
    federation,
    foreignTrust,
    own: ownBundle,
    rotation,
    now: () => clock.now(),
  });
  const ownCertificates = new OwnCertificates({
    endpoint,
    identity,
    clock,
    log: log.with({ part: 'certificates' }),
  });
  attention.add('own certificates', () => ownCertificates.warnings());
  attention.add('trust without a record', () => foreignTrust.unrecorded.warnings());
  attention.add('services', () => services.warnings());
  attention.add('own trust', () => ownTrust.warnings());
  attention.add('sockets', () => [...(workloadApi?.warnings() ?? []), ...(gateway?.warnings() ?? [])]);
  attention.add('store', () => health.warnings());
  const resources = new Resources({
    mesh: () => adapter.status(),
    identity: () => identity?.describe() ?? null,
    endpoint,
    now: () => clock.now(),
  });
  attention.add('resources', () => resources.warnings());

  const served: Served[] = [
    { name: 'own trust', correct: () => ownTrust.tryAgain() },
    { name: 'own bundle', correct: () => ownBundle.reconsider() },
    { name: 'endpoint', correct: () => endpoint.correct(own()) },
    ...(workloadApi ? [{ name: 'workload API', correct: () => workloadApi.correct() }] : []),
    ...(gateway ? [{ name: 'federation gateway', correct: () => gateway.correct() }] : []),
  ];
  const reconciliation = new Reconciliation(served, { clock, log, metrics });

  const notReady = agentReadiness({
    own,
    serving: () => endpoint.ready,
    storeTrouble: () => health.trouble,
  });
  createAgentMetrics(metrics, {
    attention,
    federation,
    foreignTrust,
    adapter,
    svid,
    endpoint,
    invitations,
    notReady,
    health,
    storePath,
    clock,
  });
  const handlers: AdminHandlers = {
    ...statusHandlers({
      config,
      store,
      attention,
      federation,
      adapter,
      ownBundle,
      svid,
      serving: () => endpoint.ready,
      notReady,
      workloadApi: () => workloadApi?.describe() ?? null,
      identity: () => identity?.describe() ?? null,
      startedAt: clock.now(),
      configFile: loaded.file,
      storePath,
    }),
    ...relationshipHandlers({ store, attention, seen: peersSeen({ federation, foreignTrust, holdings }) }),
    ...relationshipChangeHandlers({ federation, foreignTrust, attention, own }),
    ...refreshHandlers(federation),
    ...bundleHandlers({ store, federation }),
    ...offerHandlers(federation),
    ...distrustedHandlers({ config, federation, ownBundle, foreignTrust, rotation }),
    ...invitationHandlers(invitations),
    ...services.handlers,
    ...rotationHandlers({ rotation, own }),
    ...signedBundleHandlers({ signedBundles, own, svid }),
    ...unrecordedTrustHandlers(foreignTrust),
    ...verifyHandlers({ federation, ownBundle, store, config, clock }),
    ...historyHandlers({ store, storePath }),
    ...storeHandlers({ store, storePath }),
  };
  const admin = createAdminSocket(
    config.admin_socket,
    { handlers, notReady, log: log.with({ part: 'admin' }), renderMetrics: () => metrics.render() },
    context,
  );
  const metricsServer =
    config.metrics && createMetricsServer(config.metrics, metrics, notReady, () => attention.counts());

  const remember = (kind: 'agent-started' | 'agent-stopped', message: string) =>
    store.recordEvent({ at: clock.now(), kind, actor: 'agent', message });
  return [
    { name: 'health of the store', start: () => health.start(store), stop: () => health.stop() },
    // Before the first event of this run, and after its last one.
    partOf('audit stream', auditStreams),
    // Stopped right before the store, so that the last head covers the agent's last entry.
    partOf('history', heads),
    {
      name: 'record of starts',
      start: () => remember('agent-started', `the agent started next to a mesh of kind ${config.mesh.kind}`),
      stop: () => remember('agent-stopped', 'the agent stopped in order'),
    },
    ...(identity ? [partOf('own SVID', identity)] : []),
    { name: 'own bundle', start: () => ownBundle.load() },
    { name: 'holdings', start: async () => holdings.restore(await store.peerHoldings()) },
    {
      name: 'federation',
      start: () => federation.start(stopping.signal),
      stop: () => federation.stop(),
    },
    partOf('observations', observations),
    partOf('invitations', invitations),
    {
      name: 'endpoint',
      start: () => endpoint.start(config.endpoint.listen),
      stop: () => endpoint.stop(DRAIN_MS),
    },
    partOf('own certificates', ownCertificates),
    { name: 'mesh adapter', stop: () => adapter.stop() },
    partOf('foreign trust', foreignTrust),
    ...services.parts,
    ...(gateway ? [partOf('federation gateway', gateway)] : []),
    partOf('rotation', rotation),
    ...(workloadApi ? [partOf('workload API', workloadApi)] : []),
    partOf('admin socket', admin),
    ...(metricsServer ? [partOf('metrics', metricsServer)] : []),
    partOf('own trust', ownTrust),
    partOf('reconciliation', reconciliation),
    // First to stop: nothing waits for the mesh or for a peer after that.
    { name: 'stopping', stop: () => stopping.abort() },
  ];
}
