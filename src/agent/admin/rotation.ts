import type {
  GateDocument,
  HandlersOf,
  OwnRootDocument,
  PollerDocument,
  RotationPeerDocument,
  rotationRoutes,
} from '../../admin/index.ts';
import type { PlainPoller } from '../../federation/index.ts';
import {
  type GateVerdict,
  judgeRetire,
  judgeUse,
  type OwnRoot,
  type RotationPeer,
  type RotationView,
  versionOf,
} from '../../rotation/index.ts';
import type { TrustBundle } from '../../spiffe/index.ts';
import { AgentError } from '../errors.ts';
import type { Rotation } from '../rotation.ts';

/** Answers where the rotation of our own roots stands. */
export function rotationHandlers({
  rotation,
  own,
}: {
  readonly rotation: Pick<Rotation, 'risks' | 'signing' | 'view'>;
  readonly own: () => TrustBundle | undefined;
}): HandlersOf<keyof typeof rotationRoutes> {
  return {
    'GET /v1/rotation': async () => {
      const view = await rotation.view();
      const bundle = own();
      if (!view || !bundle)
        throw new AgentError(
          'own-bundle-unknown',
          'there is nothing to rotate before our own mesh has reported its roots; see "federate status"',
        );
      const { times, roots, peers, pollers } = view;
      return {
        trust_domain: bundle.trustDomain,
        sequence: bundle.sequence?.toString() ?? null,
        signing_known_by: rotation.signing?.knownBy ?? null,
        refresh_hint_seconds: times.hintMs / 1000,
        lead_seconds: times.leadMs / 1000,
        leaf_lifetime_seconds: times.leafLifetimeMs / 1000,
        settle_seconds: times.settleMs / 1000,
        roots: roots.map((root) => describeRoot(root, view)),
        peers: peers.map((peer) => describePeer(peer, view)),
        pollers: pollers.map((poller) => describePoller(poller, view)),
        findings: rotation.risks,
      };
    },
  };
}

function describeRoot(root: OwnRoot, view: RotationView): OwnRootDocument {
  const { authority, life } = root;
  return {
    fingerprint: authority.fingerprint,
    label: life.label,
    stage: life.stage,
    since: life.since.toISOString(),
    known_by: life.knownBy,
    published_at: life.publishedAt.toISOString(),
    in_use_at: life.inUseAt?.toISOString() ?? null,
    retiring_at: life.retiringAt?.toISOString() ?? null,
    not_before: authority.notBefore.toISOString(),
    not_after: authority.notAfter.toISOString(),
    use: describeGate(judgeUse(root, view)),
    retire: describeGate(judgeRetire(root, view)),
  };
}

function describeGate({ safe, missing, taken }: GateVerdict): GateDocument {
  return {
    safe,
    missing: missing.map(({ code, message, peer, poller, safeAt }) => ({
      code,
      message,
      peer: peer ?? null,
      poller: poller ?? null,
      safe_at: safeAt?.toISOString() ?? null,
    })),
    taken,
  };
}

function describePeer(
  { trustDomain, holding, poller }: RotationPeer,
  view: RotationView,
): RotationPeerDocument {
  if (holding) {
    const { sequence, since, inMesh, seenAt, address, digest } = holding;
    return {
      trust_domain: trustDomain,
      known: 'identified',
      sequence: sequence?.toString() ?? null,
      held_since: since.toISOString(),
      in_mesh: inMesh ? { progress: inMesh.progress, since: inMesh.since.toISOString() } : null,
      seen_at: seenAt.toISOString(),
      address,
      newest: digest === view.versions[0]?.digest,
    };
  }
  const seen = poller && describePoller(poller, view);
  return {
    trust_domain: trustDomain,
    known: seen ? 'inferred' : 'never-seen',
    sequence: seen?.sequence ?? null,
    held_since: null,
    in_mesh: null,
    seen_at: seen?.last_seen_at ?? null,
    address: seen?.address ?? null,
    newest: seen?.newest ?? null,
  };
}

function describePoller(poller: PlainPoller, { versions }: RotationView): PollerDocument {
  const version = versionOf(poller, versions);
  return {
    address: poller.address,
    sequence: version?.sequence?.toString() ?? null,
    newest: version ? version === versions[0] : null,
    last_seen_at: poller.lastSeenAt.toISOString(),
    requests: poller.requests,
  };
}
