import { describeDistrusted, type distrustedRoutes, type HandlersOf } from '../../admin/index.ts';
import type { Federation } from '../../federation/index.ts';
import { defined, given } from '../../objects/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { AgentConfig } from '../../config/index.ts';
import type { ForeignTrust } from '../foreign-trust.ts';
import { namedTrustDomain } from '../named-trust-domain.ts';
import type { OwnBundle } from '../own-bundle.ts';
import type { Rotation } from '../rotation.ts';
import { describeReport } from './describe-report.ts';
import { NO_REASON } from './no-reason.ts';

/** What taking keys out of the trust needs. */
export interface DistrustParts {
  readonly config: Pick<AgentConfig, 'trust_domain'>;
  readonly federation: Pick<Federation, 'distrusts' | 'peers'>;
  readonly ownBundle: OwnBundle;
  readonly foreignTrust: Pick<ForeignTrust, 'afterDistrust'>;
  readonly rotation: Pick<Rotation, 'signing'>;
}

/**
 * Distrusts single keys and lets them count again: those of peers in the mesh's trust, our own in
 * what we publish.
 */
export function distrustedHandlers(parts: DistrustParts): HandlersOf<keyof typeof distrustedRoutes> {
  const { federation, ownBundle, foreignTrust, rotation } = parts;
  const { distrusts } = federation;
  const reported = (isOurs: boolean) => (isOurs && ownBundle.reported ? [ownBundle.reported] : []);
  return {
    'GET /v1/distrusted': () => distrusts.list().map(describeDistrusted),
    'POST /v1/distrusted': async ({ body, actor }) => {
      const { key, reason = NO_REASON, until } = body;
      const trustDomain = nameIn(body, parts);
      const ours = trustDomain === ownName(parts);
      const roots = ours ? (ownBundle.current?.x509Authorities ?? []) : [];
      const by = { actor, reason, ...defined({ until: given(until, (end) => new Date(end)) }) };
      const out = await distrusts.distrust(trustDomain, key, by, {
        more: reported(ours),
        evenTheLast: body.even_the_last,
        evenOurOwnSvid: body.even_our_own_svid,
      });
      if (ours) await ownBundle.reconsider();
      const left = { was_trusted: out.wasTrusted, x509_left: out.x509Left, jwt_left: out.jwtLeft };
      const mesh = ours ? undefined : await foreignTrust.afterDistrust(trustDomain);
      return {
        ...describeDistrusted(out.key),
        ours,
        ...left,
        own_svid_refused: out.ownSvidRefused,
        signs_now: roots.some(
          ({ fingerprint, keyFingerprint }) =>
            keyFingerprint === out.key.keyFingerprint &&
            rotation.signing?.fingerprints.has(fingerprint) === true,
        ),
        in_mesh: describeReport(mesh?.report),
        mesh_may_still_trust: mesh?.mayCount ?? false,
      };
    },
    'POST /v1/trusted-again': async ({ body, actor }) => {
      const { key, reason = NO_REASON } = body;
      const trustDomain = nameIn(body, parts);
      const ours = trustDomain === ownName(parts);
      const again = await distrusts.trustAgain(trustDomain, key, { actor, reason }, reported(ours));
      if (ours) await ownBundle.reconsider();
      return describeDistrusted(again);
    },
  };
}

function ownName({ config, ownBundle }: DistrustParts): TrustDomain | undefined {
  return ownBundle.current?.trustDomain ?? config.trust_domain;
}

function nameIn(
  { trust_domain: name }: { readonly trust_domain: string },
  parts: DistrustParts,
): TrustDomain {
  const { federation } = parts;
  // A former peer counts too, as long as one of its keys is distrusted.
  const isPeer = (peer: TrustDomain) =>
    federation.peers.find(peer) !== undefined ||
    federation.distrusts.list().some(({ trustDomain }) => trustDomain === peer);
  return namedTrustDomain(name, ownName(parts), isPeer);
}
