import { z } from 'zod';
import { agentConfigSchema } from '../../src/config/index.ts';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
const free: Schema = { type: 'object' };
const list: Schema = { type: 'array' };
const texts: Schema = { type: 'object', additionalProperties: text };

function object(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', additionalProperties: false, properties };
}

const service = object({
  type: { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  port,
  externalTrafficPolicy: { enum: ['', 'Cluster', 'Local'] },
  nodePort: { anyOf: [{ type: 'null' }, port] },
  loadBalancerIP: text,
  annotations: texts,
});
const resources = object({ requests: free, limits: free, claims: list });

/** What the chart sets in the agent's config by itself, by path. */
const SET_BY_CHART = ['store', 'admin_socket', 'metrics'];
const SET_IN_ENDPOINT = ['listen', 'certificate_file', 'key_file'];

/** `values.schema.json` of the chart: strict everywhere, with the agent's config as its own schema has it. */
export function chartValuesSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...object({
      global: free,
      image: object({
        registry: text,
        repository: { type: 'string', minLength: 1 },
        tag: text,
        digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
        pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
      }),
      imagePullSecrets: list,
      nameOverride: text,
      fullnameOverride: text,
      commonLabels: texts,
      config: agentConfig(),
      csi: object({ enabled: flag, driver: text }),
      tls: object({ secretName: text }),
      persistence: object({
        enabled: flag,
        accessMode: { enum: ['ReadWriteOnce', 'ReadWriteOncePod'] },
        size: { type: 'string', pattern: '^[1-9][0-9]*(Mi|Gi|Ti)$' },
        storageClass: text,
        retain: flag,
      }),
      serviceAccount: object({ create: flag, name: text, annotations: texts }),
      rbac: object({ create: flag, meshConfigMaps: { type: 'array', items: text } }),
      service,
      metrics: object({
        port,
        serviceMonitor: object({ enabled: flag, interval: text, labels: texts }),
        prometheusRule: object({ enabled: flag, labels: texts }),
        dashboard: object({ enabled: flag, labels: texts }),
      }),
      gateway: object({
        enabled: flag,
        replicas: { type: 'integer', minimum: 1 },
        routes: texts,
        service,
        resources,
      }),
      networkPolicy: object({ enabled: flag, metricsFrom: list, egress: list }),
      resources,
      terminationGracePeriodSeconds: { type: 'integer', minimum: 10 },
      priorityClassName: text,
      nodeSelector: texts,
      tolerations: list,
      affinity: free,
      podAnnotations: texts,
      podLabels: texts,
      dnsConfig: free,
      extraEnv: list,
      extraVolumes: list,
      extraVolumeMounts: list,
      extraObjects: list,
    }),
  };
}

const objectSchema = z.looseObject({
  properties: z.record(z.string(), z.unknown()),
  required: z.array(z.string()).optional(),
});
const choice = z.looseObject({ oneOf: z.array(objectSchema) });

/**
 * The agent's config as a user of the chart writes it: without what the chart sets. What is missing is refused by
 * a template, which can say what to do.
 */
function agentConfig(): Schema {
  const options = {
    io: 'input',
    unrepresentable: 'any',
    target: 'draft-7',
    override: dropLookahead,
  } as const;
  const {
    $schema: _schema,
    required: _required,
    ...whole
  } = objectSchema.parse(z.toJSONSchema(agentConfigSchema, options));
  const { endpoint, ...rest } = whole.properties;
  return {
    ...whole,
    properties: {
      ...without(rest, SET_BY_CHART),
      endpoint: {
        anyOf: choice.parse(endpoint).oneOf.map(({ properties, required: needed = [], ...variant }) => ({
          ...variant,
          properties: without(properties, SET_IN_ENDPOINT),
          required: needed.filter((name) => name !== 'url' && !SET_IN_ENDPOINT.includes(name)),
        })),
      },
    },
  };
}

/** Go's regular expressions, which Helm uses, have no look-ahead. The agent itself checks these values. */
function dropLookahead({ jsonSchema }: { readonly jsonSchema: { pattern?: string } }): void {
  if (jsonSchema.pattern?.includes('(?')) delete jsonSchema.pattern;
}

function without<Value>(
  members: Readonly<Record<string, Value>>,
  names: readonly string[],
): Record<string, Value> {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}
