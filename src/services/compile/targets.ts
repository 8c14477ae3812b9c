import type { Compile } from './compilation.ts';
import { compileForConsul } from './consul.ts';
import { compileForEnvoy } from './envoy.ts';
import { compileForIstio } from './istio.ts';
import { compileForKubernetes } from './kubernetes.ts';
import { compileForKuma } from './kuma.ts';
import { compileForLinkerd } from './linkerd.ts';
import { compileForOpa } from './opa.ts';

export type Target = 'istio' | 'consul' | 'kuma' | 'linkerd' | 'envoy' | 'kubernetes' | 'opa';

/** What can enforce a policy, each with the one that writes it. */
export const compilers: Readonly<Record<Target, Compile>> = {
  istio: compileForIstio,
  consul: compileForConsul,
  kuma: compileForKuma,
  linkerd: compileForLinkerd,
  envoy: compileForEnvoy,
  kubernetes: compileForKubernetes,
  opa: compileForOpa,
};
