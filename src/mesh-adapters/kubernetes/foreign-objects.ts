import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { PresentTrust } from '../contract/mesh-adapter.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import type { PeerWrites } from '../contract/peer-writes.ts';
import { certificatesIn, rootsIn } from '../contract/present-anchors.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import type { KubernetesCollection, KubernetesObject } from './kubernetes-object.ts';

/** The label of every object that holds foreign trust, whichever agent made it. */
export const FOREIGN_TRUST_LABEL = 'federate.dev/foreign-trust';
const LABEL_VALUE = 'true';
/**
 * The trust domain of an object, in an annotation, because a label is too short for a long trust
 * domain.
 */
const TRUST_DOMAIN_ANNOTATION = 'federate.dev/trust-domain';

/** A kind of object: each object holds the roots of one foreign trust domain. */
export interface ForeignObjectPlace {
  readonly collection: KubernetesCollection;
  /**
   * Objects under this prefix that carry the label are ours; those of other agents have another.
   */
  readonly namePrefix: string;
  /** The fields next to the metadata, including `apiVersion` and `kind`. */
  readonly render: (pem: string) => Readonly<Record<string, unknown>>;
  /** The PEM text of an object; empty where the field is malformed. */
  readonly pemOf: (object: KubernetesObject) => string;
}

/** One object of ours in the cluster. */
export interface ForeignObject {
  /** Undefined where the annotation was edited. */
  readonly trustDomain: TrustDomain | undefined;
  readonly pem: string;
  readonly object: KubernetesObject;
}

/** The present objects, of ours and of other agents. */
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
    // An annotation that does not match the object's name was edited.
    const right = isTrustDomain(name) && object.metadata.name === ownedNameOf(name, namePrefix);
    const trustDomain = right ? name : undefined;
    if (object.metadata.name.startsWith(namePrefix)) ours.push({ trustDomain, pem: pemOf(object), object });
    else taken.add(name);
  }
  return { ours, taken };
}

/** The wanted content of an object of ours. */
export interface WantedObject {
  readonly pem: string;
  /**
   * The part of it that stands there already; empty where there is none. Written where the API
   * server refuses the whole.
   */
  readonly standing: string;
}

/**
 * Makes exactly these objects ours, next to those of the trust domains in `kept`. Removals come
 * first, and an object with the wanted content is not written. Each object is independent: `writes`
 * records the API server's answer for each peer. Returns the trust domains whose object name is
 * taken, and those whose object is deleted and still there. Throws as `PeerWrites.attempt`.
 */
export async function writeForeignObjects(
  client: KubernetesClient,
  place: ForeignObjectPlace,
  ours: readonly ForeignObject[],
  wanted: ReadonlyMap<TrustDomain, WantedObject>,
  kept: ReadonlySet<TrustDomain>,
  writes: PeerWrites,
  signal: AbortSignal,
): Promise<{ readonly occupied: ReadonlySet<TrustDomain>; readonly lingering: ReadonlySet<TrustDomain> }> {
  const { collection, namePrefix } = place;
  const byName = new Map(ours.map((each) => [each.object.metadata.name, each]));
  const names = new Map([...wanted.keys()].map((name) => [ownedNameOf(name, namePrefix), name]));
  const lingering = new Set<TrustDomain>();
  for (const [name, { object, trustDomain }] of byName) {
    const stays = trustDomain !== undefined && kept.has(trustDomain);
    if (names.has(name) || stays) continue;
    const fault = await writes.attempt(trustDomain, () => client.deleteObject(collection, object, signal));
    if (!fault && trustDomain !== undefined && hasFinalizers(object)) lingering.add(trustDomain);
  }
  const occupied = new Set<TrustDomain>();
  for (const [name, trustDomain] of names) {
    const { pem = '', standing = '' } = wanted.get(trustDomain) ?? {};
    const there = byName.get(name);
    if (!there) {
      await writes.attempt(trustDomain, async () => {
        if (!(await create(client, place, name, trustDomain, pem, signal))) occupied.add(trustDomain);
      });
      continue;
    }
    if (there.pem === pem && there.trustDomain === trustDomain) continue;
    const replace = (text: string) =>
      client.replaceObject(collection, changed(there.object, place.render(text), trustDomain), signal);
    await writes.attempt(trustDomain, async () => {
      try {
        await replace(pem);
      } catch (error) {
        if (!isRefusal(error) || there.pem === standing) throw error;
        // What the peer no longer lists is removed anyway.
        if (standing === '') await client.deleteObject(collection, there.object, signal);
        else await replace(standing);
        throw error;
      }
    });
  }
  return { occupied, lingering };
}

function isRefusal(error: unknown): boolean {
  return error instanceof MeshAdapterError && error.code === 'mesh-refused';
}

/** Such an object stays, with all that it holds, until the owner of each finalizer lets it go. */
function hasFinalizers({ metadata: { finalizers } }: KubernetesObject): boolean {
  return Array.isArray(finalizers) && finalizers.length > 0;
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
    // Another agent of ours was faster: read again. An object of another owner stays as it is.
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
