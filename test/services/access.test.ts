import { describe, expect, it } from 'vitest';
import {
  type AccessPolicy,
  type AccessRequest,
  callerText,
  checkPorts,
  checkRule,
  judgeAccess,
  parseCaller,
  parseHeaderMatch,
  parseMethod,
  parsePathMatch,
  parseServiceId,
  type Service,
} from '../../src/services/index.ts';
import { parseSpiffeId } from '../../src/spiffe/index.ts';

const ID = 'spiffe://b.example/ns/x/sa/y';
const service: Service = {
  id: parseServiceId('info'),
  ports: [
    { name: 'http', port: 80, protocol: 'http', serverFirst: false },
    { name: 'sql', port: 3306, protocol: 'tcp', serverFirst: true },
  ],
};

describe('what an operator writes', () => {
  it.each([ID, 'b.example'])('is a caller: %s', (text) => {
    expect(callerText(parseCaller(text))).toBe(text);
  });

  it.each([
    '',
    '*',
    'spiffe://b.example',
    'spiffe://b.example/',
    'spiffe://b.example/*',
    'spiffe://B.example/x',
    'b.example/ns',
    'https://b.example',
  ])('is not a caller: %j', (text) => {
    expect(() => parseCaller(text)).toThrow(expect.objectContaining({ code: 'caller-invalid' }));
  });

  it.each([
    ['/remarks', { kind: 'exact', path: '/remarks' }],
    ['/', { kind: 'exact', path: '/' }],
    ['/v1/*', { kind: 'prefix', path: '/v1' }],
    ['/*', { kind: 'prefix', path: '' }],
    ['/pkg.Service/Method', { kind: 'exact', path: '/pkg.Service/Method' }],
  ])('is a path: %s', (text, match) => {
    expect(parsePathMatch(text)).toEqual(match);
  });

  it.each([
    '',
    'v1',
    '//',
    '/v1//*',
    '/v1/*/x',
    '/v1*',
    '/*/x',
    '/a/../b',
    '/a/.',
    '/..',
    '/%2f',
    '/a%20b',
    '/a b',
    '/a?b',
    '/a#b',
    '/a\\b',
    '/{x}',
    '/ä',
    '/a;b',
    `/${'a'.repeat(1024)}`,
  ])('is not a path: %j', (text) => {
    expect(() => parsePathMatch(text)).toThrow(expect.objectContaining({ code: 'path-not-canonical' }));
  });

  it.each(['get', 'G ET', '', '*', 'G'.repeat(21)])('is not a method: %j', (text) => {
    expect(() => parseMethod(text)).toThrow(expect.objectContaining({ code: 'method-invalid' }));
  });

  it('is a header, by its name in lower case, with a value or without', () => {
    expect(parseHeaderMatch('X-Tenant: one')).toEqual({ name: 'x-tenant', value: 'one' });
    expect(parseHeaderMatch('x-tenant')).toEqual({ name: 'x-tenant' });
  });

  it.each([
    '',
    ':path',
    ':method: GET',
    'host: a',
    'cookie: a=b',
    'x tenant',
    'x: a,b',
    'x: a*',
    'x:',
    'x: a\r\ny: b',
    '-x',
  ])('is not a header: %j', (text) => {
    expect(() => parseHeaderMatch(text)).toThrow(expect.objectContaining({ code: 'header-invalid' }));
  });

  it.each([
    '',
    'Web',
    'web_1',
    '-web',
    'web.',
    '1web',
    `${'a'.repeat(64)}`,
    'a.'.repeat(61),
  ])('is not a service: %j', (text) => {
    expect(() => parseServiceId(text)).toThrow(expect.objectContaining({ code: 'service-id-invalid' }));
  });

  it.each([
    ['no port', []],
    ['a port number', [{ name: 'a', port: 0, protocol: 'http', serverFirst: false }]],
    [
      'the same name',
      [
        { name: 'a', port: 1, protocol: 'http', serverFirst: false },
        { name: 'a', port: 2, protocol: 'http', serverFirst: false },
      ],
    ],
    [
      'the same number',
      [
        { name: 'a', port: 1, protocol: 'http', serverFirst: false },
        { name: 'b', port: 1, protocol: 'http', serverFirst: false },
      ],
    ],
    ['HTTP in which the server speaks first', [{ name: 'a', port: 1, protocol: 'http', serverFirst: true }]],
  ] as const)('is not a list of ports: %s', (_what, ports) => {
    expect(() => checkPorts(ports)).toThrow(expect.objectContaining({ code: 'service-port-invalid' }));
  });

  it.each([
    ['rule-invalid', { callers: [] }],
    ['rule-invalid', { callers: [parseCaller(ID)], ports: [] }],
    ['port-unknown', { callers: [parseCaller(ID)], ports: ['https'] }],
    ['http-condition-on-tcp', { callers: [parseCaller(ID)], http: { methods: ['GET'] } }],
    [
      'http-condition-on-tcp',
      { callers: [parseCaller(ID)], ports: ['sql'], http: { paths: [parsePathMatch('/x')] } },
    ],
  ] as const)('is not a rule: %s', (code, rule) => {
    expect(() => checkRule({ id: 'r', effect: 'allow', ...rule }, service)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('judgeAccess()', () => {
  const policy: AccessPolicy = {
    service,
    rules: [
      {
        id: 'read',
        effect: 'allow',
        callers: [parseCaller('b.example')],
        ports: ['http'],
        http: { methods: ['GET'], paths: [parsePathMatch('/v1/*')] },
      },
      { id: 'all', effect: 'allow', callers: [parseCaller('spiffe://c.example/admin')] },
      {
        id: 'not-secret',
        effect: 'deny',
        callers: [parseCaller('b.example'), parseCaller('c.example')],
        ports: ['http'],
        http: { paths: [parsePathMatch('/v1/secret')] },
      },
    ],
  };
  const get = (path: string, more: Partial<AccessRequest> = {}): AccessRequest => ({
    caller: parseSpiffeId(ID),
    port: 'http',
    method: 'GET',
    path,
    ...more,
  });

  it.each([
    ['below the prefix', get('/v1/a'), { allowed: true, rule: 'read' }],
    ['the prefix itself', get('/v1'), { allowed: true, rule: 'read' }],
    ['a longer word', get('/v10'), { allowed: false, code: 'no-rule-allows' }],
    ['another method', get('/v1/a', { method: 'POST' }), { allowed: false, code: 'no-rule-allows' }],
    ['a denied path', get('/v1/secret'), { allowed: false, code: 'denied-by-rule', rule: 'not-secret' }],
    [
      'a path that may be the denied one',
      get('/v1/x/../secret'),
      { allowed: false, code: 'denied-by-rule', rule: 'not-secret' },
    ],
    [
      'a denied path, although everything is allowed',
      get('/v1/secret', { caller: parseSpiffeId('spiffe://c.example/admin') }),
      { allowed: false, code: 'denied-by-rule', rule: 'not-secret' },
    ],
    [
      'a port without the conditions',
      { caller: parseSpiffeId('spiffe://c.example/admin'), port: 'sql' },
      { allowed: true, rule: 'all' },
    ],
    [
      'another identity',
      { caller: parseSpiffeId('spiffe://c.example/admin2'), port: 'sql' },
      { allowed: false, code: 'no-rule-allows' },
    ],
    [
      'a trust domain with a longer name',
      get('/v1/a', { caller: parseSpiffeId('spiffe://b.example.org/x') }),
      { allowed: false, code: 'no-rule-allows' },
    ],
  ])('%s', (_what, request, verdict) => {
    expect(judgeAccess(policy, request)).toEqual(verdict);
  });

  it('says that a path is ambiguous where no deny rule is about it', () => {
    const rules = policy.rules.filter(({ effect }) => effect === 'allow');
    expect(judgeAccess({ service, rules }, get('/v1//a'))).toEqual({
      allowed: false,
      code: 'path-ambiguous',
    });
  });

  it('allows nothing without rules', () => {
    expect(judgeAccess({ service, rules: [] }, get('/'))).toEqual({ allowed: false, code: 'no-rule-allows' });
  });
});
