import { MeshAdapterError } from '../contract/errors.ts';
import { type Finding, noted, wrong } from '../contract/finding.ts';
import {
  isTrustDomain,
  parseCertificate,
  CertificateError,
  certificatesFromPem,
  PemError,
} from '../../spiffe/index.ts';
import type { IstioFacts } from './facts.ts';
import type { MeshObject } from './fields.ts';
import {
  type AppliedBefore,
  type CaEntry,
  type MeshConfigDocument,
  parseMeshConfig,
} from './mesh-config-document.ts';
import { faultOf, ownAnchorOf, OWN_ENTRIES_ANNOTATION, parseOwnEntries } from './own-entries.ts';
import type { RememberedConfig } from './plan.ts';
import { MESH_KEY } from './read-own-trust.ts';
import { isRevisionConfigMap } from './revisions.ts';

const SHARED = 'SHARED_MESH_CONFIG';

/** Judges the mesh configs of all revisions. Pure. See docs/meshes/istio.md. */
export function judgeMeshConfigs(facts: IstioFacts, systemNamespace: string, now: Date): Finding[] {
  const { configMaps } = facts;
  if (!configMaps) return [];
  const meshes = configMaps.filter(isRevisionConfigMap);
  if (meshes.length === 0)
    return [
      wrong(
        'mesh-config-missing',
        systemNamespace,
        `no ConfigMap istio or istio-<revision> with a key "${MESH_KEY}" is in this namespace`,
        'name the namespace of istiod with --namespace (mesh.system_namespace)',
      ),
    ];
  const findings: Finding[] = [];
  const configs: { readonly object: MeshObject; readonly config: MeshConfigDocument }[] = [];
  for (const object of meshes) {
    const { data, annotations } = object;
    const held = { text: data[MESH_KEY] ?? '', memory: annotations[OWN_ENTRIES_ANNOTATION] };
    const { config, found } = readMeshConfig(whereOf(object), held, now, sharedOf(facts, object));
    if (config) configs.push({ object, config });
    findings.push(...found);
  }
  findings.push(...judgeDifferences(configs), ...judgeShared(facts, configs));
  return findings;
}

/** Judges one mesh config, wherever it is stored. Pure. */
export function judgeMeshConfig(where: string, held: RememberedConfig, now: Date): Finding[] {
  return readMeshConfig(where, held, now).found;
}

function readMeshConfig(
  where: string,
  held: RememberedConfig,
  now: Date,
  shared?: AppliedBefore,
): { readonly config?: MeshConfigDocument; readonly found: Finding[] } {
  try {
    const config = parseMeshConfig(held.text, shared);
    return { config, found: judgeConfig(where, held.memory, config, now) };
  } catch (error) {
    if (!(error instanceof MeshAdapterError)) throw error;
    const advice = 'correct the YAML; istiod keeps using the last version that it could read';
    return { found: [wrong(error.code, where, error.message, advice)] };
  }
}

/**
 * The mesh config that the control plane applies before this one. One that cannot be read is
 * reported elsewhere.
 */
function sharedOf({ istiods, configMaps }: IstioFacts, { labels }: MeshObject): AppliedBefore | undefined {
  const revision = labels['istio.io/rev'] || 'default';
  const names = (istiods ?? [])
    .filter((each) => each.revision === revision)
    .map(({ env }) => env.get(SHARED));
  const text = configMaps?.find(({ name }) => names.includes(name))?.data[MESH_KEY];
  try {
    return text === undefined ? undefined : parseMeshConfig(text);
  } catch (error) {
    if (error instanceof MeshAdapterError) return undefined;
    throw error;
  }
}

function whereOf({ namespace, name }: MeshObject): string {
  return `ConfigMap ${namespace}/${name}`;
}

function judgeConfig(
  where: string,
  memory: string | undefined,
  config: MeshConfigDocument,
  now: Date,
): Finding[] {
  const findings: Finding[] = [];
  if (!config.xdsAgent)
    findings.push(
      wrong(
        'xds-agent-off',
        where,
        'PROXY_CONFIG_XDS_AGENT is not "true" in defaultConfig.proxyMetadata, so proxies do not take foreign roots',
        'set it, and restart the pods: a proxy reads it when it starts',
      ),
    );
  if (config.trustDomain === 'cluster.local')
    findings.push(
      wrong(
        'trust-domain-ambiguous',
        where,
        'the trust domain is cluster.local, the default name of every mesh without a name; no peer can distinguish it from its own',
        'give the mesh a trustDomain of its own, with cluster.local in trustDomainAliases until all workloads have new certificates',
      ),
    );
  else if (!isTrustDomain(config.trustDomain))
    findings.push(
      wrong(
        'own-trust-domain-malformed',
        where,
        `trustDomain ${JSON.stringify(config.trustDomain)} is none`,
        'use lower-case letters, digits, dots and hyphens',
      ),
    );
  const own = parseOwnEntries(memory);
  const entries = config.list?.entries ?? [];
  const foreign = entries.filter((entry) => !ownAnchorOf(entry, own));
  const claimed = new Set(entries.flatMap(({ trustDomains }) => trustDomains));
  for (const alias of config.trustDomainAliases)
    if (claimed.has(alias))
      findings.push(
        wrong(
          'foreign-alias',
          where,
          `${alias} has roots in caCertificates and is in trustDomainAliases too: policies then take its identities for those of this mesh`,
          'take it out of trustDomainAliases',
        ),
      );
  for (const entry of foreign) findings.push(...judgeForeignEntry(entry, where, now));
  return findings;
}

