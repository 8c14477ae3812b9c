import { pemFromCertificates } from '../../src/spiffe/index.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { certificatesIn } from './beside.ts';
import type { Cluster } from './cluster.ts';

/** An object as far as the checks look at it. */
export interface SeenObject {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly data?: Record<string, string>;
  readonly spec?: Record<string, unknown>;
}

/** The label of everything our agents make in a cluster, as a selector. */
const OURS = 'labelSelector=federate.dev%2Fforeign-trust%3Dtrue';

/** The path of the ConfigMaps of a namespace. */
export function configMapsIn(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/configmaps`;
}

/** The objects of a collection. */
export async function itemsOf(cluster: Cluster, collection: string): Promise<readonly SeenObject[]> {
  return (await cluster.call<{ items: readonly SeenObject[] }>('GET', collection)).items;
}

/** The objects of a collection that bear our label. */
export function ourItemsOf(cluster: Cluster, collection: string): Promise<readonly SeenObject[]> {
  return itemsOf(cluster, `${collection}?${OURS}`);
}

/** How many certificates those objects hold. */
export async function ourCertificatesIn(cluster: Cluster, collection: string): Promise<number> {
  return certificatesIn(
    (await ourItemsOf(cluster, collection)).map((each) => JSON.stringify(each)).join('\n'),
  );
}

/** PEM of the roots of these CAs. */
export function pemOf(...cas: readonly TestCa[]): string {
  return pemFromCertificates(cas.map(({ root }) => root));
}
