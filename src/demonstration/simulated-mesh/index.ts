/**
 * Istio- and Consul-flavoured control planes with real CAs, behind the products' own interfaces.
 */
export { type ControlClient, createControlClient } from './control-client.ts';
export { type ControlStatus, ROTATION_STEPS, type RotationStep } from './control-status.ts';
export { SimulatedConsul } from './consul/simulated-consul.ts';
export type { SimulatedConsulOptions } from './consul/options.ts';
export type { SimulatedIstioOptions } from './istio/options.ts';
export { SimulatedIstio } from './istio/simulated-istio.ts';
