import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type AccessPolicy, type AccessRequest, judgeAccess } from '../../src/services/index.ts';
import { policies, requestsTo } from '../../testkit/access-policies.ts';

/** One policy, with requests to its service, ambiguous paths included. */
export interface Case {
  readonly policy: AccessPolicy;
  readonly requests: readonly AccessRequest[];
}

const POLICIES = 70;
const REQUESTS = 150;

/** More than 10,000 requests; other ones in each run, whose seed is printed. */
export function randomCases(): readonly Case[] {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`  seed of the policies and requests: ${seed}`);
  return fc.sample(policies(), { seed, numRuns: POLICIES }).map((policy, index) => ({
    policy,
    requests: fc.sample(requestsTo(policy.service, { ambiguous: true }), {
      seed: seed + index,
      numRuns: REQUESTS,
    }),
  }));
}

/** Compares the decisions of an engine with ours, and prints how many there were. */
export function compareDecisions(cases: readonly Case[], decisions: readonly (readonly boolean[])[]): void {
  let [count, allowed] = [0, 0];
  for (const [index, { policy, requests }] of cases.entries()) {
    for (const [place, request] of requests.entries()) {
      const verdict = judgeAccess(policy, request);
      assert.equal(decisions[index]?.[place], verdict.allowed, JSON.stringify({ policy, request, verdict }));
      count += 1;
      allowed += Number(verdict.allowed);
    }
  }
  assert.ok(count >= 10_000 && allowed > count / 20, `${allowed} of ${count} decisions were yes`);
  console.log(`  ${count} decisions, ${allowed} of them yes, without a disagreement`);
}
