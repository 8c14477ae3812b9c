import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { createLayout } from '../src/demonstration/demo/index.ts';
import { tempDir } from '../testkit/temp-dir.ts';
import { writeBenchFiles } from './support/bench-files.ts';
import { builtPackage } from './support/built-package.ts';
import { startLong } from './support/long-process.ts';
import { type Bench, type BenchRow, median } from './support/measure.ts';
import { findProgram, freePort } from './support/process.ts';
import { type ShortRun, shortRuns } from './support/short-runs.ts';
import { NO_SPIRE, startSpire } from './support/spire-server.ts';

/** How a package starts and what it holds, next to bare Node.js (`node -e 0`) in the same run. */
export const start: Bench = {
  name: 'start',
  async run({ quick }) {
    using folder = tempDir();
    const entry = builtPackage(folder.path);
    const config = await writeAgentConfig(folder);
    const list = ['list', '--socket', folder.file('admin.sock')];
    const status = ['status', '--socket', folder.file('admin.sock')];
    const rows: BenchRow[] = [];
    {
      // The first start makes the store, and does not count.
      await using agent = await startLong(entry, ['agent', '--config', config]);
      const runs = await shortRuns(quick ? 3 : 15, {
        bare: ['-e', '0'],
        version: [entry, '--version'],
        list: [entry, ...list],
        status: [entry, ...status],
      });
      const { bare, ...ours } = runs;
      rows.push(...Object.entries(ours).flatMap(([name, run]) => shortRows(name, run, bare)));
      void agent;
    }
    rows.push(await untilReadyRow(quick ? 3 : 9, entry, config));
    rows.push(...(await idleRows(quick ? 5 : 20, entry, config, folder.path)));
    rows.push(await sidecarRow(quick ? 3 : 10, entry, folder.file('meshes')));
    return rows;
  },
};

function shortRows(name: string, run: ShortRun, bare: ShortRun): BenchRow[] {
  const time = run.ms / bare.ms;
  const memory = run.peakBytes / bare.peakBytes;
  return [
    {
      what: `federate ${name}, wall time over bare Node`,
      value: `${time.toFixed(1)} ×`,
      target: '≤ 6 ×',
      reached: time <= 6,
      note: `${run.ms.toFixed(0)} ms and ${bare.ms.toFixed(0)} ms`,
    },
    {
      what: `federate ${name}, peak memory over bare Node`,
      value: `${memory.toFixed(2)} ×`,
      target: '≤ 1.6 ×',
      reached: memory <= 1.6,
      note: `${megabytes(run.peakBytes)} and ${megabytes(bare.peakBytes)}`,
    },
  ];
}

async function untilReadyRow(rounds: number, entry: string, config: string): Promise<BenchRow> {
  const seen: { readonly ready: number; readonly bare: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { bare } = await shortRuns(1, { bare: ['-e', '0'] });
    await using agent = await startLong(entry, ['agent', '--config', config]);
    seen.push({ ready: agent.readyMs, bare: bare.ms });
  }
  const ratio = median(seen.map(({ ready, bare }) => ready / bare));
  return {
    what: 'agent, from exec to ready over bare Node',
    value: `${ratio.toFixed(1)} ×`,
    target: '≤ 15 ×',
    reached: ratio <= 15,
    note: `${median(seen.map(({ ready }) => ready)).toFixed(0)} ms and ${median(seen.map(({ bare }) => bare)).toFixed(0)} ms; files mesh, existing store`,
  };
}

async function idleRows(seconds: number, entry: string, config: string, folder: string): Promise<BenchRow[]> {
  await using agent = await startLong(entry, ['agent', '--config', config]);
  const share = await agent.coreShare(seconds);
  const bytes = agent.residentBytes();
  const ours: BenchRow = {
    what: 'idle agent, resident',
    value: megabytes(bytes),
    target: '≤ 95 MB',
    reached: bytes <= 95e6,
    note: `and ${(share * 100).toFixed(1)} % of a core, ${seconds} s after it was ready`,
  };
  const what = 'the same over an idle spire-server';
  const executable = findProgram(process.env['FEDERATE_SPIRE_SERVER'] ?? 'spire-server');
  if (executable === undefined) return [ours, { what, value: 'not run', note: NO_SPIRE }];
  const spire = await startSpire(executable, folder);
  await using child = spire.child;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const ratio = bytes / child.residentBytes();
  return [
    ours,
    {
      what,
      value: `${ratio.toFixed(2)} ×`,
      target: '≤ 1.3 ×',
      reached: ratio <= 1.3,
      note: megabytes(child.residentBytes()),
    },
  ];
}

/** A sidecar that has its SVID and its trust from a simulated mesh. */
async function sidecarRow(seconds: number, entry: string, folder: string): Promise<BenchRow> {
  const { istio } = await createLayout(folder, { refreshHint: '5m' });
  await using mesh = await startLong(entry, ['simulate', 'istio', '--config', istio('control.yaml')]);
  await using sidecar = await startLong(entry, ['sidecar', '--config', istio('backend-sidecar.yaml')]);
  const share = await sidecar.coreShare(seconds);
  const bytes = sidecar.residentBytes();
  return {
    what: 'idle sidecar, resident',
    value: megabytes(bytes),
    target: '≤ 80 MB',
    reached: bytes <= 80e6,
    note: `and ${(share * 100).toFixed(1)} % of a core; its simulated mesh ${megabytes(mesh.residentBytes())}`,
  };
}

async function writeAgentConfig(folder: ReturnType<typeof tempDir>): Promise<string> {
  const { certificate, key, ca } = await writeBenchFiles(folder.path);
  const listen = `127.0.0.1:${await freePort()}`;
  const config = folder.file('agent.yaml');
  writeFileSync(
    config,
    stringify({
      trust_domain: 'a.example',
      store: 'federate.db',
      admin_socket: 'admin.sock',
      endpoint: {
        profile: 'https_spiffe',
        listen,
        url: `https://${listen}/`,
        svid: { certificate_file: certificate, key_file: key },
      },
      mesh: { kind: 'files', own_pem_files: [ca], foreign_folder: 'foreign' },
    }),
  );
  return config;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
