import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AccessPolicy,
  type AccessRequest,
  compilers,
  judgeAccess,
  type Target,
  trustDomainOfCaller,
} from '../../src/services/index.ts';
import { PEER_NAMES, PLACEMENT, policies, type Reach, requestsTo } from '../../testkit/access-policies.ts';
import { consulAllows } from '../../testkit/policy-readers/consul.ts';
import { envoyAllows } from '../../testkit/policy-readers/envoy.ts';
import { istioAllows } from '../../testkit/policy-readers/istio.ts';
import { kubernetesAllows } from '../../testkit/policy-readers/kubernetes.ts';
import { kumaAllows } from '../../testkit/policy-readers/kuma.ts';
import { linkerdAllows } from '../../testkit/policy-readers/linkerd.ts';

type Reader = (objects: readonly object[], policy: AccessPolicy, request: AccessRequest) => boolean;

const peers = Object.fromEntries(
  Object.entries(PEER_NAMES).map(([trustDomain, name]) => [name, trustDomain]),
);

const identities: Reach = {
  callers: ({ kind }) => kind === 'identity',
  paths: ({ kind }) => kind === 'exact',
};

/** Each mesh, whether it reads paths as they are on the wire, what it can express, and how it decides. */
const MESHES: readonly (readonly [Exclude<Target, 'opa'>, boolean, Reach, Reader])[] = [
  ['envoy', true, {}, (objects, _, request) => envoyAllows(objects, request)],
  ['istio', false, {}, (objects, { service }, request) => istioAllows(objects, service, request)],
  [
    'consul',
    false,
    { callers: (caller) => trustDomainOfCaller(caller) === 'c.consul', ports: false },
    (objects, _, request) => consulAllows(objects, peers, request),
  ],
  ['kuma', true, { http: false }, (objects, _, request) => kumaAllows(objects, request)],
  ['linkerd', true, identities, (objects, { service }, request) => linkerdAllows(objects, service, request)],
  [
    'kubernetes',
    true,
    { ...identities, http: false },
    (objects, { service }, request) => kubernetesAllows(objects, service, request),
  ],
];

describe.each(MESHES)('a policy that is written for %s', (target, ambiguous, reach, allows) => {
  it('decides each request as our own judge does', () => {
    let allowed = 0;
    let decided = 0;
    fc.assert(
      fc.property(
        policies(reach).chain((policy) =>
          fc.tuple(
            fc.constant(policy),
            fc.array(requestsTo(policy.service, { ambiguous }), { minLength: 20, maxLength: 40 }),
          ),
        ),
        ([policy, requests]) => {
          const { objects, refused } = compilers[target](policy, PLACEMENT);
          if (objects.length === 0) return refused.length > 0;
          // What is refused is left out, which allows less and never more.
          const left = {
            ...policy,
            rules: policy.rules.filter(({ id }) => !refused.some(({ rule }) => rule === id)),
          };
          const ours = requests.map((request) => ({ request, allowed: judgeAccess(left, request).allowed }));
          expect(requests.map((request) => ({ request, allowed: allows(objects, policy, request) }))).toEqual(
            ours,
          );
          const allowedHere = ours.filter((each) => each.allowed);
          decided += ours.length;
          allowed += allowedHere.length;
          return allowedHere.every(({ request }) => judgeAccess(policy, request).allowed);
        },
      ),
      { numRuns: 1500 },
    );
    // Without this, a generator that allows nothing would prove nothing.
    expect(allowed / decided).toBeGreaterThan(0.1);
  });

  it('is the same text for the same policy', () => {
    fc.assert(
      fc.property(policies(reach), (policy) => {
        expect(JSON.stringify(compilers[target](structuredClone(policy), PLACEMENT))).toBe(
          JSON.stringify(compilers[target](policy, PLACEMENT)),
        );
      }),
      { numRuns: 50 },
    );
  });
});
