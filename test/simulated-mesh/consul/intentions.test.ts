import { describe, expect, it } from 'vitest';
import { accessByIntentions } from '../../../src/demonstration/simulated-mesh/consul/discovery/intentions.ts';
import { judgeFilters } from '../../../src/demonstration/sidecar/index.ts';

const WEB = 'spiffe://b.example/ns/default/dc/dc2/svc/web';
const trustDomainOf = (peer: string) => (peer === 'b' ? 'b.example' : undefined);

function allows(
  sources: readonly object[],
  request: { caller?: string; method?: string; path?: string } = {},
  { fallback = 'deny', all }: { fallback?: 'allow' | 'deny'; all?: readonly object[] } = {},
): boolean {
  const own = sources.length > 0 ? { Sources: sources } : undefined;
  const filters = accessByIntentions({ own, all: all && { Sources: all } }, { fallback, trustDomainOf });
  const whole = { caller: WEB, method: 'GET', path: '/a', headers: {}, port: 8080, ...request };
  return judgeFilters(filters, whole).allowed;
}

describe('service-intentions', () => {
  it('leave the default where no source is about the caller', () => {
    expect(allows([])).toBe(false);
    expect(allows([], {}, { fallback: 'allow' })).toBe(true);
    const other = [{ Name: 'db', Peer: 'b', Action: 'deny' }];
    expect(allows(other, {}, { fallback: 'allow' })).toBe(true);
  });

  it('name a service of a peer in any datacenter, and nothing of another trust domain', () => {
    const sources = [{ Name: 'web', Peer: 'b', Action: 'allow' }];
    expect(allows(sources)).toBe(true);
    const others = [
      'spiffe://bbexample/ns/default/dc/dc2/svc/web',
      'spiffe://c.example/ns/default/dc/dc2/svc/web',
      'spiffe://b.example/ns/other/dc/dc2/svc/web',
      'spiffe://b.example/ns/default/dc/dc2/svc/web2',
      'spiffe://b.example/ns/weather/sa/web',
    ];
    expect(others.filter((caller) => allows(sources, { caller }))).toEqual([]);
  });

  it('have no effect for a peer whose bundle has not come', () => {
    const sources = [{ Name: 'web', Peer: 'c', Action: 'deny' }];
    expect(allows(sources, { caller: WEB.replace('b.', 'c.') }, { fallback: 'allow' })).toBe(true);
  });

  it('decide by the exact source first, then by "*", then by the entry of all services', () => {
    const exact = { Name: 'web', Peer: 'b', Action: 'deny' };
    const every = { Name: '*', Peer: 'b', Action: 'allow' };
    expect(allows([every, exact])).toBe(false);
    expect(allows([every, exact], { caller: WEB.replace('web', 'db') })).toBe(true);
    expect(allows([exact], {}, { all: [every] })).toBe(false);
    expect(allows([], {}, { all: [every] })).toBe(true);
  });

  it('decide by the first permission that matches', () => {
    const sources = [
      {
        Name: 'web',
        Peer: 'b',
        Permissions: [
          { Action: 'deny', HTTP: { PathExact: '/a/secret' } },
          { Action: 'allow', HTTP: { PathPrefix: '/a', Methods: ['GET'] } },
          { Action: 'deny', HTTP: { PathPrefix: '/' } },
        ],
      },
    ];
    expect(allows(sources)).toBe(true);
    expect(allows(sources, { path: '/a/secret' })).toBe(false);
    expect(allows(sources, { method: 'POST' })).toBe(false);
    expect(allows(sources, { path: '/b' })).toBe(false);
    expect(allows(sources, { path: '/a/%73ecret' })).toBe(false);
  });
});
