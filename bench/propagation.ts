import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createLayout, Meshes, names } from '../src/demo/index.ts';
import { systemClock } from '../src/platform/index.ts';
import { type Bench, median } from './support/measure.ts';

/** From a root added in mesh B until every proxy of mesh A has acknowledged it: the whole way through both agents, for real. */
export const propagation: Bench = {
  name: 'propagation',
  async run({ quick }) {
    const folder = mkdtempSync(`${tmpdir()}/federate-bench-`);
    const meshes = new Meshes(await createLayout(folder), systemClock);
    try {
      await meshes.start();
      await meshes.add('istio', ['--pin', await meshes.pinOf('consul')]);
      await arrived(meshes, 1);
      const times: number[] = [];
      for (let rotation = 0; rotation < (quick ? 2 : 10); rotation += 1) {
        const start = performance.now();
        await meshes.control.consul.rotate('publish');
        await arrived(meshes, 2);
        times.push(performance.now() - start);
        await meshes.control.consul.rotate('activate');
        await meshes.control.consul.rotate('retire');
        await arrived(meshes, 1);
      }
      return [
        {
          what: 'root added in B until in effect in A, median',
          value: `${median(times).toFixed(0)} ms`,
          note: `worst of ${times.length}: ${Math.max(...times).toFixed(0)} ms; the agents poll every second here, which is most of it`,
        },
      ];
    } finally {
      await meshes.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Resolves once mesh A holds that many roots of mesh B and all its proxies have acknowledged them. */
async function arrived(meshes: Meshes, roots: number): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt += 1) {
    const { foreign, workloads } = await meshes.control.istio.status();
    const held = foreign
      .filter((each) => each.trustDomain === names.consul)
      .flatMap((each) => each.fingerprints);
    if (held.length === roots && workloads.every((each) => each.sds.every((secret) => secret.inEffect)))
      return;
    await systemClock.sleep(5);
  }
  throw new Error(`mesh A did not come to hold ${roots} roots of mesh B`);
}
