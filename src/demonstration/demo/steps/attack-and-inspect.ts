import { readFileSync, writeFileSync } from 'node:fs';
import { installation } from '../../../platform/index.ts';
import { importedModules } from '../imported-modules.ts';
import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { leafFingerprint, probeTls } from '../tls-probe.ts';
import { check } from '../until.ts';

/**
 * Step 4: an SVID that names mesh A, signed by mesh B's trusted root, is refused; its genuine twin
 * is not.
 */
export function refuseForgedPeer(meshes: Meshes): Step {
  const { ports } = meshes.layout;
  return {
    title: `A forged peer: ${names.backendId}, signed by the wrong (trusted!) root`,
    async run(story) {
      const through = { port: ports.istioGateway, serverName: names.infoServerName };
      const genuine = await meshes.control.istio.forge(names.backendId);
      const accepted = await probeTls({ ...through, identity: genuine });
      check(
        accepted.firstLine?.includes('200') === true,
        `the genuine twin is accepted; it got ${accepted.firstLine ?? 'nothing'}`,
      );
      story.saw(`signed by ${names.istio}'s own CA it is accepted: ${accepted.firstLine ?? ''}`);

      const forged = await meshes.control.consul.forge(names.backendId);
      const refused = await probeTls({ ...through, identity: forged });
      check(
        refused.firstLine === undefined,
        `the forged one gets no byte of an answer; it got ${refused.firstLine ?? ''}`,
      );
      story.saw(`signed by ${names.consul}'s CA it is refused before the first byte of an answer`);
      const { exitCode, stdout } = await verifyPem(meshes, forged.certificateChainPem);
      check(exitCode === 1, '"federate verify" refuses the forged chain');
      story.saw(`federate verify explains it: ${stdout.trim()}`);
      story.note('verify', stdout.trim());

      const server = await meshes.control.istio.forge(names.infoId);
      const other = await verifyPem(meshes, server.certificateChainPem);
      check(other.exitCode === 1, `an SVID of ${names.consul} signed by ${names.istio}'s CA is refused too`);
      story.saw(`and the other way round: ${names.infoId} signed by ${names.istio}'s CA is refused`);
    },
  };
}

async function verifyPem(meshes: Meshes, pem: string): ReturnType<Meshes['verb']> {
  const file = meshes.layout.istio('shown.pem');
  writeFileSync(file, pem);
  return meshes.verb('istio', ['verify', file, '--peer-role', 'client']);
}

/** Step 5: the certificate that the caller sees is info's own, and the gateways hold no key. */
export function gatewayPassesThrough(meshes: Meshes): Step {
  const { layout } = meshes;
  return {
    title: 'The gateways pass TLS through: they read the server name and decrypt nothing',
    async run(story) {
      const identity = await meshes.control.istio.forge(names.backendId);
      const seen = await probeTls({
        port: layout.ports.istioGateway,
        serverName: names.infoServerName,
        identity,
      });
      const direct = await probeTls({
        port: layout.ports.infoIn,
        serverName: names.infoServerName,
        identity,
      });
      const status = await meshes.status('consul');
      const info = status.workloads.find((workload) => workload.spiffeId === names.infoId)?.svid;
      check(info !== undefined, 'info has an SVID');
      check(
        seen.serverFingerprint === info.fingerprint,
        "the certificate seen through two gateways is info's own SVID",
      );
      check(direct.serverFingerprint === info.fingerprint, 'and the one seen without a gateway is the same');
      story.saw(
        `certificate seen through both gateways: ${info.fingerprint.slice(0, 32)}… = info's own SVID (${seen.protocol ?? ''})`,
      );
      check(
        leafFingerprint(identity.certificateChainPem) !== info.fingerprint,
        'the caller shows another certificate',
      );

      for (const mesh of ['istio', 'consul'] as const) {
        const config = readFileSync(layout[mesh]('gateway.yaml'), 'utf8');
        check(!/key|cert|sds/i.test(config), `the ${mesh} gateway is configured with no key`);
      }
      story.saw('the config of both gateways names no certificate, no key and no SDS socket');
      const imported = importedModules(installation.gateway);
      check(imported.has('net') && !imported.has('tls'), 'no file of the gateway imports node:tls');
      story.saw('and its code cannot: no file that it loads imports node:tls');

      const unknown = await probeTls({
        port: layout.ports.istioGateway,
        serverName: 'elsewhere.example',
        timeoutMs: 3000,
      }).then(
        () => 'connected',
        (error: Error) => error.message,
      );
      check(unknown !== 'connected', 'a server name without a route is not connected anywhere');
      story.saw(`no open proxy: the server name elsewhere.example gets ${alertIn(unknown)}`);
      story.note('server_certificate', info.fingerprint);
    },
  };
}

/** OpenSSL's text for an alert, without its file names and line numbers. */
function alertIn(message: string): string {
  const alert = /SSL alert number (\d+)/.exec(message)?.[1];
  return alert === '112' ? 'the TLS alert unrecognized_name' : message.trim();
}
