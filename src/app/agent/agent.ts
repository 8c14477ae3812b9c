import { AdminServer } from '../../dashboard/index.ts';
import {
  createForbiddenRanges,
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  FederationAgent,
  PeerHoldings,
} from '../../federation/index.ts';
import type { MeshAdapter, OwnTrust } from '../../mesh-adapters/index.ts';
import type { SvidSource } from '../../mtls/index.ts';
import { createMetrics } from '../../telemetry/index.ts';
import { defaultBundleLimits } from '../../spiffe/index.ts';
import { openSqliteStore } from '../../store/index.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import type { LoadedConfig } from '../config/read-config.ts';
import type { ProcessContext, RunningPart } from '../process.ts';
import { Attention } from './attention.ts';
import { createEndpoint } from './endpoint.ts';
import { AgentError } from './errors.ts';
import { createInvitations } from './invitations.ts';
import { startFederationGateway } from '../federation-gateway/start.ts';
import { ForeignTrust } from './foreign-trust.ts';
import { stillTrusted } from './still-trusted.ts';
import { HistoryHeads } from './history-heads.ts';
import { createMeshAdapter } from './mesh-adapter.ts';
import { startMetricsServer } from '../metrics-server.ts';
import { OwnBundle } from './own-bundle.ts';
import { peerEndpoints } from './peer-endpoints.ts';
import { rememberHolding, Rotation, rotationTimes } from './rotation.ts';
import { planOfConfig } from './rotation-plan.ts';
import { createRotationMetrics } from './rotation-metrics.ts';
import { createAdminServices } from './services.ts';
import { startWorkloadApi, type WorkloadApiPart } from './workload-api.ts';
import { anyExtension, createSignedBundles } from './signed-bundles.ts';

/** How long requests in flight may go on when the agent stops. */
const DRAIN_MS = 5000;

/**
 * Starts the agent: the store first (it refuses a second agent), then everything it feeds. What was trusted and
 * published before the last stop is so again before the first poll or the first word from the mesh. Throws the coded
 * errors of the rooms; what was started until then is stopped.
 */
