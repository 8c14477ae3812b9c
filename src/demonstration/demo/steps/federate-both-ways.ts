import { writeFileSync } from 'node:fs';
import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { probeTls } from '../tls-probe.ts';
import { check, until, type Waits } from '../until.ts';

/** Step 1: both meshes up. The call has nowhere to go, and info would not take it either. */
export function refusedBefore(meshes: Meshes): Step {
  return {
    title: 'Two meshes, each with its own root CA and without trust in the other',
    async run(story) {
      await meshes.start((text) => story.did(text));
      const [istio, consul] = await Promise.all([meshes.status('istio'), meshes.status('consul')]);
      story.did(
        `${meshes.processCount} processes run on loopback; their logs are in ${meshes.layout.folder}`,
      );
      story.did(
        `Istio-flavoured mesh ${istio.trustDomain}, root ${istio.roots[0]?.fingerprint.slice(0, 16) ?? ''}`,
      );
      story.did(
        `Consul-flavoured mesh ${consul.trustDomain}, root ${consul.roots[0]?.fingerprint.slice(0, 16) ?? ''}`,
      );
      check(
        istio.roots[0]?.fingerprint !== consul.roots[0]?.fingerprint,
        'the two meshes have different roots',
      );
      const { missing } = await meshes.call();
      check(missing?.code === 'service-unknown', 'backend cannot call info before it is imported');
      story.saw(`backend calls info and is refused: ${missing.message} [${missing.code}]`);
      const identity = await meshes.control.istio.forge(names.backendId);
      const around = await probeTls({ ...atInfo(meshes), identity });
      check(around.firstLine === undefined, 'info refuses an identity of a mesh that it does not trust');
      story.saw("backend's identity, shown straight to info's sidecar: refused before the first byte");
      story.note('refusal', missing);
    },
  };
}

/** Step 2: `federate add` in both directions. Trust alone is not a call. */
export function federateBothWays(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  const { layout } = meshes;
  return {
    title: 'federate add, once on each side: by a pin here, by a bundle file there',
    async run(story) {
      const pin = await meshes.pinOf('consul');
      const start = clock.monotonicMs();
      await meshes.add('istio', ['--pin', pin]);
      story.did(
        `istio: federate add --peer https://127.0.0.1:${layout.ports.consulEndpoint}/ … --pin ${pin.slice(0, 23)}…`,
      );

      const identity = await meshes.control.istio.forge(names.backendId);
      const oneWay = await probeTls({ ...atInfo(meshes), identity });
      check(oneWay.firstLine === undefined, 'one direction alone is not enough for mutual TLS');
      story.saw("one direction is not enough: info's sidecar still refuses backend's identity");

      const { stdout: document } = await meshes.verb('istio', ['bundle', 'show', '--document']);
      const file = layout.consul('istio-bundle.json');
      writeFileSync(file, document);
      const added = clock.monotonicMs();
      await meshes.add('consul', ['--bundle', file]);
      story.did(
        `consul: federate add --peer https://127.0.0.1:${layout.ports.istioEndpoint}/ … --bundle istio-bundle.json`,
      );

      const { found: firstLine } = await until(waits, "info's sidecar accepts the identity", async () => {
        const { firstLine: line } = await probeTls({ ...atInfo(meshes), identity });
        return line;
      });
      const ms = Math.round(clock.monotonicMs() - added);
      check(firstLine.includes('403'), `no rule lets backend in yet; info answered ${firstLine}`);
      story.saw(`${ms} ms after the second add was typed the TLS handshake succeeds: both meshes trust`);
      story.saw(`trust alone is not a call: shown straight to info's sidecar, it gets "${firstLine}"`);
      const { missing } = await meshes.call();
      check(missing?.code === 'service-unknown', 'trust alone gives the mesh no service to call');
      story.saw(`and backend's own call is refused as before: ${missing.message} [${missing.code}]`);
      story.note('refusal', missing);
      story.note('trusted_after_ms', Math.round(clock.monotonicMs() - start));
    },
  };
}

/** Info's sidecar, without a gateway in between. */
function atInfo({ layout }: Meshes) {
  return { port: layout.ports.infoIn, serverName: names.infoServerName };
}
