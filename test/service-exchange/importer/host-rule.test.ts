import { describe, expect, it } from 'vitest';
import { createForbiddenRanges } from '../../../src/federation/index.ts';
import { createHostRule } from '../../../src/service-exchange/importer/host-rule.ts';
import { checkResolvedHosts } from '../../../src/service-exchange/importer/resolved-hosts.ts';
import { OWNER } from '../../../testkit/catalogues.ts';

const rule = createHostRule({ allowedRanges: ['10.1.0.0/16', 'fd00:1::/32'], networks: ['n1'] });

describe('where a peer may send our proxies', () => {
  it('refuses an address of one link, in an allowed range too', () => {
    expect(rule('fd00:1::7%eth0')).toBeDefined();
  });

  it.each(['192.0.2.1', '2001:db8::1', 'gw.owner.example', '10.1.255.255', 'fd00:1::7'])('is %s', (host) => {
    expect(rule(host)).toBeUndefined();
  });

  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b::a9fe:a9fe',
    '2002:7f00:1::',
    '169.254.169.254',
    '100.100.100.200',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '10.0.0.1',
    '10.2.0.1',
    '192.168.1.1',
    '172.20.0.1',
    '100.64.0.1',
    'fd00:2::1',
    '',
    'localhost',
    'gateway',
    'a.localhost',
    'gw.local',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    'gw.owner.example.',
    'gw_1.owner.example',
    'GW.owner.example',
    'gw.owner.example:443',
    'user@gw.owner.example',
    '[::1]',
  ])('is not %j', (host) => {
    expect(rule(host)).toEqual(expect.any(String));
  });

  it('is a private address of a shared network, and never this machine there', () => {
    expect(rule('10.9.9.9', 'n1')).toBeUndefined();
    expect(rule('10.9.9.9', 'n2')).toBeDefined();
    expect(rule('127.0.0.1', 'n1')).toBeDefined();
    expect(rule('169.254.169.254', 'n1')).toBeDefined();
  });

  it('is never what the agent itself may not connect to', () => {
    const guard = createForbiddenRanges(['10.1.2.0/24']);
    const guarded = createHostRule({ allowedRanges: ['10.1.0.0/16'], networks: [], guard });
    expect([guarded('10.1.1.1'), guarded('10.1.2.3')]).toEqual([undefined, expect.any(String)]);
  });

  it.each(['10.0.0.0', 'example.org/8', '10.0.0.0/x', '10.0.0.0/33'])('throws for the range %s', (range) => {
    expect(() => createHostRule({ allowedRanges: [range], networks: [] })).toThrow(RangeError);
  });
});

describe('a host name of a gateway', () => {
  const signal = new AbortController().signal;
  const catalogue = {
    trustDomain: OWNER,
    gateways: [{ id: 'gw1', host: 'gw.owner.example', port: 15443, priority: 0 }],
  };
  const check = (addresses: readonly string[]) =>
    checkResolvedHosts(catalogue, rule, () => Promise.resolve(addresses), signal);

  it('leads to where our proxies may connect', async () => {
    await expect(check(['192.0.2.1', '10.1.0.1'])).resolves.toBeUndefined();
  });

  it.each([
    ['127.0.0.1'],
    ['192.0.2.1', '169.254.169.254'],
    ['fd00:2::1'],
  ])('never leads to %j', async (...addresses) => {
    await expect(check(addresses)).rejects.toMatchObject({ code: 'catalogue-forbidden-address' });
  });

  it('passes when our name servers do not know it, and an IP address is not looked up', async () => {
    const fails = () => Promise.reject(new Error('ENOTFOUND'));
    await expect(checkResolvedHosts(catalogue, rule, fails, signal)).resolves.toBeUndefined();
    const numeric = { ...catalogue, gateways: [{ id: 'gw1', host: '192.0.2.1', port: 1, priority: 0 }] };
    const counts = () => Promise.resolve(['127.0.0.1']);
    await expect(checkResolvedHosts(numeric, rule, counts, signal)).resolves.toBeUndefined();
  });
});
