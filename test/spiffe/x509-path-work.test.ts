import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as Crypto from 'node:crypto';
import type * as NameConstraints from '../../src/spiffe/x509/name-constraints.ts';
import { judge, type Made, makeCa, makeLeaf } from './chain-maker.ts';

/** The operations really performed, counted where they happen. */
const work = vi.hoisted(() => ({ signatures: 0, comparisons: 0 }));

vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof Crypto>();
  const verify = (...args: Parameters<typeof crypto.verify>) => {
    work.signatures += 1;
    return crypto.verify(...args);
  };
  return { ...crypto, verify };
});

vi.mock('../../src/spiffe/x509/name-constraints.ts', async (importOriginal) => {
  const constraints = await importOriginal<typeof NameConstraints>();
  const judgeNames: typeof constraints.judgeNames = (subtrees, names, count) =>
    constraints.judgeNames(subtrees, names, () => {
      work.comparisons += 1;
      count();
    });
  return { ...constraints, judgeNames };
});

beforeEach(() => {
  work.signatures = 0;
  work.comparisons = 0;
});

const ders = (made: readonly Made[]) => made.map(({ der }) => der);
const hundred = Array.from({ length: 100 }, (_, number) => number);

describe('verifyX509Path() does a bounded number of signature checks (X509-37)', () => {
  let ring: Made[];
  let below: Made;
  beforeAll(async () => {
    // A hundred CAs of one name without key identifiers, each certified by the next: every one is a
    // candidate issuer of every other.
    const cas = await Promise.all(
      hundred.map(() => makeCa('CN=Same', undefined, { withKeyIdentifiers: false })),
    );
    ring = await Promise.all(
      cas.map((ca, index) =>
        makeCa('CN=Same', cas[(index + 1) % cas.length] ?? ca, { keys: ca, withKeyIdentifiers: false }),
      ),
    );
    below = await makeLeaf(cas[99] as Made, { withKeyIdentifiers: false });
  });

  it('checks none where a peer sends a hundred cross-signed CAs', () => {
    expect(judge(below.der, ders(ring.slice(-15)), ders(ring.slice(-1)))).toBe('accepted over 2');
    expect(work.signatures).toBe(1);
    expect(judge(below.der, ders(ring), ders(ring.slice(-1)))).toBe('too-many-certificates');
    expect(work.signatures).toBe(1);
  });

  it('ends at 64 where a hundred cross-signed CAs are anchors, or where more may be sent', () => {
    expect(judge(below.der, [], ders(ring.slice(36)))).toBe('accepted over 2');
    expect(work.signatures).toBe(64);
    work.signatures = 0;
    expect(judge(below.der, [], ders(ring))).toBe('signature-limit of leaf 0');
    expect(work.signatures).toBe(64);
    work.signatures = 0;
    expect(judge(below.der, ders(ring), [], { limits: { maxCertificates: 101 } })).toBe(
      'signature-limit of leaf 0',
    );
    expect(work.signatures).toBe(64);
  });

  it('uses one budget for all attempts, also further up', () => {
    const limits = { maxCertificates: 101, maxSignatureChecks: 150 };
    expect(judge(below.der, ders(ring), [], { limits })).toMatch(/^signature-limit of helper/);
    expect(work.signatures).toBe(150);
  });

  it('checks each signature once, however many paths go through it', async () => {
    // Each of four certified each other: the number of paths grows with the factorial.
    const cas = await Promise.all([1, 2, 3, 4].map((number) => makeCa(`CN=${number}`)));
    const crossed = await Promise.all(
      cas.flatMap((subject, index) =>
        cas
          .filter((issuer) => issuer !== subject)
          .map((issuer) => makeCa(`CN=${index + 1}`, issuer, { keys: subject })),
      ),
    );
    const leaf = await makeLeaf(cas[0] as Made);
    expect(judge(leaf.der, ders(crossed), [])).toMatch(/^issuer-not-found of helper/);
    // The leaf under three certificates of its issuer, and each of the twelve under three of
    // another.
    expect(work.signatures).toBeLessThanOrEqual(3 + 12 * 3);
  });

  it('checks none under a key it refuses or a name that does not fit', async () => {
    const other = await makeCa('CN=Other');
    expect(judge(below.der, [], [other.der])).toBe('issuer-not-found of leaf 0');
    const ed = await makeCa('CN=Same', undefined, { keyKind: 'Ed25519', withKeyIdentifiers: false });
    expect(judge(below.der, [], [ed.der])).toBe('signature-invalid of leaf 0');
    expect(work.signatures).toBe(0);
  });
});

describe('verifyX509Path() looks at a bounded number of candidates (X509-37)', () => {
  it('ends at the limit and names the certificate whose issuer it looked for', async () => {
    const [a, b, c] = [await makeCa('CN=A'), await makeCa('CN=B'), await makeCa('CN=C')];
    const helpers = [
      await makeCa('CN=A', b, { keys: a }),
      await makeCa('CN=B', c, { keys: b }),
      await makeCa('CN=C', a, { keys: c }),
    ];
    const leaf = await makeLeaf(a);
    const run = (maxCandidates: number) => judge(leaf.der, ders(helpers), [], { limits: { maxCandidates } });
    // A, B, C, and A once more, which is skipped.
    expect(run(4)).toBe('issuer-not-found of helper 2');
    expect(run(3)).toBe('search-limit of helper 2');
    expect(run(1)).toBe('search-limit of helper 0');
  });
});

describe('verifyX509Path() does a bounded number of name comparisons (X509-37)', () => {
  const host = (kind: string, number: number) => `${kind}${number}.example`;

  it('ends at 50000 where a CA and a leaf have a thousand names each', async () => {
    const thousand = Array.from({ length: 1000 }, (_, number) => number);
    const root = await makeCa('CN=Root', undefined, {
      nameConstraints: { excludedDns: thousand.map((number) => host('out', number)) },
    });
    const few = await makeLeaf(root, { dnsSans: thousand.slice(0, 49).map((number) => host('in', number)) });
    expect(judge(few.der, [], [root.der])).toBe('accepted over 2');
    // The URI and 49 names.
    expect(work.comparisons).toBe(50_000);
    work.comparisons = 0;
    const many = await makeLeaf(root, { dnsSans: thousand.map((number) => host('in', number)) });
    expect(judge(many.der, [], [root.der])).toBe('name-comparison-limit of leaf 0');
    expect(work.comparisons).toBe(50_001);
  });

  it('uses one budget for all CAs of a path and on all paths', async () => {
    const permittedDns = ['in.example', 'in.test'];
    const root = await makeCa('CN=Root', undefined, { nameConstraints: { permittedDns } });
    const middle = await makeCa('CN=Middle', root, {
      dnsSans: ['ca.in.example'],
      nameConstraints: { excludedDns: ['out.example'] },
    });
    const leaf = await makeLeaf(middle, { dnsSans: ['a.in.example'] });
    const run = (maxNameComparisons: number) =>
      judge(leaf.der, [middle.der], [root.der], { limits: { maxNameComparisons } });
    // The middle holds one subtree against two names, the root two against the leaf's two and
    // against the middle's two.
    expect(run(1 * 2 + 2 * 2 + 2 * 2)).toBe('accepted over 3');
    expect(work.comparisons).toBe(10);
    expect(run(9)).toBe('name-comparison-limit of helper 0');
    expect(run(5)).toBe('name-comparison-limit of leaf 0');
  });
});
