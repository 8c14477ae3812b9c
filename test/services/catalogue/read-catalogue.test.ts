import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CATALOGUE_LIMITS,
  catalogueContent,
  CatalogueError,
  isHostName,
  readCatalogue,
  readCatalogueContent,
  trustDomainOfCaller,
} from '../../../src/services/index.ts';
import { parseTrustDomain, trustDomainOf } from '../../../src/spiffe/index.ts';
import {
  anyCatalogue,
  AUDIENCE,
  catalogueDocument,
  catalogueWith,
  claimsFrom,
  claimsOf,
  identityOf,
  offeredPort,
  offeredService,
  OWNER,
  READING,
} from '../../../testkit/catalogues.ts';

const codeOf = (code: string) => expect.objectContaining({ code });
const many = (count: number) => Array.from({ length: count }, (_, index) => index);
const PORT = 'services.0.ports.0';

/** A document with one value replaced, by the path of its members. */
function replaced(document: string, path: string, value: unknown): string {
  const root: unknown = JSON.parse(document);
  const names = path.split('.');
  const last = names.pop() ?? '';
  const parent = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], root);
  (parent as Record<string, unknown>)[last] = value;
  return JSON.stringify(root);
}

/** A good document of one service, with one value replaced. */
const withFault = (path: string, value: unknown) =>
  claimsFrom(replaced(catalogueDocument(catalogueWith([offeredService('info')])), path, value));

describe('a catalogue', () => {
  it('reads as it was written', () => {
    fc.assert(
      fc.property(anyCatalogue, (catalogue) => {
        const read = readCatalogue(claimsOf(catalogue), READING);
        expect(catalogueDocument(read)).toBe(catalogueDocument(catalogue));
        expect(read).toMatchObject({
          trustDomain: catalogue.trustDomain,
          audience: catalogue.audience,
          sequence: catalogue.sequence,
          issuedAt: catalogue.issuedAt,
          expiresAt: catalogue.expiresAt,
          refreshHint: catalogue.refreshHint,
        });
      }),
    );
  });

  it('reads from its content as from its claims', () => {
    fc.assert(
      fc.property(anyCatalogue, (catalogue) => {
        const content = readCatalogueContent(claimsFrom(catalogueContent(catalogue)), READING);
        expect(readCatalogue(claimsOf(catalogue), READING)).toMatchObject(content);
      }),
    );
  });

  it('has a content that knows nothing of order, number and time', () => {
    fc.assert(
      fc.property(anyCatalogue, fc.nat(), (catalogue, more) => {
        const later = {
          ...catalogue,
          sequence: catalogue.sequence + more,
          expiresAt: new Date(catalogue.expiresAt.getTime() + more),
          services: catalogue.services.toReversed(),
          gateways: catalogue.gateways.toReversed(),
        };
        expect(catalogueContent(later)).toBe(catalogueContent(catalogue));
      }),
    );
  });

  it('has another content with another offer', () => {
    const info = offeredService('info');
    const contents = [
      [info],
      [offeredService('info', { state: 'draining' })],
      [offeredService('info', { mayCall: [] })],
      [offeredService('info', { spiffeIds: [identityOf('other')] })],
      [offeredService('info', { ports: [offeredPort({ sni: 'other.owner.example' })] })],
      [info, offeredService('web')],
      [],
    ].map((services) => catalogueContent(catalogueWith(services)));
    expect(new Set(contents).size).toBe(contents.length);
  });

  it('keeps members that a newer owner adds to itself', () => {
    expect(readCatalogue(withFault('services.0.weight', 5), READING)).toEqual(
      readCatalogue(claimsOf(catalogueWith([offeredService('info')])), READING),
    );
  });

  it('may be at its bounds', () => {
    const services = many(CATALOGUE_LIMITS.services).map((index) => offeredService(`s${index}`));
    expect(readCatalogue(claimsOf(catalogueWith(services)), READING).services).toHaveLength(1000);
  });
});

