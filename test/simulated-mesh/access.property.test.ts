import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessFor } from '../../src/demonstration/simulated-mesh/istio/discovery/access-rules.ts';
import { parseObject } from '../../src/demonstration/simulated-mesh/istio/check-object.ts';
import { ObjectStore } from '../../src/demonstration/simulated-mesh/istio/object-store.ts';
import { AUTHORIZATION_POLICIES } from '../../src/demonstration/simulated-mesh/istio/resource-types.ts';
import { judgeFilters } from '../../src/demonstration/sidecar/index.ts';
import { readPolicyData } from '../../src/demonstration/sidecar/access/read-policy-data.ts';
import { decodeAccessFilter, encodeAccessFilter } from '../../src/workload-api/index.ts';
import { type AccessPolicy, type AccessRequest, compilers, judgeAccess } from '../../src/services/index.ts';
import { PLACEMENT, policies, requestsTo } from '../../testkit/access-policies.ts';
import { TestClock } from '../../testkit/test-clock.ts';

/** The policy as a simulated Istio enforces it, by the objects that are written for Istio. */
function inIstio(policy: AccessPolicy): (request: AccessRequest) => boolean {
  const store = new ObjectStore({ clock: new TestClock(new Date(0)), save: () => {} });
  store.addNamespace(PLACEMENT.namespace);
  for (const object of compilers.istio(policy, PLACEMENT).objects)
    store.create(
      AUTHORIZATION_POLICIES,
      parseObject(AUTHORIZATION_POLICIES, object, { namespace: PLACEMENT.namespace }),
    );
  const access = accessFor(PLACEMENT, { store, rootNamespace: 'istio-system' });
  const sent = (name: 'deny' | 'allow') =>
    decodeAccessFilter(encodeAccessFilter({ name, rules: access[name] })).rules;
  const filters = { deny: sent('deny'), allow: sent('allow') };
  return ({ caller, port, method = '', path = '', headers = {} }) => {
    const number = policy.service.ports.find(({ name }) => name === port)?.port ?? 0;
    return judgeFilters(filters, { caller, method, path, headers, port: number }).allowed;
  };
}

/** The policy as a sidecar reads it from the data for OPA. */
function inPolicyFile(policy: AccessPolicy): (request: AccessRequest) => boolean {
  const data = compilers
    .opa(policy, PLACEMENT)
    .objects.find((object) => 'path' in object && object.path === 'federate/data.json');
  const read = readPolicyData(JSON.stringify(data && 'content' in data ? data.content : {}));
  const held = read.get(policy.service.id);
  return (request) => held !== undefined && judgeAccess(held, request).allowed;
}

describe.each([
  ['a simulated Istio', false, inIstio],
  ['the data for OPA', true, inPolicyFile],
] as const)('a policy in %s', (_name, ambiguous, enforce) => {
  it('lets a sidecar decide each request as our own judge does', () => {
    let [decided, allowed] = [0, 0];
    const cases = policies({}).chain((policy) =>
      fc.tuple(
        fc.constant(policy),
        fc.array(requestsTo(policy.service, { ambiguous }), { minLength: 20, maxLength: 40 }),
      ),
    );
    fc.assert(
      fc.property(cases, ([policy, requests]) => {
        const allows = enforce(policy);
        for (const request of requests) {
          const expected = judgeAccess(policy, request).allowed;
          expect({ request, allowed: allows(request) }).toEqual({ request, allowed: expected });
          decided += 1;
          if (expected) allowed += 1;
        }
      }),
    );
    expect(decided).toBeGreaterThan(1000);
    expect(allowed).toBeGreaterThan(decided / 50);
  });
});
