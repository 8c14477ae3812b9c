import fc from 'fast-check';
import {
  type Catalogue,
  type CatalogueReading,
  type OfferedPort,
  type OfferedService,
  parseCaller,
  parseServiceId,
  PROTOCOLS,
  writeCatalogue,
} from '../src/services/index.ts';
import {
  type JsonObject,
  parseSpiffeId,
  parseStrictJson,
  parseTrustDomain,
  type SpiffeId,
} from '../src/spiffe/index.ts';

export const OWNER = parseTrustDomain('owner.example');
export const AUDIENCE = parseTrustDomain('importer.example');
export const ISSUED_AT = new Date('2026-11-30T12:00:00Z');

/** A reader of this owner's catalogues that lets every address pass. */
export const READING: CatalogueReading = { owner: OWNER, audience: AUDIENCE, refuseHost: () => undefined };

export function identityOf(name: string): SpiffeId {
  return parseSpiffeId(`spiffe://${OWNER}/sa/${name}`);
}

/** A service with one HTTP port, unless its parts say something else. */
export function offeredService(id: string, parts: Partial<OfferedService> = {}): OfferedService {
  return {
    id: parseServiceId(id),
    spiffeIds: [identityOf(id)],
    ports: [offeredPort({ sni: `${id}.${OWNER}` })],
    mayCall: [parseCaller(`spiffe://${AUDIENCE}/sa/client`)],
    state: 'serving',
    ...parts,
  };
}

export function offeredPort(parts: Partial<OfferedPort> & Pick<OfferedPort, 'sni'>): OfferedPort {
  return {
    name: 'http',
    port: 8080,
    protocol: 'http',
    serverFirst: false,
    gateways: ['gw1'],
    direct: [],
    ...parts,
  };
}

/** A catalogue of these services, for a day. */
export function catalogueWith(
  services: readonly OfferedService[],
  parts: Partial<Catalogue> = {},
): Catalogue {
  const { issuedAt = ISSUED_AT } = parts;
  return {
    trustDomain: OWNER,
    audience: AUDIENCE,
    sequence: 1,
    issuedAt,
    expiresAt: new Date(issuedAt.getTime() + 86_400_000),
    refreshHint: 60,
    gateways: [{ id: 'gw1', host: 'gateway.owner.example', port: 15443, priority: 0 }],
    services,
    ...parts,
  };
}

/** The claims of a catalogue as JSON, with audience and times. */
export function catalogueDocument(catalogue: Catalogue): string {
  const { audience, issuedAt, expiresAt } = catalogue;
  const [iat, exp] = [issuedAt, expiresAt].map((instant) => instant.getTime() / 1000);
  return JSON.stringify({ ...writeCatalogue(catalogue), aud: audience, iat, exp });
}

/** The claims of a document, as the reader of a statement gets them. */
export function claimsFrom(document: string): JsonObject {
  const value = parseStrictJson(Buffer.from(document), { maxBytes: 8 * 1024 * 1024, maxDepth: 32 });
  if (value instanceof Map) return value;
  throw new TypeError('the document of a catalogue is an object');
}

export function claimsOf(catalogue: Catalogue): JsonObject {
  return claimsFrom(catalogueDocument(catalogue));
}

const label = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?$/);
const number = fc.integer({ min: 1, max: 65_535 });
const host = fc.oneof(
  fc.tuple(label, label).map(([a, b]) => `${a}.${b}.example`),
  fc.ipV4(),
);

/** Any legal catalogue of `OWNER` for `AUDIENCE`, small enough to be made often. */
export const anyCatalogue: fc.Arbitrary<Catalogue> = fc
  .uniqueArray(label, { minLength: 1, maxLength: 3 })
  .chain((gateways) =>
    fc.record({
      sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      refreshHint: fc.integer({ min: 0, max: 3600 }),
      lifetime: fc.integer({ min: 1, max: 31 * 86_400 }),
      gateways: fc
        .tuple(
          ...gateways.map((id) =>
            fc.record({ id: fc.constant(id), host, port: number, priority: fc.nat(127) }),
          ),
        )
        .map((list) => list),
      services: fc
        .uniqueArray(label, { maxLength: 4 })
        .chain((ids) => fc.tuple(...ids.map((id) => anyService(id, gateways)))),
    }),
  )
  .map(({ sequence, refreshHint, lifetime, gateways, services }) =>
    catalogueWith(services, {
      sequence,
      refreshHint,
      gateways,
      expiresAt: new Date(ISSUED_AT.getTime() + lifetime * 1000),
    }),
  );

function anyService(id: string, gateways: readonly string[]): fc.Arbitrary<OfferedService> {
  const names = fc.uniqueArray(label, { minLength: 1, maxLength: 3 });
  return fc.record({
    id: fc.constant(parseServiceId(id)),
    spiffeIds: fc.uniqueArray(label.map(identityOf), { minLength: 1, maxLength: 3 }),
    ports: names.chain((list) => fc.tuple(...list.map((name, index) => anyPort(id, name, index, gateways)))),
    mayCall: fc
      .uniqueArray(
        label.map((name) => `spiffe://${AUDIENCE}/sa/${name}`),
        { maxLength: 3 },
      )
      .map((list) => list.map(parseCaller)),
    state: fc.constantFrom('serving' as const, 'draining' as const, 'down' as const),
  });
}

function anyPort(
  id: string,
  name: string,
  index: number,
  gateways: readonly string[],
): fc.Arbitrary<OfferedPort> {
  return fc
    .record({
      port: fc.integer({ min: 1, max: 20_000 }).map((base) => base + index * 20_000),
      protocol: fc.constantFrom(...PROTOCOLS),
      isServerFirst: fc.boolean(),
      gateways: fc.subarray([...gateways], { minLength: 1 }),
      direct: fc.uniqueArray(fc.record({ network: label, host: fc.ipV4(), port: number }), {
        maxLength: 2,
        selector: (each) => JSON.stringify(each),
      }),
    })
    .map(({ isServerFirst, ...port }) => ({
      ...port,
      name,
      serverFirst: isServerFirst && port.protocol === 'tcp',
      sni: `${name}.${id}.${OWNER}`,
    }));
}