describe('a faulty catalogue is refused with one code', () => {
  const entries = (path: string, count: number, entry: (index: number) => unknown) =>
    [path, many(count).map(entry)] as const;
  const service = { ...JSON.parse(catalogueDocument(catalogueWith([offeredService('info')]))).services[0] };

  it.each([
    ['services', null],
    ['services', {}],
    ['services.0', 'info'],
    ['services.0.id', 'Info'],
    ['services.0.id', 'info.'],
    ['services.0.id', 'a'.repeat(200)],
    ['services.0.id', '*'],
    ['services.0.spiffe_ids', []],
    ['services.0.spiffe_ids', ['spiffe://owner.example']],
    ['services.0.spiffe_ids', ['spiffe://owner.example/']],
    ['services.0.spiffe_ids', ['spiffe://owner.example/*']],
    ['services.0.spiffe_ids', ['spiffe://owner.example/a/../b']],
    ['services.0.spiffe_ids', [7]],
    ['services.0.ports', []],
    ['services.0.state', 'up'],
    ['services.0.state', undefined],
    ['services.0.may_call', ['*']],
    ['services.0.may_call', undefined],
    [`${PORT}.name`, 'HTTP'],
    [`${PORT}.name`, ''],
    [`${PORT}.port`, 0],
    [`${PORT}.port`, 65_536],
    [`${PORT}.port`, 80.5],
    [`${PORT}.port`, '80'],
    [`${PORT}.protocol`, 'udp'],
    [`${PORT}.protocol`, 'constructor'],
    [`${PORT}.server_first`, 'no'],
    [`${PORT}.server_first`, true],
    [`${PORT}.gateways`, []],
    [`${PORT}.gateways`, ['gw2']],
    [`${PORT}.direct`, [{ network: '', address: '192.0.2.1', port: 1 }]],
    [`${PORT}.direct`, [{ network: 'n', address: '192.0.2.1', port: 0 }]],
    ['gateways.0.id', 'gw_1'],
    ['gateways.0.address', 7],
    ['gateways.0.port', -1],
    ['gateways.0.priority', 128],
    ['gateways.0.priority', null],
    ['sequence', 0],
    ['sequence', -1],
    ['sequence', '7'],
    ['hint', 1e9],
    ['iat', 'now'],
    ['exp', 1_000_000_000],
    ['exp', 9_000_000_000],
  ])('catalogue-malformed: %s = %j', (path, value) => {
    expect(() => readCatalogue(withFault(path, value), READING)).toThrow(codeOf('catalogue-malformed'));
  });

  it.each([
    entries('services', 1001, (index) => ({ ...service, id: `s${index}` })),
    entries('services', 10_000, (index) => ({ ...service, id: `s${index}` })),
    entries('services.0.spiffe_ids', 65, (index) => `spiffe://owner.example/${index}`),
    entries('services.0.ports', 33, (index) => ({ ...service.ports[0], name: `p${index}`, port: index + 1 })),
    entries('services.0.may_call', 101, (index) => `spiffe://importer.example/${index}`),
    entries('gateways', 17, (index) => ({ id: `gw${index}`, address: 'a.example', port: 1, priority: 0 })),
    entries(`${PORT}.direct`, 9, (index) => ({ network: 'n', address: '192.0.2.1', port: index + 1 })),
    entries(`${PORT}.gateways`, 17, () => 'gw1'),
  ])('catalogue-too-large: %s', (path, value) => {
    expect(() => readCatalogue(withFault(path, value), READING)).toThrow(codeOf('catalogue-too-large'));
  });

  it.each([
    ['services.0.spiffe_ids', ['spiffe://other.example/sa/info']],
    ['services.0.spiffe_ids', ['spiffe://owner.example/sa/info', 'spiffe://importer.example/sa/info']],
    ['services.0.spiffe_ids', ['spiffe://owner.example.evil/sa/info']],
    ['services.0.spiffe_ids', ['spiffe://sub.owner.example/sa/info']],
    ['services.0.may_call', ['spiffe://other.example/sa/client']],
    ['services.0.may_call', ['owner.example']],
    ['trust_domain', 'other.example'],
    ['trust_domain', undefined],
  ])('catalogue-foreign-identity: %s = %j', (path, value) => {
    expect(() => readCatalogue(withFault(path, value), READING)).toThrow(
      codeOf('catalogue-foreign-identity'),
    );
  });

  it.each([
    'other.example',
    ['importer.example'],
    null,
    'IMPORTER.example',
  ])('catalogue-other-audience: %j', (aud) => {
    expect(() => readCatalogue(withFault('aud', aud), READING)).toThrow(codeOf('catalogue-other-audience'));
  });

  it.each([
    'info_1.owner.example',
    'outbound_.80_._.info.owner.example',
    'Info.owner.example',
    'info',
    '',
    '*.owner.example',
    'info.owner.example.',
    '.owner.example',
    'info..example',
    '-info.owner.example',
    '192.0.2.1',
    `${'a'.repeat(64)}.owner.example`,
    `${'a.'.repeat(126)}aa.example`,
    'info.owner.example\0',
    'ınfo.owner.example',
    'info.weather.svc.cluster.local',
    'info.weather.svc.clusterset.local',
    'info.weather.svc',
    'printer.local',
    'a.localhost',
  ])('catalogue-sni-invalid: %j', (sni) => {
    expect(() => readCatalogue(withFault(`${PORT}.sni`, sni), READING)).toThrow(
      codeOf('catalogue-sni-invalid'),
    );
  });

  it('lets an owner with a local trust domain offer names below it', () => {
    const owner = parseTrustDomain('default.zone.mesh.local');
    const document = catalogueDocument({
      ...catalogueWith([
        offeredService('info', { ports: [offeredPort({ sni: `info.${owner}` })], spiffeIds: [] }),
      ]),
      trustDomain: owner,
    });
    const claims = claimsFrom(replaced(document, 'services.0.spiffe_ids', [`spiffe://${owner}/sa/info`]));
    expect(readCatalogue(claims, { ...READING, owner }).services).toHaveLength(1);
  });

  it.each([
    ['gateways.0.address', '127.0.0.1'],
    [`${PORT}.direct`, [{ network: 'n', address: '127.0.0.1', port: 1 }]],
  ])('catalogue-forbidden-address: %s = %j', (path, value) => {
    const refuseHost = (host: string) => (host.startsWith('127.') ? 'it is this machine' : undefined);
    expect(() => readCatalogue(withFault(path, value), { ...READING, refuseHost })).toThrow(
      codeOf('catalogue-forbidden-address'),
    );
  });

  it('leaves out direct addresses of networks that we do not share, wherever they are', () => {
    const direct = ['ours', 'theirs'].map((network) => ({ network, address: '127.0.0.1', port: 1 }));
    const refuseHost = (_: string, network?: string) => (network === 'theirs' ? 'private' : undefined);
    const sharesNetwork = (network: string) => network === 'ours';
    const { services } = readCatalogue(withFault(`${PORT}.direct`, direct), {
      ...READING,
      refuseHost,
      sharesNetwork,
    });
    expect(services[0]?.ports[0]?.direct).toEqual([{ network: 'ours', host: '127.0.0.1', port: 1 }]);
  });

  const port = service.ports[0];
  it.each([
    ['services', [service, service]],
    ['services', [service, { ...service, id: 'web' }]],
    ['services.0.spiffe_ids', ['spiffe://owner.example/sa/info', 'spiffe://owner.example/sa/info']],
    ['services.0.ports', [port, { ...port, port: 81, sni: 'b.owner.example' }]],
    ['services.0.ports', [port, { ...port, name: 'b', sni: 'b.owner.example' }]],
    ['services.0.ports', [port, { ...port, name: 'b', port: 81 }]],
    ['services.0.may_call', ['importer.example', 'importer.example']],
    ['gateways', many(2).map(() => ({ id: 'gw1', address: 'a.example', port: 1, priority: 0 }))],
    [`${PORT}.gateways`, ['gw1', 'gw1']],
    [`${PORT}.direct`, many(2).map(() => ({ network: 'n', address: '192.0.2.1', port: 1 }))],
  ])('catalogue-duplicate: %s', (path, value) => {
    expect(() => readCatalogue(withFault(path, value), READING)).toThrow(codeOf('catalogue-duplicate'));
  });

  it('says what is wrong in a message of bounded length', () => {
    const huge = 'x'.repeat(300_000);
    for (const path of [`${PORT}.sni`, 'services.0.id', 'gateways.0.id', `${PORT}.gateways`]) {
      let message = '';
      try {
        readCatalogue(withFault(path, path.endsWith('gateways') ? [huge] : huge), READING);
      } catch (error) {
        message = String(error);
      }
      expect(message).not.toBe('');
      expect(message.length).toBeLessThan(500);
    }
  });
});

