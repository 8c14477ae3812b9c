import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  FederationAgent,
} from '../src/federation/index.ts';
import { createMetrics, silentLog, systemClock, systemRandom } from '../src/platform/index.ts';
import { defaultBundleLimits, parseBundle, parseSpiffeId, parseTrustDomain } from '../src/spiffe/index.ts';
import { createMemoryStore } from '../src/store/index.ts';
import { type BenchFiles, writeBenchFiles } from './support/certificates.ts';
import { firstLine, startChild } from './support/child.ts';
import type { Bench } from './support/measure.ts';

/** Every one of 10,000 peers polled once: a new TLS connection each, fully verified, nothing changed. */
export const sweep: Bench = {
  name: 'sweep',
  async run({ quick }) {
    const peers = quick ? 2000 : 10_000;
    const folder = mkdtempSync(join(tmpdir(), 'federate-bench-'));
    const stop = new AbortController();
    try {
      const files = await writeBenchFiles(folder);
      const server = new URL('./programs/spiffe-endpoint-server.ts', import.meta.url).pathname;
      await using endpoint = startChild(process.execPath, [server, JSON.stringify(files)]);
      const { port } = await firstLine<{ port: number }>(endpoint);
      globalThis.gc?.();
      const before = process.memoryUsage.rss();
      const agent = await agentWith(files, peers, port);
      await agent.start(stop.signal);
      // Everybody is asked at the start as well; this joins those polls, and the one after it is the sweep that counts.
      await agent.refresh();
      const perPeer = (process.memoryUsage.rss() - before) / peers / 1024;
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      const results = await agent.refresh();
      const seconds = (performance.now() - start) / 1000;
      const used = process.cpuUsage(cpu);
      const cpuSeconds = (used.user + used.system) / 1e6;
      const good = results.filter(({ outcome }) => outcome.kind === 'unchanged').length;
      if (good !== results.length)
        throw new Error(`${results.length - good} of ${results.length} polls failed`);
      const scaled = (cpuSeconds / results.length) * 10_000;
      return [
        {
          what: `sweep over ${results.length} peers, verified`,
          value: `${scaled.toFixed(1)} s of one core`,
          target: '≤ 10 s',
          reached: scaled <= 10,
          note: `for 10,000 peers; ${seconds.toFixed(1)} s went by, with the endpoint on the other core`,
        },
        {
          what: 'memory per peer',
          value: `${perPeer.toFixed(0)} KB`,
          target: '≤ 60 KB',
          reached: perPeer <= 60,
          note: 'growth of the process over the first sweep, garbage included',
        },
      ];
    } finally {
      stop.abort();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function agentWith(files: BenchFiles, peers: number, port: number): Promise<FederationAgent> {
  const store = createMemoryStore();
  const at = systemClock.now();
  const document = readFileSync(files.bundle);
  const endpointId = parseSpiffeId('spiffe://a.example/server');
  for (let index = -1; index < peers; index += 1) {
    const trustDomain = parseTrustDomain(index === -1 ? 'a.example' : `peer-${index}.example`);
    const { bundle } = parseBundle(trustDomain, document);
    await store.addRelationship(
      {
        trustDomain,
        endpointUrl: `https://127.0.0.1:${port}/`,
        profile: { kind: 'https_spiffe', endpointId },
        state: 'active',
        consecutiveFailures: 0,
        createdAt: at,
        bootstrap: { kind: 'bundle-file', detail: 'bench' },
      },
      { bundle, receivedAt: at, verdict: 'bootstrap', origin: 'bench' },
      { at, kind: 'relationship-added', trustDomain, actor: 'bench', message: 'bench' },
    );
  }
  return new FederationAgent({
    store,
    own: () => undefined,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
    fetchLimits: {
      ...defaultFetchLimits,
      totalMs: 60_000,
      tlsMs: 60_000,
      connectMs: 60_000,
      firstByteMs: 60_000,
    },
    bundleLimits: defaultBundleLimits,
    redirects: defaultRedirectSettings,
    schedule: { ...defaultScheduleSettings, floorMs: 3_600_000 },
    concurrency: 64,
  });
}
