import { trustManagerChecks } from '../kubernetes/trust-manager-checks.ts';
import { apiServerBeside } from '../kubernetes/executables.ts';
import type { InteropProgram } from '../support/program.ts';

/** trust-manager, which merges what the Linkerd adapter writes into the anchors that Linkerd's proxies get. */
export const trustManager: InteropProgram = {
  name: 'trust-manager',
  variable: 'FEDERATE_TRUST_MANAGER',
  command: 'trust-manager',
  // It does not tell.
  version: () => 'unknown',
  install:
    'the trust-manager of a cert-manager release, its bundles.yaml beside it, with kube-apiserver and etcd',
  prepare: (found) => (apiServerBeside() === undefined ? undefined : found),
  checks: trustManagerChecks,
};
