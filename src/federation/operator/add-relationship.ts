import { defined } from '../../objects/index.ts';
import { contentDigest, type SpiffeId, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import {
  type NewEvent,
  type NewVersion,
  type Relationship,
  type Store,
  StoreError,
} from '../../store/index.ts';
import { checkEndpoint, type EndpointCheckParts } from './check-endpoint.ts';
import { establishTrust } from './bootstrap.ts';
import type { BootstrapRequest, EstablishParts, FirstTrust } from './first-trust.ts';
import { FederationError } from '../fetch/errors.ts';
import { isForeignKeyCode } from '../trust/foreign-key.ts';
import { keyFingerprintsOf } from '../trust/key-fingerprints.ts';
import { checkTerms, type RelationshipTerms } from '../trust/relationship-terms.ts';
import type { HeldBundles } from '../trust/held-bundles.ts';
import type { LeftOutEntries } from '../trust/left-out-entries.ts';
import { parseSourceUrl } from '../fetch/source-url.ts';
import { whyUnusable } from '../trust/unusable-document.ts';
import { judge } from '../trust/verdict.ts';

/** A peer to federate with, in one direction: we will accept its identities (FED-11). */
export interface AddRequest extends BootstrapRequest, RelationshipTerms {
  /** The caller, for the audit log: `operator:<uid>`. */
  readonly actor: string;
  /** Further addresses of the same endpoint, tried in order. */
  readonly moreEndpointUrls?: readonly string[];
  /** The SPIFFE ID whose signed statements count as the peer's own. */
  readonly agentId?: SpiffeId;
  /** Accepts a first bundle that would be quarantined, on record. */
  readonly force?: boolean;
}

/** What checking a new relationship takes. */
export interface PrepareParts extends EstablishParts, EndpointCheckParts {
  readonly held: HeldBundles;
  readonly own: () => TrustBundle | undefined;
  /** Our own trust domain by the configuration, which is known before the mesh reports a bundle. */
  readonly ownTrustDomain?: TrustDomain | undefined;
}

/** What adding one takes. */
export interface AddParts extends PrepareParts {
  readonly store: Store;
  /** Which entries of the peers' latest documents are not used. */
  readonly leftOut: LeftOutEntries;
}

/** Something about a new relationship that the operator should know. */
export interface AddNote {
  readonly code: string;
  readonly message: string;
}

/** A relationship that is in the store with its first trusted bundle. */
export interface AddedRelationship {
  readonly relationship: Relationship;
  readonly first: FirstTrust;
  readonly digest: string;
  readonly notes: readonly AddNote[];
}

/**
 * Bootstraps a relationship and stores it with its first bundle in one transaction; when anything
 * is wrong nothing is stored. `known` are the relationships there are. Throws `FederationError`:
 * `own-trust-domain`, `already-federated`, `relationship-invalid`, `endpoint-trust-domain-unknown`,
 * `serving-cycle`, `own-root-offered`, `root-of-another-trust-domain`,
 * `root-names-another-trust-domain`, `distrusted-key-offered`, and the codes of `establishTrust`;
 * `StoreError` when the store fails.
 */
export async function addRelationship(
  parts: AddParts,
  request: AddRequest,
  known: ReadonlyMap<string, Relationship>,
  signal: AbortSignal,
): Promise<AddedRelationship> {
  const { relationship, version, added, first, notes } = await prepareRelationship(
    parts,
    request,
    known,
    signal,
  );
  const spent = request.bootstrap.kind === 'invitation' ? request.bootstrap.spent : undefined;
  try {
    await parts.store.addRelationship(relationship, version, added, spent);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'relationship-exists')
      throw alreadyFederated(request, error);
    throw error;
  }
  parts.leftOut.note(request.trustDomain, first.notes, relationship.createdAt);
  return { relationship, first, digest: contentDigest(first.bundle), notes };
}

/**
 * Everything that adding a relationship does before it is written. Throws what `addRelationship`
 * throws, but for `StoreError`.
 */
