import { writeFileSync } from 'node:fs';
import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { check, until, type Waits } from '../until.ts';

/** Step 1: both meshes up, and the call is refused for the honest reason. */
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
      check(missing !== undefined, 'backend cannot call info before the meshes are federated');
      check(
        missing.message.includes(names.consul),
        `the reason names ${names.consul}; it was: ${missing.message}`,
      );
      story.saw(
        `backend calls info through the gateways and is refused: ${missing.message} [${missing.code}]`,
      );
      story.note('refusal', missing);
    },
  };
}

/** Step 2: `federate add` in both directions; the same call succeeds. */
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

      const { found: missing } = await until(waits, 'info refuses what it cannot verify', async () => {
        const outcome = await meshes.call();
        check(outcome.remark === undefined, 'one direction alone is not enough for mutual TLS');
        return outcome.missing?.code === 'peer-refused' ? outcome.missing : undefined;
      });
      story.saw(`one direction is not enough: ${missing.message} [${missing.code}]`);

      const { stdout: document } = await meshes.verb('istio', ['bundle', 'show', '--document']);
      const file = layout.consul('istio-bundle.json');
      writeFileSync(file, document);
      const added = clock.monotonicMs();
      await meshes.add('consul', ['--bundle', file]);
      story.did(
        `consul: federate add --peer https://127.0.0.1:${layout.ports.istioEndpoint}/ … --bundle istio-bundle.json`,
      );

      const { found: remark } = await until(
        waits,
        'the call succeeds',
        async () => (await meshes.call()).remark,
      );
      const ms = Math.round(clock.monotonicMs() - added);
      check(
        remark.caller === names.backendId,
        `info was called by ${names.backendId}; it reports ${remark.caller}`,
      );
      story.saw(
        `the same call succeeds ${ms} ms after the second add was typed; info answers: "${remark.text}"`,
      );
      story.saw(`info knows the caller: ${remark.caller}`);
      story.note('caller', remark.caller);
      story.note('working_after_ms', Math.round(clock.monotonicMs() - start));
    },
  };
}