/** Every value of a document that is not an object, by its path. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly string[] {
  if (typeof value !== 'object' || value === null) return [path.join('.')];
  return [
    ...(path.length > 0 ? [path.join('.')] : []),
    ...Object.entries(value).flatMap(([name, each]) => pathsOf(each, [...path, name])),
  ];
}

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    'spiffe://other.example/sa/x',
    'spiffe://importer.example/sa/x',
    'other.example',
    '127.0.0.1',
    'a_b.example',
    ['spiffe://other.example/sa/x'],
    ['gw1', 'gw1'],
  ),
);

describe('whatever is changed in a catalogue', () => {
  it('nothing foreign and nothing illegal passes', () => {
    let refused = 0;
    fc.assert(
      fc.property(
        anyCatalogue.chain((catalogue) => {
          const document = catalogueDocument(catalogue);
          return fc.tuple(fc.constant(document), fc.constantFrom(...pathsOf(JSON.parse(document))), odd);
        }),
        ([document, path, value]) => {
          let read: ReturnType<typeof readCatalogue>;
          try {
            read = readCatalogue(claimsFrom(replaced(document, path, value)), READING);
          } catch (error) {
            if (!(error instanceof CatalogueError)) throw error;
            refused += 1;
            return;
          }
          const gateways = new Set(read.gateways.map(({ id }) => id));
          for (const { spiffeIds, ports, mayCall } of read.services) {
            expect(spiffeIds.length).toBeGreaterThan(0);
            expect(spiffeIds.every((id) => trustDomainOf(id) === OWNER)).toBe(true);
            expect(mayCall.every((caller) => trustDomainOfCaller(caller) === AUDIENCE)).toBe(true);
            expect(ports.every(({ sni }) => isHostName(sni))).toBe(true);
            expect(ports.every((port) => port.gateways.every((id) => gateways.has(id)))).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