export async function startAgent(
  loaded: LoadedConfig<AgentConfig>,
  context: ProcessContext,
): Promise<RunningPart> {
  const started: RunningPart[] = [];
  const stop = async () => {
    for (const part of started.splice(0).reverse()) await part.stop();
  };
  try {
    await startParts(loaded, context, started);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function startParts(
  loaded: LoadedConfig<AgentConfig>,
  context: ProcessContext,
  started: RunningPart[],
): Promise<void> {
  const { config, folder } = loaded;
  const { clock, random, log } = context;
  for (const { level, code, message } of planOfConfig(loaded))
    log.warn('times of the config do not fit', { risk: level, code, why: message });
  const metrics = createMetrics({ processMetrics: true });
  const startedAt = clock.now();

  const storePath = resolvePath(folder, config.store);
  const store = await openSqliteStore({ path: storePath, create: true, clock, log });
  started.push({ stop: () => store.close() });
  const attention = new Attention(store, () => clock.now());
  let svid: SvidSource | undefined;
  const heads = new HistoryHeads({
    store,
    signer: () => svid?.current(),
    clock,
    log: log.with({ part: 'history' }),
  });
  // Stopped right before the store, so that the last head covers the agent's last word.
  started.push({ stop: () => heads.stop() });
  await heads.start();
  const remember = (kind: 'agent-started' | 'agent-stopped', message: string) =>
    store.recordEvent({ at: clock.now(), kind, actor: 'agent', message });
  await remember('agent-started', `the agent started beside a mesh of kind ${config.mesh.kind}`);
  started.push({ stop: () => remember('agent-stopped', 'the agent stopped in order') });

  let holdings: PeerHoldings | undefined;
  const served = await createEndpoint(config, folder, metrics, context, {
    onRequest: (seen) => holdings?.note(seen),
    onServed: (address, tag) => holdings?.noteServed(address, tag),
  });
  started.push(served);
  const { endpoint } = served;
  ({ svid } = served);

  let workloadApi: WorkloadApiPart | undefined;
  const own = new OwnBundle({
    store,
    expected: config.trust_domain,
    refreshHintSeconds: config.endpoint.refresh_hint / 1000,
    origin: config.mesh.kind,
    clock,
    log,
    publish: (bundle) => {
      endpoint.publish(bundle);
      workloadApi?.trustChanged();
    },
  });
  await own.load();
  await endpoint.start(config.endpoint.listen);
  started.push({ stop: () => endpoint.stop(DRAIN_MS) });

  const polling = config.federation;
  const limits = {
    fetchLimits: {
      ...defaultFetchLimits,
      connectMs: polling.connect_timeout,
      tlsMs: polling.connect_timeout,
      totalMs: polling.total_timeout,
      maxBodyBytes: polling.max_document,
    },
    bundleLimits: { ...defaultBundleLimits, maxBytes: polling.max_document },
  };
  const federation = new FederationAgent({
    store,
    own: () => own.current,
    ...(config.trust_domain === undefined ? {} : { ownTrustDomain: config.trust_domain }),
    clock,
    random,
    log: log.with({ part: 'federation' }),
    metrics,
    ...limits,
    guard: createForbiddenRanges(polling.forbidden_addresses),
    redirects: {
      ...defaultRedirectSettings,
      follow: polling.max_redirects > 0,
      max: polling.max_redirects,
    },
    schedule: {
      ...defaultScheduleSettings,
      floorMs: polling.minimum_poll,
      ceilingMs: polling.maximum_poll,
      withoutHintMs: polling.default_poll,
    },
    signer: () => svid?.current(),
    historyHead: () => heads.newest,
    watch: { seconds: Math.round(polling.hold / 1000), most: polling.max_held },
    concurrency: polling.max_polls_in_flight,
  });
  const stopping = new AbortController();
  started.push({
    stop: async () => {
      stopping.abort();
      await federation.stop();
    },
  });
  await federation.start(stopping.signal);

  holdings = new PeerHoldings({
    ownTrustDomain: () => own.current?.trustDomain,
    relationshipWith: (trustDomain) => federation.relationshipWith(trustDomain),
    bundles: federation.bundles,
    clock,
    log: log.with({ part: 'holdings' }),
    onHolding: (holding) => {
      rememberHolding(holding, store, log);
      void federation.observations.noteHolding(holding);
    },
  });
  holdings.restore(await store.peerHoldings());
  federation.observations.start();
  started.push({ stop: () => federation.observations.stop() });

  const signedBundles = createSignedBundles({ own: () => own.current, svid, federation, clock });
  endpoint.extend(anyExtension([federation.observations, signedBundles.extension]));

  const endpoints = peerEndpoints(federation, () => own.current?.trustDomain);
  const adapter = createMeshAdapter(config, folder, context, endpoints);
  started.push({ stop: () => adapter.stop() });
  const foreignTrust = new ForeignTrust(adapter, federation, store, context, stopping.signal);
  started.push({ stop: () => foreignTrust.stop() });
  attention.add('foreign trust', () => stillTrusted(foreignTrust, federation));
  federation.onChange((trustDomain) => {
    foreignTrust.compare();
    // A distrust of one of our own keys has lapsed.
    if (trustDomain === own.current?.trustDomain)
      own
        .reconsider()
        .catch((error: unknown) => log.error('our own bundle was not published anew', { error }));
  });
  await foreignTrust.start();
  const gateway = await startFederationGateway(config, folder, own, federation.bundles, context);
  if (gateway) {
    started.push(gateway);
    federation.onChange(() => gateway.trustChanged());
  }

  const rotation = new Rotation({
    store,
    own: () => own.current,
    svid,
    holdings,
    relationships: () => federation.status(),
    times: rotationTimes(config),
    toldBy: adapter.kind === 'files' ? 'config' : 'mesh',
    clock,
    log: log.with({ part: 'rotation' }),
  });
  createRotationMetrics(metrics, rotation);
  rotation.start();
  started.push({ stop: () => rotation.stop() });
  workloadApi = await startWorkloadApi(
    config,
    folder,
    { own: () => own.current, foreign: () => federation.bundles.list(), svid, metrics },
    context,
  );
  if (workloadApi) started.push(workloadApi);
  federation.onChange(() => workloadApi?.trustChanged());

  const invitations = await createInvitations(
    { config, folder, store, federation, own: () => own.current, svid, limits },
    context,
  );
  started.push({ stop: () => invitations.stop() });
  await invitations.start();
  // One after the other: what is given to it here takes the place of what it had.
  endpoint.extend(anyExtension([invitations, federation.observations, signedBundles.extension]));

  const services = createAdminServices({
    invitations,
    config,
    store,
    attention,
    storePath,
    federation,
    adapter,
    svid,
    holdings,
    rotation,
    signedBundles,
    foreignTrust,
    startedAt,
    clock,
    log,
    metrics,
    own: () => own.current,
    ownBundle: own,
    serving: () => endpoint.ready,
    workloadApi: () => workloadApi?.describe() ?? null,
    identity: () => served.identity(),
  });
  const admin = new AdminServer({ path: resolvePath(folder, config.admin_socket), services });
  await admin.start();
  started.push({ stop: () => admin.stop() });
  if (config.metrics) {
    started.push(
      await startMetricsServer(config.metrics, metrics, () => own.current !== undefined && endpoint.ready),
    );
  }
  // What foreign roots are admitted hangs on our own: they are judged anew when ours change.
  const watching = followOwnTrust(adapter, own, context, stopping.signal, (trust) => {
    foreignTrust.compare();
    gateway?.trustChanged();
    void rotation.observe(trust);
  });
  started.push({
    stop: async () => {
      stopping.abort();
      await watching;
    },
  });
}

/** Takes up every word of the mesh about its roots until the agent stops. */
async function followOwnTrust(
  adapter: MeshAdapter,
  own: OwnBundle,
  { log }: ProcessContext,
  signal: AbortSignal,
  observed: (trust: OwnTrust) => void,
): Promise<void> {
  try {
    for await (const trust of adapter.watchOwnTrust(signal)) {
      try {
        await own.observe(trust);
        observed(trust);
      } catch (error) {
        // Kept out, not fatal: the last own bundle goes on being served, and peers go on being polled.
        log.error('own roots of the mesh not taken', {
          error,
          code: error instanceof AgentError ? error.code : undefined,
        });
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
