import { describe, expect, it } from 'vitest';
import { chooseEndpoint } from '../../../src/demonstration/sidecar/upstream/choose-endpoint.ts';
import { type Endpoint, endpointKey } from '../../../src/demonstration/sidecar/upstream/upstream.ts';
import { parseSpiffeId } from '../../../src/spiffe/index.ts';

const endpoint = (port: number, priority = 0): Endpoint => ({
  address: '10.0.0.1',
  port,
  serverName: 'info.test',
  spiffeIds: [parseSpiffeId('spiffe://b.example/info'), parseSpiffeId('spiffe://b.example/other')],
  priority,
});
const ports = (endpoints: Endpoint[], usable: (each: Endpoint) => boolean, tried = new Set<Endpoint>()) =>
  [0, 1, 2, 3].map(
    (turn) => chooseEndpoint(endpoints, { turn, usable, tried: (each) => tried.has(each) })?.port ?? 'none',
  );

describe('chooseEndpoint()', () => {
  const all = [endpoint(1), endpoint(2, 1), endpoint(3), endpoint(4, 1)];

  it('takes turns among the endpoints of the lowest priority number', () => {
    expect(ports(all, () => true)).toEqual([1, 3, 1, 3]);
  });

  it('falls back to the next priority while the first has no usable endpoint', () => {
    expect(ports(all, ({ priority }) => priority > 0)).toEqual([2, 4, 2, 4]);
    expect(ports(all, ({ port }) => port === 3)).toEqual([3, 3, 3, 3]);
    expect(ports(all, () => false)).toEqual(['none', 'none', 'none', 'none']);
    expect(ports([], () => true)).toEqual(['none', 'none', 'none', 'none']);
  });

  it('goes elsewhere on a retry, and back only where nothing else is left', () => {
    const [first, , third] = all;
    expect(ports(all, () => true, new Set(first && [first]))).toEqual([3, 3, 3, 3]);
    expect(ports(all, () => true, new Set(first && third && [first, third]))).toEqual([2, 4, 2, 4]);
    expect(ports(all, () => true, new Set(all))).toEqual([1, 3, 1, 3]);
  });
});

describe('endpointKey()', () => {
  it('differs by all that a connection was proved for, and by nothing else', () => {
    const one = endpoint(1);
    expect(endpointKey({ ...one, priority: 9, spiffeIds: [...one.spiffeIds].reverse() })).toBe(
      endpointKey(one),
    );
    for (const other of [
      { ...one, port: 2 },
      { ...one, address: '10.0.0.2' },
      { ...one, serverName: 'x' },
      { ...one, spiffeIds: one.spiffeIds.slice(1) },
    ])
      expect(endpointKey(other)).not.toBe(endpointKey(one));
  });
});
