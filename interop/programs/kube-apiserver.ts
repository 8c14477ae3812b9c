import { clusterTrustBundleChecks } from '../kubernetes/cluster-trust-bundle-checks.ts';
import { doctorChecks } from '../kubernetes/doctor-checks.ts';
import { API_SERVER, withEtcd } from '../kubernetes/executables.ts';
import { failureChecks } from '../kubernetes/failure-checks.ts';
import { istioChecks } from '../kubernetes/istio-checks.ts';
import { istioServicesChecks } from '../kubernetes/istio-services-checks.ts';
import { kumaChecks } from '../kubernetes/kuma-checks.ts';
import { linkerdChecks } from '../kubernetes/linkerd-checks.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

/** A real Kubernetes API server under every adapter that speaks to one, with the rights of the docs and no more. */
export const kubeApiserver: InteropProgram = {
  name: 'kube-apiserver',
  ...API_SERVER,
  version: (executable) => firstLineOf(executable, ['--version']),
  install: 'a Kubernetes release, and etcd (apt-get install etcd-server)',
  prepare: withEtcd,
  checks: [
    ...istioChecks,
    ...istioServicesChecks,
    ...linkerdChecks,
    ...kumaChecks,
    ...clusterTrustBundleChecks,
    ...doctorChecks,
    ...failureChecks,
  ],
};