export async function prepareRelationship(
  parts: PrepareParts,
  request: AddRequest,
  known: ReadonlyMap<string, Relationship>,
  signal: AbortSignal,
) {
  const { trustDomain, profile, endpointUrl, bootstrap, actor } = request;
  const depth = checkRequest(parts, request, known);
  const terms = checkTerms(request, request);
  const first = await establishTrust(parts, request, signal);
  const { bundle } = first;
  const at = parts.clock.now();
  const others = parts.held.list();
  const verdict = judge({
    offered: bundle,
    profile,
    own: parts.own(),
    others,
    distrusted: parts.trusted.distrusted(),
    now: at,
    override: request.force === true ? {} : undefined,
  });
  if (verdict.kind === 'quarantined' && isForeignKeyCode(verdict.code))
    throw new FederationError(verdict.code, `${verdict.message}: nothing was added`);
  if (verdict.kind !== 'accepted') throw new TypeError(`unreachable: a first bundle is not ${verdict.kind}`);

  const unusable = whyUnusable(first);
  const notes: AddNote[] = [
    ...(unusable ? [unusable] : []),
    ...servingNotes(depth, request),
    ...rootNotes(bundle, at),
    ...first.notes,
    ...distrustNotes(parts, bundle),
    ...verdict.notes,
  ].map(({ code, message }) => ({ code, message }));
  const relationship: Relationship = {
    trustDomain,
    profile,
    createdAt: at,
    bootstrap: first.proof,
    consecutiveFailures: 0,
    endpointUrl: parseSourceUrl(endpointUrl, profile).href,
    ...defined({ webPkiCaPem: bootstrap.caPem, agentId: request.agentId }),
    ...terms,
    state: unusable ? 'failing' : first.fetched ? 'active' : 'pending',
    ...defined({ stateReason: unusable }),
    ...(first.fetched ? { lastAttemptAt: at, lastSuccessAt: at } : {}),
  };
  const version: NewVersion = {
    bundle,
    receivedAt: at,
    verdict: 'bootstrap',
    origin: first.origin,
    ...defined({ provedBy: first.provedBy }),
  };
  const added: NewEvent = {
    at,
    kind: 'relationship-added',
    trustDomain,
    actor,
    ...defined({ code: verdict.overridden }),
    message: `federated with ${trustDomain} at ${relationship.endpointUrl} by ${first.proof.kind}`,
    detail: { profile: profile.kind, proof: first.proof, notes },
  };
  return { relationship, version, added, first, notes };
}

/** Makes all refusals that need no network. Returns the serving depth. */
function checkRequest(
  parts: PrepareParts,
  request: AddRequest,
  known: ReadonlyMap<string, Relationship>,
): number {
  const { trustDomain, bootstrap } = request;
  if (trustDomain === parts.own()?.trustDomain || trustDomain === parts.ownTrustDomain) {
    throw new FederationError(
      'own-trust-domain',
      `${trustDomain} is our own trust domain; a relationship is with another one`,
    );
  }
  if (known.has(trustDomain)) throw alreadyFederated(request);
  return checkEndpoint(parts, { ...request, webPkiCaPem: bootstrap.caPem }, known);
}

function alreadyFederated({ trustDomain }: AddRequest, cause?: unknown): FederationError {
  return new FederationError(
    'already-federated',
    `there is a relationship with ${trustDomain} already: look at it, or remove it first`,
    cause === undefined ? {} : { cause },
  );
}

function servingNotes(depth: number, { trustDomain }: AddRequest): AddNote[] {
  if (depth < 2) return [];
  const message = `the bundle of ${trustDomain} comes through ${depth} other trust domains, and each of them could replace it`;
  return [{ code: 'long-serving-chain', message }];
}

function distrustNotes({ trusted }: PrepareParts, bundle: TrustBundle): AddNote[] {
  return trusted
    .distrusted(bundle.trustDomain)
    .filter(({ keyFingerprint }) => keyFingerprintsOf(bundle).has(keyFingerprint))
    .map(({ label, at, reason }) => ({
      code: 'distrusted-key',
      message: `the key ${label} stays distrusted, as it has been since ${at.toISOString()}: ${reason}`,
    }));
}

function rootNotes({ x509Authorities }: TrustBundle, at: Date): AddNote[] {
  return x509Authorities
    .filter(({ notBefore, notAfter }) => at < notBefore || notAfter < at)
    .map(({ subject, fingerprint, notBefore, notAfter }) => ({
      code: 'root-outside-validity',
      message: `the root ${subject || fingerprint} is only valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
    }));
}
