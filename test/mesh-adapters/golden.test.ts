import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exportedServiceMessage } from '../../src/grpc/index.ts';
import { announcementOf } from '../../src/mesh-adapters/consul/announcement.ts';
import { peerNameOf, renderTrustBundle } from '../../src/mesh-adapters/consul/render.ts';
import { clusterTrustBundlePlace } from '../../src/mesh-adapters/cluster-trust-bundle/render.ts';
import { filesOf, renderMaps, renderPeerFiles } from '../../src/mesh-adapters/files/render.ts';
import { renderMeshTrust } from '../../src/mesh-adapters/kuma/render.ts';
import { renderImport as renderKumaImport } from '../../src/mesh-adapters/kuma/render-import.ts';
import { sourcePlace } from '../../src/mesh-adapters/linkerd/render.ts';
import { renderImport as renderLinkerdImport } from '../../src/mesh-adapters/linkerd/render-import.ts';
import { renderSpireBundle } from '../../src/mesh-adapters/spire/render.ts';
import {
  bundleOf,
  certificatesFromPem,
  parseTrustDomain,
  pemFromCertificates,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';

import { importedPort, importedService } from '../../testkit/imported-services.ts';

const FIXTURES = '../../fixtures/mesh';
const trustDomain = parseTrustDomain('west.example');
/** Two fixed roots of `west.example`, so that what is rendered from them never changes. */
const roots = certificatesFromPem(
  readFileSync(new URL(`${FIXTURES}/west-roots.pem`, import.meta.url), 'utf8'),
).map(x509AuthorityFromDer);
const bundle = bundleOf(trustDomain, roots, { sequence: 18446744073709551615n, refreshHintSeconds: 300 });

describe('renderPeerFiles() and renderMaps()', () => {
  it('gives a PEM, a bundle document and the maps, for any order of the roots', async () => {
    const own = { trustDomain: parseTrustDomain('east.example'), roots: roots.slice(0, 1) };
    const start = roots[0]?.notBefore ?? new Date(0);
    const filesFor = (some: typeof bundle) => {
      const names = filesOf(some.trustDomain);
      const { pem, document } = renderPeerFiles(some);
      return new Map([
        [names.pem, pem],
        [names.bundle, document],
        ...renderMaps([some], own, { ended: [], nobody: undefined, now: start }),
      ]);
    };
    const files = filesFor(bundle);
    expect(filesFor(bundleOf(trustDomain, roots.toReversed(), bundle))).toEqual(files);
    expect([...files.keys()]).toEqual([
      'west.example.pem',
      'west.example.json',
      'bundles.json',
      'grpc-bundles.json',
    ]);
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

describe('announcementOf()', () => {
  it('gives an import of two ports and two gateways as services of Consul, in one order', async () => {
    const imported = importedService({
      id: 'web.shop',
      ports: [
        importedPort({ name: 'http', sni: 'http.web.shop.west.example' }),
        importedPort({ name: 'db', port: 5432, protocol: 'tcp', sni: 'db.web.shop.west.example' }),
      ],
    });
    const rendered = announcementOf([imported]).services.map(({ name, content }) => ({
      name,
      ...exportedServiceMessage.decode(content),
    }));
    await expect(pretty(rendered)).toMatchFileSnapshot(`${FIXTURES}/consul/services/announcement.json`);
  });
});

describe('renderImport() of Linkerd', () => {
  it('gives ExternalWorkloads and their Service', async () => {
    const rendered = renderLinkerdImport(importedService({ id: 'web.shop' }));
    if ('fault' in rendered) throw new TypeError(rendered.fault.message);
    const objects = rendered.objects.map(({ kind, ...object }) => ({ kind: kind.kind, ...object }));
    await expect(pretty(objects)).toMatchFileSnapshot(`${FIXTURES}/linkerd/services/import.json`);
  });
});

describe('renderImport() of Kuma', () => {
  it('gives identity, Dataplane and MeshService', async () => {
    const objects = renderKumaImport(importedService({ id: 'web.shop' }), 3).map(({ kind, ...object }) => ({
      type: kind.kind,
      ...object,
    }));
    await expect(pretty(objects)).toMatchFileSnapshot(`${FIXTURES}/kuma/services/import.json`);
  });
});

const pretty = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

describe('renderMeshTrust()', () => {
  it('gives one CA bundle a root in one order, with the marks of ours', async () => {
    const marks = { mesh: 'default', namePrefix: 'federate-', origin: 'zone' } as const;
    const trust = renderMeshTrust(trustDomain, roots, marks);
    expect(renderMeshTrust(trustDomain, roots.toReversed(), marks)).toEqual(trust);
    await expect(pretty(trust)).toMatchFileSnapshot(`${FIXTURES}/kuma/two-roots/mesh-trust.json`);
  });
});

describe('renderSpireBundle()', () => {
  it('gives roots in one order, with the sequence and the hint they came with', async () => {
    const rendered = renderSpireBundle(bundle, roots, []);
    expect(renderSpireBundle(bundle, roots.toReversed(), [])).toEqual(rendered);
    const x509_authorities = rendered.x509_authorities.map(({ asn1, tainted }) => ({
      asn1: asn1.toString('base64'),
      tainted,
    }));
    await expect(pretty({ ...rendered, x509_authorities })).toMatchFileSnapshot(
      `${FIXTURES}/spire/two-roots/bundle.json`,
    );
  });
});

describe('the objects of one foreign trust domain', () => {
  const pem = pemFromCertificates(roots.map(({ der }) => der));
  const places = {
    'linkerd/two-roots/config-map.json': sourcePlace('cert-manager', 'federate-'),
    'cluster-trust-bundle/two-roots/object.json': clusterTrustBundlePlace('v1beta1', {
      namePrefix: 'federate-',
      signerName: 'federate.example/peers',
    }),
  };

  it.each(Object.entries(places))('are rendered as %s, and read back', async (file, place) => {
    const rendered = place.render(pem);
    await expect(pretty(rendered)).toMatchFileSnapshot(`${FIXTURES}/${file}`);
    expect(place.pemOf({ ...rendered, metadata: { name: 'n', resourceVersion: '1' } })).toBe(pem);
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
