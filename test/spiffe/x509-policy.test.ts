import { describe, expect, it } from 'vitest';
import { CONTEXT, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import type { PolicySettings } from '../../src/spiffe/index.ts';
import { judge, type Made, makeCa, makeLeaf } from './chain-maker.ts';

const ANY = '2.5.29.32.0';
const A = '1.3.6.1.4.1.99.1';
const B = '1.3.6.1.4.1.99.2';

/** The policy extensions of one certificate of a chain. */
interface Says {
  readonly policies?: readonly string[];
  readonly mappings?: readonly (readonly [string, string])[];
  readonly explicit?: number;
  readonly noMapping?: number;
  readonly noAny?: number;
  readonly selfIssued?: boolean;
}

function extensionsOf({ policies, mappings, explicit, noMapping, noAny }: Says) {
  const oids = (...values: string[]) => derElement(Tag.sequence, ...values.map(derObjectIdentifier));
  const found: { oid: string; critical: boolean; value: Uint8Array }[] = [];
  if (policies)
    found.push({
      oid: '2.5.29.32',
      critical: false,
      value: derElement(Tag.sequence, ...policies.map((policy) => oids(policy))),
    });
  if (mappings)
    found.push({
      oid: '2.5.29.33',
      critical: true,
      value: derElement(Tag.sequence, ...mappings.map((pair) => oids(...pair))),
    });
  if (explicit !== undefined || noMapping !== undefined) {
    const parts = [
      ...(explicit === undefined ? [] : [derInteger(explicit, CONTEXT)]),
      ...(noMapping === undefined ? [] : [derInteger(noMapping, CONTEXT | 1)]),
    ];
    found.push({ oid: '2.5.29.36', critical: true, value: derElement(Tag.sequence, ...parts) });
  }
  if (noAny !== undefined) found.push({ oid: '2.5.29.54', critical: true, value: derInteger(noAny) });
  return found;
}

/** Judges a chain from the certificate below the anchor down to the leaf. */
async function run(chain: readonly Says[], policies: PolicySettings = {}): Promise<string> {
  const anchor = await makeCa('CN=Anchor');
  let issuer: Made = anchor;
  let subject = 'CN=Anchor';
  const helpers: Uint8Array[] = [];
  for (const [index, says] of chain.slice(0, -1).entries()) {
    if (!says.selfIssued) subject = `CN=CA ${index}`;
    issuer = await makeCa(subject, issuer, { extensions: extensionsOf(says) });
    helpers.push(issuer.der);
  }
  const last = chain.at(-1) ?? {};
  const { der } = await makeLeaf(issuer, {
    subject: last.selfIssued ? subject : '',
    extensions: extensionsOf(last),
  });
  return judge(der, helpers, [anchor.der], { policies }).replace(/ (over|of) .*/, '');
}

const explicit: PolicySettings = { requireExplicitPolicy: true };
const a = { policies: [A] };
const b = { policies: [B] };
const any = { policies: [ANY] };

describe('certificate policies (RFC 5280 §6.1)', () => {
  it.each<[string, readonly Says[], PolicySettings, string]>([
    ['nothing is asked, nothing is said', [{}, {}], {}, 'accepted'],
    ['nothing is asked, policies differ', [a, b], {}, 'accepted'],
    [
      'nothing is required, and there is nothing left to map',
      [{}, { policies: [A], mappings: [[A, B]] }, b],
      {},
      'accepted',
    ],
    ['a policy on the whole path', [a, a], explicit, 'accepted'],
    ['a policy missing in the middle', [{}, a], explicit, 'policy-refused'],
    ['a policy missing in the leaf', [a, {}], explicit, 'policy-refused'],
    ['policies that differ', [a, b], explicit, 'policy-refused'],
    ['one of two goes through', [{ policies: [A, B] }, b], explicit, 'accepted'],
    ['anyPolicy above', [any, a], explicit, 'accepted'],
    ['anyPolicy below', [a, any], explicit, 'accepted'],
    ['the policy asked for', [a, a], { ...explicit, acceptedPolicies: new Set([A]) }, 'accepted'],
    [
      'another policy than asked for',
      [a, a],
      { ...explicit, acceptedPolicies: new Set([B]) },
      'policy-refused',
    ],
    ['another policy, but none has to be explicit', [a, a], { acceptedPolicies: new Set([B]) }, 'accepted'],
    ['anyPolicy for what is asked', [any, any], { ...explicit, acceptedPolicies: new Set([B]) }, 'accepted'],
    [
      'the policy asked for, below anyPolicy',
      [any, a],
      { ...explicit, acceptedPolicies: new Set([A]) },
      'accepted',
    ],
    [
      'another than asked for, below anyPolicy',
      [any, a],
      { ...explicit, acceptedPolicies: new Set([B]) },
      'policy-refused',
    ],
    [
      'anyPolicy inhibited from the start',
      [any, a],
      { ...explicit, inhibitAnyPolicy: true },
      'policy-refused',
    ],
  ])('%s', async (_name, chain, settings, expected) => {
    expect(await run(chain, settings)).toBe(expected);
  });

  it.each<[string, readonly Says[], string]>([
    [
      'requireExplicitPolicy 0 in a CA, no policy below',
      [{ policies: [A], explicit: 0 }, {}],
      'policy-refused',
    ],
    ['requireExplicitPolicy 0 in a CA, the policy below', [{ policies: [A], explicit: 0 }, a], 'accepted'],
    ['requireExplicitPolicy 0 in a CA without policies', [{ explicit: 0 }, a], 'policy-refused'],
    [
      'requireExplicitPolicy 1 leaves a leaf alone that it counts out',
      [{ policies: [A], explicit: 2 }, {}],
      'accepted',
    ],
    ['requireExplicitPolicy 1 counts down', [{ policies: [A], explicit: 1 }, a, {}], 'policy-refused'],
    [
      'requireExplicitPolicy does not count self-issued CAs',
      [{ policies: [A], explicit: 2, selfIssued: true }, { policies: [A], selfIssued: true }, {}],
      'accepted',
    ],
    ['requireExplicitPolicy 0 in the leaf', [{}, { explicit: 0 }], 'policy-refused'],
    ['requireExplicitPolicy 0 in the leaf, with policies', [a, { policies: [A], explicit: 0 }], 'accepted'],
    [
      'requireExplicitPolicy cannot be taken back',
      [{ policies: [A], explicit: 0 }, { policies: [A], explicit: 5 }, {}],
      'policy-refused',
    ],
    ['inhibitAnyPolicy 0', [{ policies: [A], explicit: 0, noAny: 0 }, any], 'policy-refused'],
    [
      'inhibitAnyPolicy 1 lets one more say any',
      [{ policies: [A], explicit: 0, noAny: 1 }, any, a],
      'accepted',
    ],
    [
      'inhibitAnyPolicy 1 counts down',
      [{ policies: [A], explicit: 0, noAny: 1 }, any, any],
      'policy-refused',
    ],
    [
      'inhibitAnyPolicy lets a self-issued CA say any',
      [{ policies: [A], explicit: 0, noAny: 0, selfIssued: true }, { policies: [ANY], selfIssued: true }, a],
      'accepted',
    ],
    ['a mapping', [{ policies: [A], explicit: 0, mappings: [[A, B]] }, b], 'accepted'],
    [
      'a mapping replaces what it maps',
      [{ policies: [A], explicit: 0, mappings: [[A, B]] }, a],
      'policy-refused',
    ],
    ['a mapping under anyPolicy', [{ policies: [ANY], explicit: 0, mappings: [[A, B]] }, b], 'accepted'],
    [
      'mapping inhibited',
      [{ policies: [A], explicit: 0, noMapping: 0 }, { policies: [A], mappings: [[A, B]] }, b],
      'policy-refused',
    ],
    [
      'mapping inhibited takes the mapped policy away',
      [{ policies: [A], explicit: 0, noMapping: 0 }, { policies: [A], mappings: [[A, B]] }, a],
      'policy-refused',
    ],
    [
      'inhibitPolicyMapping 1 lets the next one map',
      [{ policies: [A], explicit: 0, noMapping: 1 }, { policies: [A], mappings: [[A, B]] }, b],
      'accepted',
    ],
    [
      'inhibitPolicyMapping 1 counts down',
      [
        { policies: [A], explicit: 0, noMapping: 1 },
        { policies: [A], mappings: [[A, B]] },
        { policies: [B], mappings: [[B, A]] },
        a,
      ],
      'policy-refused',
    ],
    [
      'inhibitPolicyMapping alone',
      [
        { policies: [A], noMapping: 0 },
        { policies: [A], mappings: [[A, B]] },
        { policies: [B], explicit: 0 },
      ],
      'policy-refused',
    ],
    [
      'a mapping of a policy that is not there',
      [{ policies: [A], explicit: 0, mappings: [[B, A]] }, a],
      'accepted',
    ],
    [
      'several mappings',
      [
        {
          policies: [A, B],
          explicit: 0,
          mappings: [
            [A, `${A}.1`],
            [B, `${B}.1`],
          ],
        },
        { policies: [`${B}.1`] },
      ],
      'accepted',
    ],
    [
      'a self-issued leaf cannot use any where that is inhibited',
      [
        { policies: [A], explicit: 0, noAny: 0 },
        { policies: [ANY], selfIssued: true },
      ],
      'policy-refused',
    ],
    [
      'a self-issued leaf still counts down',
      [{ policies: [A], explicit: 1 }, { selfIssued: true }],
      'policy-refused',
    ],
    ['mappings in a leaf mean nothing', [a, { policies: [A], mappings: [[ANY, B]] }], 'accepted'],
    ['anyPolicy mapped', [{ policies: [A], mappings: [[ANY, B]] }, b], 'policy-refused'],
    ['mapped to anyPolicy', [{ policies: [A], mappings: [[A, ANY]] }, b], 'policy-refused'],
  ])('%s', async (_name, chain, expected) => {
    expect(await run(chain)).toBe(expected);
  });

  it('names the certificate that broke them', async () => {
    const about = async (chain: readonly Says[]) => {
      const anchor = await makeCa('CN=Anchor');
      const upper = await makeCa('CN=Upper', anchor, { extensions: extensionsOf(chain[0] ?? {}) });
      const lower = await makeCa('CN=Lower', upper, { extensions: extensionsOf(chain[1] ?? {}) });
      const { der } = await makeLeaf(lower, { extensions: extensionsOf(chain[2] ?? {}) });
      return judge(der, [lower.der, upper.der], [anchor.der], { policies: explicit });
    };
    const anchor = await makeCa('CN=Anchor');
    const ca = await makeCa('CN=Upper', anchor);
    const below = await makeLeaf(ca, { extensions: extensionsOf(a) });
    expect(judge(below.der, [ca.der], [anchor.der], { policies: explicit })).toBe(
      'policy-refused of helper 0',
    );
    expect(await about([a, a, a])).toBe('accepted over 4');
    expect(await about([{}, a, a])).toBe('policy-refused of helper 1');
    expect(await about([a, {}, a])).toBe('policy-refused of helper 0');
    expect(await about([a, a, {}])).toBe('policy-refused of leaf 0');
    expect(await about([a, { policies: [A], mappings: [[A, ANY]] }, a])).toBe('policy-refused of helper 0');
    expect(await about([a, a, { policies: [B] }])).toBe('policy-refused of leaf 0');
  });

  it('uses the anchor’s name for a mapped policy', async () => {
    const chain = [{ policies: [A], mappings: [[A, B] as const] }, b];
    expect(await run(chain, { ...explicit, acceptedPolicies: new Set([A]) })).toBe('accepted');
    expect(await run(chain, { ...explicit, acceptedPolicies: new Set([B]) })).toBe('policy-refused');
  });

  it('uses the anchor’s name for a mapped policy that anyPolicy admitted', async () => {
    const chain = [{ policies: [ANY], mappings: [[A, B] as const] }, b];
    expect(await run(chain, { ...explicit, acceptedPolicies: new Set([A]) })).toBe('accepted');
    expect(await run(chain, { ...explicit, acceptedPolicies: new Set([B]) })).toBe('policy-refused');
  });

  it('refuses under inhibited mapping from the start', async () => {
    const chain = [{ policies: [A], mappings: [[A, B] as const] }, b];
    expect(await run(chain, { ...explicit, inhibitPolicyMapping: true })).toBe('policy-refused');
  });

  it('does work proportional to the number of mappings', async () => {
    // A tree of valid policies would have 10^8 leaves here, and as many ways lead from the leaf to
    // the anchor.
    const policies = Array.from({ length: 10 }, (_, number) => `${A}.${number}`);
    const mappings = policies.flatMap((from) => policies.map((to) => [from, to] as const));
    const chain = [...Array.from({ length: 7 }, () => ({ policies, mappings, explicit: 0 })), { policies }];
    expect(await run(chain)).toBe('accepted');
    expect(await run(chain, { acceptedPolicies: new Set([B]) })).toBe('policy-refused');
  });

  it('ignores qualifiers', async () => {
    const qualified = derElement(
      Tag.sequence,
      derElement(
        Tag.sequence,
        derObjectIdentifier(A),
        derElement(
          Tag.sequence,
          derElement(
            Tag.sequence,
            derObjectIdentifier('1.3.6.1.5.5.7.2.1'),
            derElement(0x16, Buffer.from('x')),
          ),
        ),
      ),
    );
    const anchor = await makeCa('CN=Anchor');
    const leaf = await makeLeaf(anchor, {
      extensions: [{ oid: '2.5.29.32', critical: true, value: qualified }],
    });
    expect(judge(leaf.der, [], [anchor.der], { policies: explicit })).toBe('accepted over 2');
  });
});
