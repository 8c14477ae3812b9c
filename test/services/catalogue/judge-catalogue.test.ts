import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Catalogue,
  type CatalogueContext,
  judgeCatalogue,
  type OfferedService,
} from '../../../src/services/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import {
  anyCatalogue,
  catalogueWith,
  identityOf,
  ISSUED_AT,
  offeredPort,
  offeredService,
} from '../../../testkit/catalogues.ts';

const info = offeredService('info');
const web = offeredService('web');
const db = offeredService('db');
const held = catalogueWith([info, web, db], { sequence: 7 });

function judge(
  services: readonly OfferedService[],
  parts: Partial<Catalogue> = {},
  context: Partial<CatalogueContext> = {},
) {
  const offered = catalogueWith(services, { sequence: 8, ...parts });
  return judgeCatalogue(offered, {
    held,
    imported: [info],
    sniOwner: () => undefined,
    now: ISSUED_AT,
    ...context,
  });
}

const waits = (code: string, service?: string) => ({
  verdict: 'quarantined',
  changes: [expect.objectContaining({ code, ...(service === undefined ? {} : { service }) })],
});
const refused = (code: string) => expect.objectContaining({ verdict: 'refused', code });

describe('an offered catalogue is', () => {
  it('accepted when it is the first', () => {
    expect(judge([info], {}, { held: undefined, imported: [] })).toEqual({ verdict: 'accepted' });
  });

  it('unchanged under any later number', () => {
    fc.assert(
      fc.property(anyCatalogue, fc.nat(1000), (catalogue, more) => {
        const sequence = Math.min(catalogue.sequence + more, Number.MAX_SAFE_INTEGER);
        const context = { held: catalogue, imported: catalogue.services, sniOwner: () => undefined };
        expect(judgeCatalogue({ ...catalogue, sequence }, { ...context, now: ISSUED_AT })).toEqual({
          verdict: 'unchanged',
        });
      }),
    );
  });

  it('refused when its number is lower, whatever it has', () => {
    expect(judge([info, web, db], { sequence: 6 })).toEqual(refused('catalogue-replayed'));
    expect(judge([], { sequence: 1 })).toEqual(refused('catalogue-replayed'));
  });

  it('refused when the held number has other content', () => {
    expect(judge([info, web], { sequence: 7 })).toEqual(refused('catalogue-replayed'));
  });

  it('refused from its end on, to the millisecond', () => {
    const expiresAt = new Date(ISSUED_AT.getTime() + 1000);
    const at = (ms: number) => judge([info], { expiresAt }, { now: new Date(ISSUED_AT.getTime() + ms) });
    expect(at(999)).toEqual({ verdict: 'accepted' });
    expect(at(1000)).toEqual(refused('catalogue-expired'));
  });

  it('refused when it has an SNI of another owner', () => {
    const other = parseTrustDomain('other.example');
    const sniOwner = (sni: string) => (sni === 'web.owner.example' ? other : undefined);
    expect(judge([info, web, db], {}, { sniOwner })).toEqual(refused('catalogue-sni-taken'));
    expect(judge([info, db], {}, { sniOwner })).toEqual({ verdict: 'accepted' });
  });
});

describe('a change of an imported service', () => {
  it('waits when it names an identity more', () => {
    const spiffeIds = [...info.spiffeIds, identityOf('other')];
    expect(judge([{ ...info, spiffeIds }, web, db])).toEqual(waits('identity-change', 'info'));
    expect(judge([{ ...info, spiffeIds: [identityOf('other')] }, web, db])).toEqual(
      waits('identity-change', 'info'),
    );
  });

  it('is accepted when it names an identity less', () => {
    const before = { ...info, spiffeIds: [...info.spiffeIds, identityOf('other')] };
    const context = { held: catalogueWith([before, web, db], { sequence: 7 }), imported: [before] };
    expect(judge([info, web, db], {}, context)).toEqual({ verdict: 'accepted' });
  });

  it('waits when a port speaks another protocol', () => {
    const ports = [offeredPort({ sni: 'info.owner.example', protocol: 'grpc' })];
    expect(judge([{ ...info, ports }, web, db])).toEqual(waits('protocol-change', 'info'));
  });

  it('waits when it has its first tcp port', () => {
    const tcp = offeredPort({ sni: 'sql.info.owner.example', name: 'sql', port: 3306, protocol: 'tcp' });
    expect(judge([{ ...info, ports: [...info.ports, tcp] }, web, db])).toEqual(waits('first-tcp', 'info'));
  });

  it('is accepted when it has one tcp port more', () => {
    const [one, two] = [3306, 3307].map((port) =>
      offeredPort({ sni: `p${port}.info.owner.example`, name: `p${port}`, port, protocol: 'tcp' }),
    );
    const before = { ...info, ports: one ? [one] : [] };
    const after = { ...info, ports: one && two ? [one, two] : [] };
    const context = { held: catalogueWith([before, web, db], { sequence: 7 }), imported: [before] };
    expect(judge([after, web, db], {}, context)).toEqual({ verdict: 'accepted' });
  });

  it('is compared with what was accepted for the import, not with the list before', () => {
    const context = { held: catalogueWith([], { sequence: 7 }) };
    expect(judge([{ ...info, spiffeIds: [identityOf('other')] }], {}, context)).toEqual(
      waits('identity-change', 'info'),
    );
    expect(judge([info], {}, context)).toEqual({ verdict: 'accepted' });
  });

  it.each<[string, Partial<OfferedService>]>([
    ['its callers', { mayCall: [] }],
    ['its state', { state: 'down' }],
    ['its SNI', { ports: [offeredPort({ sni: 'info2.owner.example' })] }],
    ['its port number', { ports: [offeredPort({ sni: 'info.owner.example', port: 81 })] }],
  ])('is accepted when it is about %s', (_, parts) => {
    expect(judge([{ ...info, ...parts }, web, db])).toEqual({ verdict: 'accepted' });
  });

  it('never waits where nobody imports the service', () => {
    const changed = { ...web, spiffeIds: [identityOf('other')] };
    expect(judge([info, changed, db])).toEqual({ verdict: 'accepted' });
  });
});

describe('services that are gone at once', () => {
  it('wait when they are more than half of three or more', () => {
    expect(judge([web])).toEqual(waits('mass-withdrawal'));
    expect(judge([])).toEqual(waits('mass-withdrawal'));
  });

  it.each<[string, readonly OfferedService[], Partial<CatalogueContext>]>([
    ['fewer than half', [web, db], {}],
    [
      'exactly half',
      [web, db],
      { held: catalogueWith([info, web, db, offeredService('x')], { sequence: 7 }) },
    ],
    ['all of two', [], { held: catalogueWith([info, web], { sequence: 7 }) }],
    ['not imported', [info], {}],
    [
      'announced before',
      [],
      {
        held: catalogueWith(
          [info, web, db].map((service) => ({ ...service, state: 'draining' as const })),
          { sequence: 7 },
        ),
      },
    ],
  ])('do not wait when they are %s', (_, services, context) => {
    expect(judge(services, {}, context)).toEqual({ verdict: 'accepted' });
  });
});
