import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step, StepReporter } from '../story.ts';
import { endTraffic, Traffic } from '../traffic.ts';
import { check, until, type Waits } from '../until.ts';

/** Step 6: publish, activate, retire, while calls go on all the time. */
export function rotateUnderTraffic(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  return {
    title: `${names.consul.slice(0, 8)}….consul rotates its root while calls go on all the time`,
    async run(story) {
      const before = rootsOf(await meshes.status('consul'));
      const traffic = await Traffic.start(meshes, clock);
      try {
        await meshes.control.consul.rotate('publish');
        const published = rootsOf(await meshes.status('consul'));
        const added = published.find((root) => !before.includes(root));
        check(added !== undefined, 'publishing adds a root');
        const { ms: reached } = await until(waits, 'the new root is in effect in the other mesh', () =>
          inEffect(meshes, published.length),
        );
        story.did(`published the new root ${added.slice(0, 16)}; the old one still signs`);
        story.saw(`${reached} ms later every proxy of ${names.istio} has acknowledged it`);
        await passGate(meshes, story, 'use');

        await meshes.control.consul.rotate('activate');
        const { found: number } = await until(waits, 'info has an SVID under the new root', async () => {
          const { workloads } = await meshes.status('consul');
          const info = workloads.find((workload) => workload.spiffeId === names.infoId);
          const settled = workloads.every((workload) => workload.sds.every((secret) => secret.inEffect));
          return info?.svid && info.svid.rootNumber > 1 && settled ? info.svid.rootNumber : undefined;
        });
        story.did('activated it: every workload got a new SVID under it, without a restart');
        story.saw(`info's SVID now chains to root ${number}`);
        await traffic.more(20);

        await passGate(meshes, story, 'retire');
        await meshes.control.consul.rotate('retire');
        await until(waits, 'the other mesh no longer has the old root', () =>
          inEffect(meshes, published.length - 1),
        );
        story.did('retired the old root');
        const after = rootsOf(await meshes.status('consul'));
        check(!after.some((root) => before.includes(root)), 'the old root is no longer there');
        await traffic.more(20);
      } finally {
        await endTraffic(traffic, story);
      }
      const { stdout: history } = await meshes.verb('istio', ['bundle', 'history', names.consul]);
      const plus = history.split('\n').filter((line) => line.trim().startsWith('+')).length;
      const minus = history.split('\n').filter((line) => line.trim().startsWith('-')).length;
      check(plus >= 2 && minus >= 1, 'the history shows the added and the removed root');
      story.saw('the history lists it, version by version:');
      for (const line of history.trimEnd().split('\n')) story.did(line);
    },
  };
}

/** Waits until the agent reports that the next step is safe. */
async function passGate(meshes: Meshes, story: StepReporter, step: 'use' | 'retire'): Promise<void> {
  const args = ['rotation', 'wait', '--for', step, '--timeout', '30s'];
  const { exitCode, stdout, stderr } = await meshes.verb('consul', args);
  check(
    exitCode === 0,
    `"federate ${args.join(' ')}" reports that it is safe; its output: ${stderr || stdout}`,
  );
  story.saw(`federate rotation wait --for ${step}: ${stdout.trim().split('\n')[0] ?? ''}`);
}

function rootsOf(status: Awaited<ReturnType<Meshes['status']>>): string[] {
  return status.roots.map((root) => root.fingerprint);
}

/** Whether mesh A holds that many roots of mesh B, and every proxy of it has acknowledged them. */
async function inEffect(meshes: Meshes, roots: number): Promise<true | undefined> {
  const { foreign, workloads } = await meshes.status('istio');
  const held = foreign
    .filter((each) => each.trustDomain === names.consul)
    .flatMap((each) => each.fingerprints);
  const acknowledged = workloads.every((workload) => workload.sds.every((secret) => secret.inEffect));
  return held.length === roots && acknowledged ? true : undefined;
}
