import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { probeTls } from '../tls-probe.ts';
import { check, until, type Waits } from '../until.ts';

/** Step 3: export, access rule and import; the call that was refused succeeds. */
export function openServices(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  return {
    title: 'service export, access allow, service import: from trust to a call',
    async run(story) {
      await meshes.ask('consul', ['service', 'export', 'info', '--to', names.istio]);
      story.did(`consul: federate service export info --to ${names.istio}`);
      const rule = [
        '--service',
        'info',
        '--from',
        names.backendId,
        '--methods',
        'GET',
        '--paths',
        '/remarks',
      ];
      await meshes.ask('consul', ['access', 'allow', ...rule]);
      story.did(
        `consul: federate access allow --service info --from ${names.backendId} --methods GET --paths /remarks`,
      );
      const { found: offer } = await until(waits, 'the service is offered', async () => {
        const { exitCode, stdout } = await meshes.verb('istio', ['service', 'offers', names.consul]);
        return exitCode === 0 && stdout.includes('/svc/info') ? stdout : undefined;
      });
      story.saw('istio: federate service offers');
      for (const line of offer.trimEnd().split('\n').slice(1)) story.did(line.trim());

      const start = clock.monotonicMs();
      await meshes.ask('istio', ['service', 'import', 'info', '--from', names.consul, '--as', 'consul']);
      story.did(`istio: federate service import info --from ${names.consul.slice(0, 8)}… --as consul`);
      const { found: remark } = await until(
        waits,
        'the call succeeds',
        async () => (await meshes.call()).remark,
      );
      const ms = Math.round(clock.monotonicMs() - start);
      check(
        remark.caller === names.backendId,
        `info was called by ${names.backendId}; it reports ${remark.caller}`,
      );
      story.saw(`the same call succeeds ${ms} ms after the import was typed: "${remark.text}"`);
      story.saw(`info knows the caller: ${remark.caller}`);
      story.note('caller', remark.caller);
      story.note('working_after_ms', ms);

      const through = { port: meshes.layout.ports.istioGateway, serverName: names.infoServerName };
      const backend = await meshes.control.istio.forge(names.backendId);
      const frontend = await meshes.control.istio.forge(names.frontendId);
      for (const [what, refused] of [
        ['another caller of the same mesh', { ...through, identity: frontend }],
        ['another path', { ...through, identity: backend, path: '/healthz' }],
        ['the same path in another writing', { ...through, identity: backend, path: '/x/../remarks' }],
        ['another method', { ...through, identity: backend, method: 'POST' }],
      ] as const) {
        const { firstLine } = await probeTls(refused);
        check(firstLine?.includes('403') === true, `${what} is refused; it got ${firstLine ?? 'nothing'}`);
        story.saw(`${what} gets ${firstLine}`);
      }
    },
  };
}
