import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createServiceFiles } from '../../../src/mesh-adapters/contract/service-files.ts';
import type { WantedAccess, WantedExport } from '../../../src/mesh-adapters/index.ts';
import { parseCaller, parseServiceId } from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { importedService } from '../../../testkit/imported-services.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

const { signal } = new AbortController();
const ports = [{ name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false }];
const exported = (id: string): WantedExport => ({
  service: {
    id: parseServiceId(id),
    ports,
    spiffeIds: [parseSpiffeId('spiffe://a.example/shop')],
    labels: {},
    origin: 'operator',
  },
  consumers: [parseTrustDomain('b.example')],
});
const access = (id: string): WantedAccess => ({
  policy: {
    service: { id: parseServiceId(id), ports },
    rules: [{ id: 'read', effect: 'allow', callers: [parseCaller('spiffe://b.example/x')] }],
  },
  placement: { namespace: '', labels: {}, peerNames: {} },
});

/** Every file below a folder with its text. */
function filesIn(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
      })
      .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
}

function open() {
  const folder = tempDir();
  const services = createServiceFiles(folder.file('services'), new TestClock(TEST_INSTANT));
  return { services, place: folder.file('services'), [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

describe('services as files', () => {
  it('hold what is wanted, change nothing a second time, and are gone at the end', async () => {
    using world = open();
    const { services, place } = world;
    expect(await services.applyImports([importedService()], signal)).toMatchObject([{ state: 'written' }]);
    expect(await services.applyExports([exported('shop')], signal)).toMatchObject([{ state: 'written' }]);
    expect(await services.applyAccess([access('shop'), access('web')], signal)).toHaveLength(2);
    const held = filesIn(place);
    expect(Object.keys(held)).toEqual([
      'access.json',
      'exports.json',
      'imports.json',
      'opa/.manifest',
      'opa/federate/authz.rego',
      'opa/federate/data.json',
    ]);
    expect(JSON.parse(held['imports.json'] ?? '')).toMatchObject({
      imports: [
        {
          name: 'info.west.federated',
          service: 'info',
          trust_domain: 'west.example',
          spiffe_ids: ['spiffe://west.example/ns/weather/sa/info'],
          ports: [{ sni: 'info.west.example', endpoints: [{ host: '203.0.113.7', port: 15_443 }] }],
        },
      ],
    });
    expect(Object.keys(JSON.parse(held['opa/federate/data.json'] ?? '').services)).toEqual(['shop', 'web']);
    expect(JSON.parse(held['opa/.manifest'] ?? '').roots).toEqual(['federate']);
    await services.applyImports([importedService()], signal);
    await services.applyExports([exported('shop')], signal);
    await services.applyAccess([access('shop'), access('web')], signal);
    expect(filesIn(place)).toEqual(held);
    expect(await services.applyImports([], signal)).toEqual([]);
    expect(await services.applyExports([], signal)).toEqual([]);
    expect(await services.applyAccess([], signal)).toEqual([]);
    expect(filesIn(place)).toEqual({});
  });

  it('leave out an import without identity, and keep the others', async () => {
    using world = open();
    const reports = await world.services.applyImports(
      [importedService({ id: 'bare', spiffeIds: [] }), importedService()],
      signal,
    );
    expect(reports.map(({ state, code }) => [state, code])).toEqual([
      ['refused', 'import-incomplete'],
      ['written', undefined],
    ]);
    expect(JSON.parse(filesIn(world.place)['imports.json'] ?? '').imports).toHaveLength(1);
  });

  it('leave a file of another writer as it is, wanted or not', async () => {
    using world = open();
    mkdirSync(join(world.place, 'opa'), { recursive: true });
    for (const name of ['imports.json', 'opa/.manifest'])
      writeFileSync(join(world.place, name), '{"mine":1}');
    const before = filesIn(world.place);
    for (const wanted of [[], [importedService()]])
      await expect(world.services.applyImports(wanted, signal)).rejects.toMatchObject({
        code: 'file-not-ours',
      });
    await expect(world.services.applyAccess([access('shop')], signal)).rejects.toMatchObject({
      code: 'file-not-ours',
    });
    expect(filesIn(world.place)).toMatchObject(before);
  });

  it('knows no services of its own', async () => {
    using world = open();
    expect(await world.services.readServices(signal)).toEqual([]);
  });
});
