import { readFileSync } from 'node:fs';
import {
  createHostLookup,
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  Federation,
} from '../../src/federation/index.ts';
import { createMetrics, silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  defaultBundleLimits,
  parseBundle,
  parseSpiffeId,
  parseTrustDomain,
  type TrustBundle,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';

/**
 * The federation agent on a SQLite store with the peers of `peers-server`: polls all of them again and again and prints what each
 * sweep took, and what the peers hold in memory. Run with `--expose-gc`.
 */
const { file, storePath, port, sweeps } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly file: string;
  readonly storePath: string;
  readonly port: number;
  readonly sweeps: number;
};
const { hostRootPem, documents } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly hostRootPem: string;
  readonly documents: readonly string[];
};
const host = parseTrustDomain('host.example');
const profile = {
  kind: 'https_spiffe',
  endpointId: parseSpiffeId('spiffe://host.example/endpoint'),
} as const;
const at = systemClock.now();

const store = await openSqliteStore({ path: storePath, create: true, clock: systemClock, log: silentLog });
async function add(name: string, bundle: TrustBundle, endpointUrl: string): Promise<void> {
  const trustDomain = parseTrustDomain(name);
  await store.addRelationship(
    {
      trustDomain,
      endpointUrl,
      profile,
      state: 'active',
      consecutiveFailures: 0,
      createdAt: at,
      bootstrap: { kind: 'bundle-file', detail: 'bench' },
    },
    { bundle, receivedAt: at, verdict: 'bootstrap', origin: 'bench' },
    { at, kind: 'relationship-added', trustDomain, actor: 'operator', message: 'added by the bench' },
  );
}
for (const [index, document] of documents.entries()) {
  const name = `peer-${index}.example`;
  const { bundle } = parseBundle(parseTrustDomain(name), Buffer.from(document));
  await add(name, bundle, `https://127.0.0.1:${port}/${index}`);
}

// The host of the endpoints is our own trust domain here, so that the sweep is of the peers alone.
const own = bundleOf(
  host,
  certificatesFromPem(hostRootPem).map((der) => x509AuthorityFromDer(der)),
  { sequence: 1n, refreshHintSeconds: 3600 },
);
const agent = new Federation({
  store,
  own: () => own,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  metrics: createMetrics({ processMetrics: false }),
  fetchLimits: defaultFetchLimits,
  bundleLimits: defaultBundleLimits,
  redirects: defaultRedirectSettings,
  schedule: { ...defaultScheduleSettings, ceilingMs: 36_000_000, withoutHintMs: 36_000_000 },
  watch: { seconds: 0, most: 256 },
  concurrency: 64,
  lookup: createHostLookup(),
});
const held = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().rss;
};
const before = held();
await agent.start(new AbortController().signal);
// Joins the polls with which the agent starts; the sweeps after it are measured.
await agent.peers.poll();
const results: { seconds: number; cpuSeconds: number }[] = [];
for (let sweep = 0; sweep < sweeps; sweep += 1) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const outcomes = await agent.peers.poll();
  const { user, system } = process.cpuUsage(cpu);
  const bad = outcomes.find(({ outcome }) => outcome.kind !== 'unchanged');
  if (bad || outcomes.length !== documents.length) {
    throw new Error(`a poll of the sweep did not end well: ${JSON.stringify(bad ?? outcomes.length)}`);
  }
  results.push({ seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 });
}
const bytesPerPeer = (held() - before) / documents.length;
console.log(JSON.stringify({ sweeps: results, bytesPerPeer }));
await agent.stop();
await store.close();
