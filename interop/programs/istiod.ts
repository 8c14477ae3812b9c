import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';

/** istiod beside a real API server: what our adapter writes is accepted by it and pushed to its proxies. */
export const istiod: InteropProgram = {
  name: 'istiod',
  variable: 'FEDERATE_PILOT_DISCOVERY',
  command: 'pilot-discovery',
  version: (executable) => firstLineOf(executable, ['version'], /Version:"([^"]+)"/),
  install: 'the pilot-discovery of an Istio release, with kube-apiserver and etcd',
  suite: {
    file: 'test/interop/istio.test.ts',
    env: (executable) => {
      const server = findExecutable({ variable: 'FEDERATE_KUBE_APISERVER', command: 'kube-apiserver' });
      const etcd = findExecutable({ variable: 'FEDERATE_ETCD', command: 'etcd' });
      if (server === undefined || etcd === undefined) return undefined;
      return { FEDERATE_PILOT_DISCOVERY: executable, FEDERATE_KUBE_APISERVER: server, FEDERATE_ETCD: etcd };
    },
  },
};
