import { systemRandom } from '../../../src/platform/index.ts';
import type { SimulatedConsulOptions } from '../../../src/demonstration/simulated-mesh/index.ts';
import { SimulatedConsul, SimulatedIstio } from '../../../src/demonstration/simulated-mesh/index.ts';
import type { SimulatedIstioOptions } from '../../../src/demonstration/simulated-mesh/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { createRecordingLog } from '../../../testkit/recording-log.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

/**
 * The instant of everything that OpenSSL does not judge, because OpenSSL uses the system's time.
 */
export const NOW = new Date('2026-03-01T12:00:00Z');
export const CLUSTER_ID = '11111111-2222-3333-4444-555555555555';
const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** A started Istio with one workload `web` in a folder of its own; the caller stops it. */
export async function startIstio(folder: string, more: Partial<SimulatedIstioOptions> = {}) {
  const clock = new TestClock(new Date());
  const log = createRecordingLog();
  const options: SimulatedIstioOptions = {
    folder: `${folder}/istio`,
    trustDomain: parseTrustDomain('istio.example'),
    kubernetes: LOOPBACK,
    kubeconfigFile: `${folder}/agent.kubeconfig`,
    adminKubeconfigFile: `${folder}/admin.kubeconfig`,
    workloads: [{ name: 'web', namespace: 'shop', account: 'web', sdsSocket: `${folder}/sds/web.sock` }],
    controlSocket: `${folder}/istio-control.sock`,
    clock,
    random: systemRandom,
    log,
    ...more,
  };
  const mesh = new SimulatedIstio(options);
  await mesh.start();
  return { mesh, clock, log, options };
}

/** A started Consul with one workload `info` in a folder of its own; the caller stops it. */
export async function startConsul(folder: string, more: Partial<SimulatedConsulOptions> = {}) {
  const clock = new TestClock(new Date());
  const log = createRecordingLog();
  const options: SimulatedConsulOptions = {
    folder: `${folder}/consul`,
    uuid: CLUSTER_ID,
    http: LOOPBACK,
    peering: LOOPBACK,
    workloads: [{ name: 'info', service: 'info', sdsSocket: `${folder}/sds/info.sock` }],
    controlSocket: `${folder}/consul-control.sock`,
    clock,
    random: systemRandom,
    log,
    ...more,
  };
  const mesh = new SimulatedConsul(options);
  await mesh.start();
  return { mesh, clock, log, options, url: `http://127.0.0.1:${mesh.httpAddress().port}` };
}
