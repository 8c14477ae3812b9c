import { describe, expect, it } from 'vitest';
import { parseEndpointAddress, resolveEndpointAddress } from '../../src/workload-api/index.ts';

describe('parseEndpointAddress()', () => {
  it.each([
    ['unix:///a/b.sock', 'unix:/a/b.sock'],
    ['unix:/a/b.sock', 'unix:/a/b.sock'],
    ['unix:///with%20space.sock', 'unix:/with space.sock'],
    ['tcp://127.0.0.1:8000', 'ipv4:127.0.0.1:8000'],
    ['tcp://[::1]:8000', 'ipv6:[::1]:8000'],
  ])('takes %s (WLAPI-07)', (uri, target) => {
    expect(parseEndpointAddress(uri)).toEqual({ uri, target });
  });

  it.each([
    'unix://host/a',
    'unix://user@/a',
    'unix:a/b',
    'unix:',
    'unix://',
    'unix:///',
    'unix:///a/',
    'unix:///a?x=1',
    'unix:///a#x',
    'unix:///a%',
    'unix:///a%00b',
    `unix:///${'a'.repeat(107)}`,
    'tcp://localhost:8000',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:65536',
    'tcp://127.0.0.1:8000/',
    'tcp://127.0.0.1:8000/x',
    'tcp://127.0.0.1:8000?x',
    'tcp://127.0.0.1:8000#x',
    'tcp://user@127.0.0.1:8000',
    'tcp://127.1:8000',
    'tcp://::1:8000',
    'tcp://[127.0.0.1]:8000',
    'http://127.0.0.1:8000',
    '/a/b.sock',
    '',
  ])('refuses %j (WLAPI-07)', (uri) => {
    expect(() => parseEndpointAddress(uri)).toThrow(
      expect.objectContaining({ code: 'endpoint-address-invalid' }),
    );
  });
});

describe('resolveEndpointAddress()', () => {
  const address = parseEndpointAddress('unix:///configured.sock');

  it('reads SPIFFE_ENDPOINT_SOCKET where the config names it, and not where it has an address (WLAPI-06)', () => {
    const environment = { SPIFFE_ENDPOINT_SOCKET: 'unix:///from/environment.sock' };
    expect(resolveEndpointAddress('SPIFFE_ENDPOINT_SOCKET', environment).target).toBe(
      'unix:/from/environment.sock',
    );
    expect(resolveEndpointAddress(address, environment)).toBe(address);
  });

  it('reports that the variable is not set, and what is wrong with its value (WLAPI-06, WLAPI-07)', () => {
    for (const environment of [{}, { SPIFFE_ENDPOINT_SOCKET: '' }])
      expect(() => resolveEndpointAddress('SPIFFE_ENDPOINT_SOCKET', environment)).toThrow(
        expect.objectContaining({ code: 'endpoint-address-missing' }),
      );
    const environment = { SPIFFE_ENDPOINT_SOCKET: '/run/agent.sock' };
    expect(() => resolveEndpointAddress('SPIFFE_ENDPOINT_SOCKET', environment)).toThrow(
      expect.objectContaining({ code: 'endpoint-address-invalid' }),
    );
  });
});
