import fc from 'fast-check';
import {
  type AccessPolicy,
  type AccessRequest,
  type AccessRule,
  type Caller,
  parseCaller,
  parseHeaderMatch,
  parseMethod,
  parsePathMatch,
  parseServiceId,
  type PathMatch,
  type Service,
} from '../src/services/index.ts';
import { parseSpiffeId, type SpiffeId } from '../src/spiffe/index.ts';

/** Identities of three trust domains; those of `c…` have the form of Consul. */
export const IDENTITIES: readonly SpiffeId[] = [
  'spiffe://a.example/ns/x/sa/y',
  'spiffe://a.example/ns/x/sa/yy',
  'spiffe://a.example/ns/z/sa/y',
  'spiffe://a.example.org/ns/x/sa/y',
  'spiffe://c.consul/ns/default/dc/one/svc/web',
  'spiffe://c.consul/ns/default/dc/one/svc/api',
].map(parseSpiffeId);

/** The peerings of the Consul that the policies are written for. */
export const PEER_NAMES = { 'c.consul': 'c-peer' };

export const PLACEMENT = { namespace: 'shop', labels: { app: 'web' }, peerNames: PEER_NAMES };

const CALLERS = [...IDENTITIES, 'a.example', 'a.example.org', 'c.consul'].map(parseCaller);

/** What a mesh can express: most rules keep to it, so that most policies are written. */
export interface Reach {
  readonly callers?: (caller: Caller) => boolean;
  readonly paths?: (path: PathMatch) => boolean;
  readonly http?: boolean;
  readonly ports?: boolean;
}
const METHODS = ['GET', 'POST', 'DELETE'].map(parseMethod);
const PATHS = ['/', '/*', '/v1', '/v1/*', '/v1/a', '/v1/a/*', '/v10', '/remarks'].map(parsePathMatch);
const HEADERS = ['x-tenant', 'x-tenant: one', 'x-tenant: two', 'x-kind: b c'].map(parseHeaderMatch);

const HTTP: Service = {
  id: parseServiceId('web.shop'),
  ports: [
    { name: 'http', port: 8080, protocol: 'http', serverFirst: false },
    { name: 'admin', port: 9090, protocol: 'http2', serverFirst: false },
  ],
};
const ONE_PORT: Service = { id: parseServiceId('web'), ports: HTTP.ports.slice(0, 1) };
const TCP: Service = {
  id: parseServiceId('db'),
  ports: [{ name: 'sql', port: 3306, protocol: 'tcp', serverFirst: false }],
};

const some = <Item>(items: readonly Item[], max: number) =>
  fc.subarray([...items], { minLength: 1, maxLength: Math.min(max, items.length) });
/** Left out two times of three, so that most rules are about something that a request can meet. */
const maybe = <Item>(arbitrary: fc.Arbitrary<Item>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

function ruleFor(
  service: Service,
  { callers, paths, http: withHttp = true, ports: withPorts = true }: Reach,
): fc.Arbitrary<Omit<AccessRule, 'id'>> {
  const http = fc
    .record({
      methods: maybe(some(METHODS, 2)),
      paths: maybe(some(PATHS.filter(paths ?? (() => true)), 2)),
      headers: maybe(some(HEADERS, 1)),
    })
    .map((parts) => Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)));
  const isHttp = withHttp && service.ports.every(({ protocol }) => protocol !== 'tcp');
  const names = service.ports.map(({ name }) => name);
  return fc
    .record({
      effect: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'deny' as const),
      callers: some(CALLERS.filter(callers ?? (() => true)), 4),
      ports: withPorts ? maybe(some(names, 1)) : fc.constant(undefined),
      http: isHttp ? maybe(http) : fc.constant(undefined),
    })
    .map(({ ports, http: condition, ...rule }) => ({
      ...rule,
      ...(ports ? { ports } : {}),
      ...(condition && Object.keys(condition).length > 0 ? { http: condition } : {}),
    }));
}

/** Policies with one to six rules; five of six times each rule is within the reach. */
export function policies(reach: Reach = {}): fc.Arbitrary<AccessPolicy> {
  return fc.constantFrom(HTTP, ONE_PORT, TCP).chain((service) =>
    fc
      .oneof({ weight: 5, arbitrary: fc.constant(reach) }, { weight: 1, arbitrary: fc.constant<Reach>({}) })
      .chain((kept) => fc.array(ruleFor(service, kept), { minLength: 1, maxLength: 6 }))
      .map((rules) => ({
        service,
        rules: rules.map((rule, index) => ({ id: `rule-${index + 1}`, ...rule })),
      })),
  );
}

/** Paths that every server reads in the same way. */
const PLAIN_PATHS = [
  '/',
  '/v1',
  '/v1/',
  '/v1/a',
  '/v1/a/b',
  '/v10',
  '/v10/a',
  '/remarks',
  '/remarks2',
  '/V1',
  '/x.y/..z',
];
/** Paths that servers read in several ways. */
const AMBIGUOUS_PATHS = [
  '//',
  '/v1//a',
  '/v1/../remarks',
  '/v1/./a',
  '/v1/..',
  '/v1/.',
  '/%76%31',
  '/v1%2fa',
  '/v1/%2e%2e/x',
  '/v1\\a',
  '/v1;p/a',
];

/** Requests to a service, with plain paths only or with ambiguous ones too. */
export function requestsTo(
  { ports }: Service,
  { ambiguous }: { readonly ambiguous: boolean },
): fc.Arbitrary<AccessRequest> {
  const paths = ambiguous ? [...PLAIN_PATHS, ...AMBIGUOUS_PATHS] : PLAIN_PATHS;
  return fc
    .record({
      caller: fc.constantFrom(...IDENTITIES),
      port: fc.constantFrom(...ports),
      method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT'),
      path: fc.constantFrom(...paths),
      headers: fc.constantFrom<Record<string, string>>(
        {},
        { 'x-tenant': 'one' },
        { 'x-tenant': 'two' },
        { 'x-tenant': 'ones', 'x-kind': 'b c' },
      ),
    })
    .map(({ port, caller, ...http }) => ({
      caller,
      port: port.name,
      ...(port.protocol === 'tcp' ? {} : http),
    }));
}
