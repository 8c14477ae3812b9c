import { writeFileSync } from 'node:fs';
import type { StatusDocument } from '../../src/admin-client/index.ts';
import { runVerb } from '../../src/demonstration/demo/child-process.ts';
import { createLayout, type Layout, names } from '../../src/demonstration/demo/layout.ts';
import { type MeshName, Meshes, type StandIns } from '../../src/demonstration/demo/meshes.ts';
import { probeTls } from '../../src/demonstration/demo/tls-probe.ts';
import { silentWaits } from '../../src/demonstration/demo/until.ts';
import { Traffic } from '../../src/demonstration/demo/traffic.ts';
import { systemClock } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { check, until } from './until.ts';

/** The processes that Envoy takes the place of, and which SDS secret their trust is; gateways have none. */
const PLACES = [
  ['istio', 'backend-sidecar', 'trust'],
  ['consul', 'info-sidecar', 'trust'],
  ['istio', 'gateway', 'none'],
  ['consul', 'gateway', 'none'],
] as const;

/** An Envoy for each of these places, set up by `federate export-config` as an operator would. */
async function envoys(binary: string, layout: Layout): Promise<StandIns> {
  const standIns = new Map<string, [string, ...string[]]>();
  for (const [mesh, name, kind] of PLACES) {
    const words = ['export-config', '--for', 'envoy', '--config', layout[mesh](`${name}.yaml`)];
    const from = kind === 'trust' ? ['--trust-socket', layout[mesh]('workload.sock'), '--trust', 'ALL'] : [];
    const { exitCode, stdout, stderr } = await runVerb([...words, ...from]);
    check(exitCode === 0, `"federate ${words.join(' ')}" succeeds; its output: ${stderr}`);
    const file = layout[mesh](`${name}.envoy.json`);
    writeFileSync(file, stdout);
    const quiet = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
    standIns.set(`${mesh}/${name}`, [binary, '-c', file, ...quiet]);
  }
  return standIns;
}

/** Whether a new connection through both gateways gets info's answer with that identity. */
async function answered(
  meshes: Meshes,
  identity: Parameters<typeof probeTls>[0]['identity'],
): Promise<boolean> {
  try {
    const { istioGateway: port } = meshes.layout.ports;
    const seen = await probeTls({ port, serverName: names.infoServerName, ...(identity && { identity }) });
    return seen.firstLine?.includes('200') === true;
  } catch {
    return false;
  }
}

/** Waits until the agent of a mesh holds that many roots of the other, and every proxy on its socket has acknowledged them. */
async function proxiesHold(meshes: Meshes, mesh: MeshName, peer: string, roots: number): Promise<void> {
  await until(`the Envoys of ${mesh} hold ${roots} roots of ${peer}`, async () => {
    const { document } = (await meshes.ask(mesh, ['bundle', 'show', peer])) as { readonly document: string };
    const { keys } = JSON.parse(document) as { readonly keys: readonly { readonly use: string }[] };
    const { workload_api: served } = (await meshes.ask(mesh, ['status'])) as StatusDocument;
    return (
      keys.filter(({ use }) => use === 'x509-svid').length === roots &&
      served !== null &&
      served.secrets > 0 &&
      served.secrets_current === served.secrets
    );
  });
}

/** The demonstration with Envoy as both sidecars of the call between the meshes, and as both gateways. */
export async function demoWithEnvoy(binary: string): Promise<void> {
  using folder = tempDir();
  const layout = await createLayout(folder.path, { ways: 'static' });
  const meshes = new Meshes(layout, silentWaits(systemClock), await envoys(binary, layout));
  try {
    await meshes.start();
    check((await meshes.call()).remark === undefined, 'nothing comes of a call before the meshes federate');
    for (const [mesh, other] of [
      ['istio', 'consul'],
      ['consul', 'istio'],
    ] as const)
      await meshes.add(mesh, ['--pin', await meshes.pinOf(other)]);
    await until('the call between the meshes succeeds', async () => (await meshes.call()).remark);
    const genuine = await meshes.control.istio.forge(names.backendId);
    check(await answered(meshes, genuine), 'a genuine caller is let in');
    check(!(await answered(meshes, undefined)), 'one without a certificate is not');
    const forged = await meshes.control.consul.forge(names.backendId);
    check(!(await answered(meshes, forged)), 'a cross-domain forgery is refused');

    await rotate(meshes);

    await meshes.ask('consul', ['remove', names.istio]);
    await until('the removed peer is refused', async () => !(await answered(meshes, genuine)));
  } finally {
    await meshes.stop();
  }
}

/** The Consul-flavoured mesh rotates its root while calls go on, over kept connections and with a handshake each. */
async function rotate(meshes: Meshes): Promise<void> {
  const { consul } = meshes.control;
  const traffic = await Traffic.start(meshes, systemClock);
  try {
    await traffic.more(10);
    await consul.rotate('publish');
    await proxiesHold(meshes, 'istio', names.consul, 2);
    await consul.rotate('activate');
    await until('every workload has an SVID under the new root', async () => {
      const { workloads } = await meshes.status('consul');
      return workloads.every(({ svid, sds }) => svid?.rootNumber === 2 && sds.every((each) => each.inEffect));
    });
    await traffic.more(20);
    await consul.rotate('retire');
    await proxiesHold(meshes, 'istio', names.consul, 1);
    await traffic.more(20);
  } finally {
    const { calls, handshakes, failed, failures } = await traffic.stop();
    check(failed === 0, `all ${calls + handshakes} calls succeed; ${failed} failed: ${failures.join('; ')}`);
  }
}