/** An entry that is not ours: whether istiod takes it, and how far its root reaches. */
function judgeForeignEntry(entry: CaEntry, where: string, now: Date): Finding[] {
  const whose = entry.trustDomains.join(', ') || 'no trust domain';
  const fault = faultOf(entry);
  if (fault !== undefined)
    return [
      wrong(
        'foreign-entry-invalid',
        where,
        `istiod refuses the whole of caCertificates because of an entry for ${whose} that is not ours: ${fault}`,
        'correct or remove that entry; until then istiod keeps the roots it had',
      ),
    ];
  if (entry.pem === undefined)
    return [
      noted(
        'spiffe-bundle-url',
        where,
        `the roots of ${whose} come from spiffeBundleUrl: istiod fetches it only every 30 minutes, and drops the roots where that fetch fails`,
        'federate with it by "federate add" and remove the entry',
      ),
    ];
  const expired = firstCertificate(entry.pem);
  return [
    ...(expired && expired.notAfter <= now
      ? [
          wrong(
            'foreign-entry-expired',
            where,
            `the certificate of an entry for ${whose} expired at ${expired.notAfter.toISOString()}`,
            'replace or remove that entry',
          ),
        ]
      : []),
    ...(expired && expired.extensions.nameConstraints === undefined
      ? [
          wrong(
            'foreign-root-unscoped',
            where,
            `the root of an entry for ${whose} that is not ours can speak for every trust domain of this mesh, including the own one`,
            'federate with its trust domain by "federate add", which writes it narrowed, and remove the entry',
          ),
        ]
      : []),
  ];
}

function firstCertificate(pem: string) {
  try {
    const [der] = certificatesFromPem(pem);
    return der && parseCertificate(der);
  } catch (error) {
    if (error instanceof PemError || error instanceof CertificateError) return undefined;
    throw error;
  }
}

/**
 * Revisions that do not hold the same foreign roots: some workloads accept a peer and others do
 * not.
 */
function judgeDifferences(
  configs: readonly { readonly object: MeshObject; readonly config: MeshConfigDocument }[],
): Finding[] {
  const [first, ...others] = configs;
  if (!first) return [];
  const rootsOf = ({ config }: typeof first) =>
    (config.list?.entries ?? [])
      .map(({ trustDomains, pem }) => `${trustDomains.join()} ${pem?.trim() ?? ''}`)
      .sort()
      .join('\n');
  const held = rootsOf(first);
  return others
    .filter((other) => rootsOf(other) !== held)
    .map(({ object }) =>
      wrong(
        'revisions-differ',
        whereOf(object),
        `it does not hold the same caCertificates as ${whereOf(first.object)}, so workloads of the two revisions trust different peers`,
        'let the agent write all of them: mesh.revisions: all, and the right to list and update those ConfigMaps',
      ),
    );
}

function judgeShared(
  { istiods, configMaps }: IstioFacts,
  configs: readonly { readonly object: MeshObject; readonly config: MeshConfigDocument }[],
): Finding[] {
  const names = new Set((istiods ?? []).flatMap(({ env }) => env.get(SHARED) || []));
  return [...names].flatMap((name) => {
    const text = configMaps?.find((each) => each.name === name)?.data[MESH_KEY];
    const where = `ConfigMap ${name} (SHARED_MESH_CONFIG)`;
    let shared: MeshConfigDocument | undefined;
    try {
      shared = text === undefined ? undefined : parseMeshConfig(text);
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      return [wrong(error.code, where, error.message, 'correct the YAML of key "mesh"')];
    }
    const base = configs.some(({ config }) => (config.list?.entries.length ?? 0) > 0);
    if ((shared?.list?.entries.length ?? 0) > 0)
      return [
        wrong(
          'shared-mesh-config-replaced',
          where,
          `it lists caCertificates, and a list in the mesh ConfigMap, which is applied after it, replaces this one: its roots ${base ? 'have no effect' : 'will have no effect once a foreign root is written there'}`,
          'move its caCertificates into the mesh ConfigMap, or federate with those trust domains by "federate add"',
        ),
      ];
    return [
      noted(
        'shared-mesh-config',
        where,
        'istiod applies this ConfigMap before the mesh ConfigMap, so findings about the latter describe both together; a list in the latter replaces the one here',
      ),
    ];
  });
}
