import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { openTls } from '../tls-probe.ts';
import { until, type Waits } from '../until.ts';

/** Step 8: a withdrawn service is gone at both sides, and comes back with an export. */
export function withdrawService(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  return {
    title: 'service withdraw: drained, then gone at both sides; a new export brings it back',
    async run(story) {
      const start = clock.monotonicMs();
      await meshes.ask('consul', ['service', 'withdraw', 'info', '--to', names.istio]);
      story.did(`consul: federate service withdraw info --to ${names.istio}`);
      const { found: missing } = await until(waits, 'the service is gone', async () => {
        const { missing: reason } = await meshes.call();
        return reason?.code === 'service-unknown' ? reason : undefined;
      });
      const ms = Math.round(clock.monotonicMs() - start);
      story.saw(`${ms} ms later the call is refused: ${missing.message} [${missing.code}]`);
      story.note('gone_after_ms', ms);
      await until(waits, 'no gateway has a route any more', async () =>
        (await isRouted(meshes, 'consulGateway')) || (await isRouted(meshes, 'istioGateway'))
          ? undefined
          : true,
      );
      story.saw('both gateways refuse its server name: what is not exported is not reachable');

      await meshes.ask('consul', ['service', 'export', 'info', '--to', names.istio]);
      story.did(`consul: federate service export info --to ${names.istio}`);
      await until(waits, 'the call succeeds again', async () => (await meshes.call()).remark);
      story.saw('the import that was kept serves again, and so does the rule');
    },
  };
}

/** Whether a gateway passes on TLS for info. */
async function isRouted(meshes: Meshes, gateway: 'istioGateway' | 'consulGateway'): Promise<boolean> {
  const port = meshes.layout.ports[gateway];
  const opened = openTls({ port, serverName: names.infoServerName, timeoutMs: 3000 });
  return await opened.then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );
}
