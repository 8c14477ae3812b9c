import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  callerText,
  judgeAccess,
  mayCall,
  readRule,
  trustDomainOfCaller,
  writeRule,
} from '../../src/services/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { policies, IDENTITIES } from '../../testkit/access-policies.ts';

const a = parseTrustDomain('a.example');
const METHODS = ['GET', 'POST', 'DELETE'];
const PATHS = ['/', '/v1', '/v1/a', '/v10', '/remarks', '/other'];
const HEADERS = [{}, { 'x-tenant': 'one', 'x-kind': 'b c' }, { 'x-tenant': 'two' }];

describe('mayCall()', () => {
  it('names every identity of the trust domain that some request of it gets in, and no other trust domain', () => {
    fc.assert(
      fc.property(policies(), (policy) => {
        const callers = mayCall(policy, a);
        expect(callers.every((caller) => trustDomainOfCaller(caller) === a)).toBe(true);
        const named = callers.map(callerText);
        for (const caller of IDENTITIES.filter((id) => id.startsWith('spiffe://a.example/'))) {
          const isLetIn = policy.service.ports.some(({ name: port }) =>
            METHODS.some((method) =>
              PATHS.some((path) =>
                HEADERS.some(
                  (headers) => judgeAccess(policy, { caller, port, method, path, headers }).allowed,
                ),
              ),
            ),
          );
          const isNamed = named.some((text) => text === 'a.example' || text === caller);
          expect(isNamed || !isLetIn).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('writeRule() and readRule()', () => {
  it('keep every decision of a rule', () => {
    fc.assert(
      fc.property(policies(), ({ rules }) => {
        for (const rule of rules) {
          const document = writeRule(rule);
          const read = readRule(rule.id, JSON.parse(JSON.stringify(document)));
          expect(writeRule(read)).toEqual(document);
          expect(read.callers.length).toBe(rule.callers.length);
          expect(Object.keys(read.http ?? {}).toSorted()).toEqual(Object.keys(rule.http ?? {}).toSorted());
        }
      }),
    );
  });
});
