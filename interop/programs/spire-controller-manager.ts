import { existsSync } from 'node:fs';
import { apiServerBeside } from '../kubernetes/executables.ts';
import {
  definitionBeside,
  spireControllerManagerChecks,
} from '../kubernetes/spire-controller-manager-checks.ts';
import { findExecutable, type InteropProgram } from '../support/program.ts';

const findSpireServer = () => findExecutable({ variable: 'FEDERATE_SPIRE_SERVER', command: 'spire-server' });

/** SPIRE's controller manager, which makes federation relationships of what `federate export-config` renders. */
export const spireControllerManager: InteropProgram = {
  name: 'spire-controller-manager',
  variable: 'FEDERATE_SPIRE_CONTROLLER_MANAGER',
  command: 'spire-controller-manager',
  // It does not tell.
  version: () => 'unknown',
  install:
    'a build of spire-controller-manager, its spire.spiffe.io_clusterfederatedtrustdomains.yaml beside it, with spire-server, kube-apiserver and etcd',
  prepare: (found) =>
    existsSync(definitionBeside(found)) && apiServerBeside() !== undefined && findSpireServer() !== undefined
      ? found
      : undefined,
  checks: spireControllerManagerChecks(findSpireServer),
};
