import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { peerNameOf, renderTrustBundle } from '../../src/mesh-adapters/consul/render.ts';
import { renderFiles } from '../../src/mesh-adapters/files/render.ts';
import {
  bundleOf,
  certificatesFromPem,
  parseTrustDomain,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';

const FIXTURES = '../../fixtures/mesh';
const trustDomain = parseTrustDomain('west.example');
/** Two fixed roots of `west.example`, so that what is rendered from them never changes. */
const roots = certificatesFromPem(
  readFileSync(new URL(`${FIXTURES}/west-roots.pem`, import.meta.url), 'utf8'),
).map(x509AuthorityFromDer);
const bundle = bundleOf(trustDomain, roots, { sequence: 18446744073709551615n, refreshHintSeconds: 300 });

describe('renderFiles()', () => {
  it('gives a PEM, a bundle document and the map, whatever the order of the roots', async () => {
    const files = renderFiles([bundle]);
    expect(renderFiles([bundleOf(trustDomain, roots.toReversed(), bundle)])).toEqual(files);
    expect([...files.keys()]).toEqual(['west.example.pem', 'west.example.json', 'bundles.json']);
    for (const [name, content] of files)
      await expect(Buffer.from(content).toString('utf8')).toMatchFileSnapshot(
        `${FIXTURES}/files/two-roots/${name}`,
      );
  });
});

describe('renderTrustBundle()', () => {
  it('gives one PEM a root in one order', async () => {
    const message = renderTrustBundle(trustDomain, roots);
    expect(renderTrustBundle(trustDomain, roots.toReversed())).toEqual(message);
    await expect(`${JSON.stringify(message, undefined, 2)}\n`).toMatchFileSnapshot(
      `${FIXTURES}/consul/two-roots/peering-trust-bundle.json`,
    );
  });
});

describe('peerNameOf()', () => {
  it('gives a DNS label that no other trust domain gets, however long or alike they are', () => {
    const names = ['a.b', 'a-b', `${'x'.repeat(60)}.example`, `${'x'.repeat(60)}.example2`].map((name) =>
      peerNameOf(parseTrustDomain(name), 'federate-'),
    );
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    expect(new Set(names).size).toBe(names.length);
  });
});
