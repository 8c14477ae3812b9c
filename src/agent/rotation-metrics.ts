import type { Metrics } from '../platform/index.ts';
import type { Rotation } from './rotation.ts';

const STAGES = ['published', 'in-use', 'retiring'] as const;
const LEVELS = ['impossible', 'risky'] as const;

/** The numbers of the rotation of our own roots, computed on request. */
export function createRotationMetrics(metrics: Metrics, rotation: Rotation): void {
  const roots = metrics.gauge('federate_own_roots', 'Roots of our own bundle by stage', ['stage']);
  const ends = metrics.gauge(
    'federate_own_root_ends_seconds',
    'Seconds until the last of our own roots ends',
  );
  const laggards = metrics.gauge(
    'federate_rotation_laggards',
    'Peers and pollers that are not known to have a root of ours yet',
  );
  const risks = metrics.gauge('federate_rotation_risks', 'Risks for our own roots that were found', [
    'level',
  ]);
  const pollers = metrics.gauge(
    'federate_unknown_pollers',
    'Addresses that poll our bundle without saying who they are',
  );
  metrics.beforeRender(async () => {
    const [view, lagging] = await Promise.all([rotation.view(), rotation.laggards()]);
    for (const stage of STAGES)
      roots.set({ stage }, view?.roots.filter(({ life }) => life.stage === stage).length ?? 0);
    for (const level of LEVELS)
      risks.set({ level }, rotation.risks.filter((each) => each.level === level).length);
    laggards.set(lagging);
    pollers.set(view?.pollers.length ?? 0);
    const last = Math.max(...(view?.roots.map(({ authority }) => authority.notAfter.getTime()) ?? []));
    if (view && Number.isFinite(last)) ends.set((last - view.now.getTime()) / 1000);
  });
}
