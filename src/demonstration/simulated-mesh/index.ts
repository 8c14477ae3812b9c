/**
 * Istio- and Consul-flavoured control planes with real CAs, behind the products' own interfaces.
 */
export { type ControlClient, createControlClient } from './control-client.ts';
export {
  type ControlStatus,
  type ForeignStatus,
  type ForgedIdentity,
  ROTATION_STEPS,
  type RootStatus,
  type RotationStep,
  type SecretStatus,
  type WorkloadStatus,
} from './control-status.ts';
export { SimulatedConsul } from './consul/simulated-consul.ts';
export type { ConsulWorkload, SimulatedConsulOptions } from './consul/options.ts';
export { SimulatedMeshError, type SimulatedMeshErrorCode } from './errors.ts';
export type { IstioWorkload, SimulatedIstioOptions } from './istio/options.ts';
export { SimulatedIstio } from './istio/simulated-istio.ts';
