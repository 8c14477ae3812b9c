import type { SpireBundle, SpireFederationRelationship, SpireStatus } from '../../grpc/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { reportOf } from '../contract/foreign-report.ts';
import { codeOfStatus } from '../contract/grpc-call.ts';
import type { ForeignTrustReport } from '../contract/mesh-adapter.ts';
import type { SpireContent, Target } from './plan.ts';
import { commonOf, renderWhole, sameAuthorities, sameEndpoint } from './render.ts';
import type { SpireServer } from './spire-server.ts';

/**
 * Makes SPIRE hold one target, writes nothing where it already does, and reports the outcome.
 * Throws `MeshAdapterError`.
 */
export async function holdTarget(
  server: SpireServer,
  target: Target,
  content: SpireContent,
  now: Date,
): Promise<ForeignTrustReport> {
  const { admission, bundle, relationship, pushed } = target;
  const { trustDomain } = admission.bundle;
  if (relationship) return await holdRelationship(server, target, relationship, content, now);
  // A permanent note comes last.
  const note =
    pushed === undefined || admission.notes.length > 0 ? [] : [{ code: 'bundle-pushed', message: pushed }];
  const report = reportOf(admission, 'accepted', now, note);
  const there = content.bundles.get(trustDomain);
  if (!bundle || (there && sameAuthorities(there, bundle))) return report;
  // A revocation of all is an empty bundle: registration entries keep naming the trust domain, but
  // trust none of its identities.
  const status = await put(bundle, there, (some) => server.set(some));
  return status.code === 0 ? report : { ...report, ...refusedBy(status) };
}

async function holdRelationship(
  server: SpireServer,
  { admission, bundle }: Target,
  relationship: SpireFederationRelationship,
  content: SpireContent,
  now: Date,
): Promise<ForeignTrustReport> {
  const url = relationship.bundle_endpoint_url;
  const report = (state: 'accepted' | 'pending', code: string, message: string) =>
    reportOf(admission, state, now, [{ code, message }]);
  const polls = {
    code: 'mesh-polls',
    message: `SPIRE polls ${url} by itself, and takes what it finds there without a question`,
  };
  const polling = () => reportOf(admission, 'accepted', now, admission.notes.length > 0 ? [] : [polls]);
  const outcomeOf = (status: SpireStatus, done: ForeignTrustReport) =>
    status.code === 0 ? done : { ...done, ...refusedBy(status) };
  const { trustDomain } = admission.bundle;
  const there = content.relationships.get(trustDomain);
  const held = content.bundles.get(trustDomain);
  if (!there) return outcomeOf(await server.createRelationship(relationship), polling());
  const update = async () =>
    bundle
      ? await put(bundle, held, (some) =>
          server.updateRelationship({ ...relationship, trust_domain_bundle: some }),
        )
      : await server.updateRelationship(relationship);
  if (!held || !sameEndpoint(there, relationship)) return outcomeOf(await update(), polling());

  const whole = renderWhole(admission.bundle);
  const isOurs = (some: SpireBundle | undefined) =>
    some !== undefined &&
    bundle !== undefined &&
    (sameAuthorities(some, bundle) || (whole !== undefined && sameAuthorities(some, whole)));
  if (isOurs(held)) return polling();
  // One of the two is ahead. SPIRE's own poll would follow in one to five minutes.
  const refreshed = await server.refresh(trustDomain);
  if (refreshed.kind === 'failed' && BigInt(held.sequence_number) <= (admission.bundle.sequence ?? 0n)) {
    // SPIRE's bundle may be too old to verify the endpoint, and would stay so; ours is verified.
    const done = report(
      'accepted',
      'mesh-poll-failed',
      `SPIRE could not poll ${url}, and was given what we hold: ${refreshed.message}`,
    );
    return outcomeOf(await update(), done);
  }
  if (isOurs(await server.federatedBundle(trustDomain))) return polling();
  return report(
    'pending',
    'mesh-polls-otherwise',
    `SPIRE polls ${url} by itself, and holds another bundle than we do`,
  );
}

/**
 * Writes a bundle. SPIRE's certificate checks differ from ours, and SPIRE refuses the whole bundle
 * for one certificate. Then nothing is added, and what the bundle no longer lists is removed
 * anyway. Returns the status of the whole.
 */
async function put(
  bundle: SpireBundle,
  there: SpireBundle | undefined,
  write: (some: SpireBundle) => Promise<SpireStatus>,
): Promise<SpireStatus> {
  const status = await write(bundle);
  if (status.code === 0 || !there || codeOfStatus(status.code) !== 'mesh-refused') return status;
  const left = commonOf(bundle, there);
  if (sameAuthorities(left, there)) return status;
  const shrunk = await write(left);
  return shrunk.code === 0 ? status : shrunk;
}

/**
 * Ends a relationship of ours; what SPIRE polled so far stays. The report where it could not be.
 * Throws `MeshAdapterError`.
 */
export async function endRelationship(
  server: SpireServer,
  trustDomain: TrustDomain,
  now: Date,
): Promise<ForeignTrustReport | undefined> {
  const status = await server.deleteRelationship(trustDomain);
  if (status.code === 0 || codeOfStatus(status.code) === 'mesh-not-found') return undefined;
  return { trustDomain, at: now, ...refusedBy(status), state: 'failed' };
}

/**
 * Deletes a bundle: first without side effects; where registration entries federate with it, in a
 * way that they continue without it. Throws `MeshAdapterError`.
 */
export async function removeBundle(
  server: SpireServer,
  trustDomain: TrustDomain,
  now: Date,
): Promise<ForeignTrustReport> {
  const removed = { trustDomain, state: 'removed' as const, at: now };
  const restricted = await server.delete(trustDomain, 'restrict');
  if (restricted.code === 0 || codeOfStatus(restricted.code) === 'mesh-not-found') return removed;
  const dissociated = await server.delete(trustDomain, 'dissociate');
  if (dissociated.code !== 0 && codeOfStatus(dissociated.code) !== 'mesh-not-found')
    return { ...removed, ...refusedBy(dissociated), state: 'failed' };
  return {
    ...removed,
    code: 'entries-dissociated',
    message: `registration entries that federated with ${trustDomain} no longer do`,
  };
}

function refusedBy({ code, message }: SpireStatus) {
  const name = codeOfStatus(code);
  const state = name === 'mesh-refused' ? ('refused' as const) : ('failed' as const);
  return { state, code: name, message: `SPIRE answered ${JSON.stringify(message.slice(0, 300))}` };
}
