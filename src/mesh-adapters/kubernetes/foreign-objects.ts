import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../errors.ts';
import type { PresentTrust } from '../mesh-adapter.ts';
import { ownedNameOf } from '../owned-name.ts';
import { certificatesIn, rootsIn } from '../present-anchors.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import type { KubernetesCollection, KubernetesObject } from './kubernetes-object.ts';

/** The label of every object that holds foreign trust, whichever agent made it. */
export const FOREIGN_TRUST_LABEL = 'federate.dev/foreign-trust';
const LABEL_VALUE = 'true';
/** Whose trust an object holds; a label has no room for a long trust domain. */
const TRUST_DOMAIN_ANNOTATION = 'federate.dev/trust-domain';

/** A kind of object of which one holds the roots of one foreign trust domain. */
export interface ForeignObjectPlace {
  readonly collection: KubernetesCollection;
  /** Objects under this prefix that carry the label are ours; those of other agents have another. */
  readonly namePrefix: string;
  /** What stands beside the metadata, `apiVersion` and `kind` too. */
  readonly render: (pem: string) => Readonly<Record<string, unknown>>;
  /** The PEM text of an object; empty where somebody spoiled it. */
  readonly pemOf: (object: KubernetesObject) => string;
}

/** One object of ours as it stands there. */
export interface ForeignObject {
  /** Undefined where somebody changed the annotation. */
  readonly trustDomain: TrustDomain | undefined;
  readonly pem: string;
  readonly object: KubernetesObject;
}

/** What stands there, ours and of other agents. */
export interface ForeignObjects {
  readonly ours: readonly ForeignObject[];
  /** Trust domains that objects of other agents hold. */
  readonly taken: ReadonlySet<string>;
}

/** The objects of ours as trust that is present. Throws `MeshAdapterError`. */
export async function readPresentTrust(
  client: KubernetesClient,
  place: ForeignObjectPlace,
  signal: AbortSignal,
): Promise<PresentTrust[]> {
  const { ours } = await listForeignObjects(client, place, signal);
  return ours.flatMap(({ trustDomain, pem, object }) =>
    trustDomain === undefined
      ? []
      : [
          {
            trustDomain,
            roots: certificatesIn(pem).flatMap((each) => rootsIn([each.pem])),
            where: `${place.collection.kind} ${object.metadata.name}`,
          },
        ],
  );
}

/** Throws `MeshAdapterError`. */
export async function listForeignObjects(
  client: KubernetesClient,
  { collection, namePrefix, pemOf }: ForeignObjectPlace,
  signal: AbortSignal,
): Promise<ForeignObjects> {
  const selector = { labelSelector: `${FOREIGN_TRUST_LABEL}=${LABEL_VALUE}` };
  const { items } = await client.listObjects(collection, selector, signal);
  const ours: ForeignObject[] = [];
  const taken = new Set<string>();
  for (const object of items) {
    const name = object.metadata.annotations?.[TRUST_DOMAIN_ANNOTATION] ?? '';
    // An annotation that does not belong to the name was edited by somebody.
    const right = isTrustDomain(name) && object.metadata.name === ownedNameOf(name, namePrefix);
    const trustDomain = right ? name : undefined;
    if (object.metadata.name.startsWith(namePrefix)) ours.push({ trustDomain, pem: pemOf(object), object });
    else taken.add(name);
  }
  return { ours, taken };
}

/**
 * Makes exactly these objects ours, next to those of the trust domains in `kept`: what must go goes first, what says the same
 * already is not written. Gives the trust domains whose name somebody else's object has. Throws `MeshAdapterError`: `mesh-conflict` where somebody was faster.
 */
export async function writeForeignObjects(
  client: KubernetesClient,
  place: ForeignObjectPlace,
  ours: readonly ForeignObject[],
  wanted: ReadonlyMap<TrustDomain, string>,
  kept: ReadonlySet<TrustDomain>,
  signal: AbortSignal,
): Promise<ReadonlySet<TrustDomain>> {
  const { collection, namePrefix } = place;
  const byName = new Map(ours.map((each) => [each.object.metadata.name, each]));
  const names = new Map([...wanted.keys()].map((name) => [ownedNameOf(name, namePrefix), name]));
  for (const [name, { object, trustDomain }] of byName) {
    const stays = trustDomain !== undefined && kept.has(trustDomain);
    if (!names.has(name) && !stays) await client.deleteObject(collection, object, signal);
  }
  const occupied = new Set<TrustDomain>();
  for (const [name, trustDomain] of names) {
    const pem = wanted.get(trustDomain) ?? '';
    const there = byName.get(name);
    if (!there) {
      if (!(await create(client, place, name, trustDomain, pem, signal))) occupied.add(trustDomain);
    } else if (there.pem !== pem || there.trustDomain !== trustDomain) {
      await client.replaceObject(collection, changed(there.object, place.render(pem), trustDomain), signal);
    }
  }
  return occupied;
}

async function create(
  client: KubernetesClient,
  { collection, render }: ForeignObjectPlace,
  name: string,
  trustDomain: TrustDomain,
  pem: string,
  signal: AbortSignal,
): Promise<boolean> {
  const metadata = {
    name,
    labels: { [FOREIGN_TRUST_LABEL]: LABEL_VALUE },
    annotations: { [TRUST_DOMAIN_ANNOTATION]: trustDomain },
  };
  try {
    await client.createObject(collection, { ...render(pem), metadata }, signal);
    return true;
  } catch (error) {
    if (!(error instanceof MeshAdapterError && error.code === 'mesh-conflict')) throw error;
    const { metadata: there } = await client.getObject(collection, name, signal);
    // Another agent of ours was faster: read again. Anybody else's object stays as it is.
    if (there.labels?.[FOREIGN_TRUST_LABEL] === LABEL_VALUE) throw error;
    return false;
  }
}

function changed(
  object: KubernetesObject,
  rendered: Readonly<Record<string, unknown>>,
  trustDomain: TrustDomain,
): KubernetesObject {
  const annotations = { ...object.metadata.annotations, [TRUST_DOMAIN_ANNOTATION]: trustDomain };
  return { ...object, ...rendered, metadata: { ...object.metadata, annotations } };
}
