/** The names of the SDS secrets between the agent and the Envoy of a federation gateway. */
export const gatewaySecrets = {
  /** Which foreign identities are let in, by the roots of their own trust domain. */
  foreign: 'foreign',
  /** The roots of the Consul cluster itself. */
  own: 'consul',
  /** Certificate and key of a Consul service. */
  leaf: (service: string) => `leaf:${service}`,
} as const;
