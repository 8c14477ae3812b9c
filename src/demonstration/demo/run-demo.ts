import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemLoad } from '../../platform/index.ts';
import { createLayout, names } from './layout.ts';
import { Meshes } from './meshes.ts';
import { gatewayPassesThrough, refuseForgedPeer } from './steps/attack-and-inspect.ts';
import { federateBothWays, refusedBefore } from './steps/federate-both-ways.ts';
import { surviveIncidents } from './steps/incidents.ts';
import { openServices } from './steps/open-services.ts';
import { removePeer } from './steps/remove.ts';
import { rotateUnderTraffic } from './steps/rotate.ts';
import { withdrawService } from './steps/withdraw.ts';
import { type StepRecord, runStory } from './story.ts';
import type { Waits } from './until.ts';

export interface DemoOptions {
  /** Stop after the third step, leave the meshes running, and end with SIGINT or SIGTERM. */
  readonly keep: boolean;
  readonly output: {
    /** A line of the story. */
    line(text: string): void;
    record(record: StepRecord): void;
    /** Prints what a person must know in every output format. */
    notice(text: string): void;
    /** Prints why nothing happens for a while. */
    progress(text: string): void;
  };
}

/**
 * Runs the whole story with real processes over real TLS on loopback. Returns whether every step
 * held.
 */
export async function runDemo({ keep, output }: DemoOptions): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'federate-demo-'));
  const waits: Waits = {
    clock: systemClock,
    load: systemLoad,
    report: (text) => output.progress(`   … ${text}`),
  };
  const meshes = new Meshes(await createLayout(folder), waits);
  // Also when the reader of the output closes it, as `| head` does.
  process.once('exit', () => meshes.end());
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
  });
  const opening = [refusedBefore(meshes), federateBothWays(meshes, waits), openServices(meshes, waits)];
  const rest = [
    refuseForgedPeer(meshes),
    gatewayPassesThrough(meshes),
    rotateUnderTraffic(meshes, waits),
    surviveIncidents(meshes, waits),
    withdrawService(meshes, waits),
    removePeer(meshes, waits),
  ];
  const start = systemClock.monotonicMs();
  try {
    const outcome = await Promise.race([
      interrupted,
      runStory(keep ? opening : [...opening, ...rest], systemClock, output),
    ]);
    if (outcome === 'interrupted') {
      output.notice('Interrupted.');
      await meshes.stop();
      rmSync(folder, { recursive: true, force: true });
      // The story may still wait for something that cannot happen now, and would keep the process
      // for minutes.
      process.exit(1);
    }
    if (outcome !== undefined) {
      output.notice(`\nThe demonstration failed; what each process logged is in ${folder}`);
      return false;
    }
    if (keep) {
      output.notice(howToUse(meshes));
      await interrupted;
    } else {
      output.line(`\nAll nine steps held, in ${Math.round((systemClock.monotonicMs() - start) / 1000)} s.`);
    }
    await meshes.stop();
    rmSync(folder, { recursive: true, force: true });
    return true;
  } finally {
    await meshes.stop();
  }
}

function howToUse({ layout }: Meshes): string {
  const { ports } = layout;
  return `
The meshes are running; Ctrl-C ends them.

  The page                http://127.0.0.1:${ports.frontend}/
  Istio agent             npx federate list --socket ${layout.istio('admin.sock')}
  What is offered         npx federate service offers --socket ${layout.istio('admin.sock')}
  Who uses what           npx federate service list --socket ${layout.consul('admin.sock')}
  Consul agent            npx federate status --socket ${layout.consul('admin.sock')}
  Rotate a root           npx federate simulate rotate publish --control ${layout.consul('control.sock')}
  The history             sqlite3 ${layout.istio('federate.db')} 'select * from bundle_rotation'
  A bundle                curl -k https://127.0.0.1:${ports.consulEndpoint}/
  Info through gateways   openssl s_client -connect 127.0.0.1:${ports.istioGateway} \\
                            -servername ${names.infoServerName}
  End the trust           npx federate remove ${names.consul} --socket ${layout.istio('admin.sock')}`;
}
