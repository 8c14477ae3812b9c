import { describe, expect, it } from 'vitest';
import { addressKind, redirectMayReach } from '../../src/federation/fetch/address-kind.ts';

describe('addressKind()', () => {
  it.each([
    ['public', ['192.0.2.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2001:db8::1', '64:ff9b::808:808']],
    ['private', ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', 'fc12:3456::1']],
    ['loopback', ['127.0.0.1', '127.255.255.254', '::1']],
    ['special', ['0.0.0.0', '::', 'fe80::1', 'fe80::1%eth0', '224.0.0.1', '255.255.255.255', 'ff02::1']],
  ])('knows %s addresses', (kind, addresses) => {
    for (const address of addresses) expect(`${address} ${addressKind(address)}`).toBe(`${address} ${kind}`);
  });

  it('knows the places where clouds hand out credentials, also inside private ranges', () => {
    for (const address of [
      '169.254.169.254',
      '168.63.129.16',
      'fd00:ec2::254',
      'fd20:ce::254',
      'fd00:42::42',
      '100.100.100.200',
      '192.0.0.192',
    ])
      expect(`${address} ${addressKind(address)}`).toBe(`${address} special`);
  });

  it('knows an IPv4 address in an IPv6 one: mapped, translated, NAT64, 6to4, Teredo, ISATAP', () => {
    expect(addressKind('::ffff:8.8.8.8')).toBe('public');
    expect(addressKind('::ffff:127.0.0.1')).toBe('loopback');
    expect(addressKind('::ffff:a9fe:a9fe')).toBe('special');
    expect(addressKind('64:ff9b::a9fe:a9fe')).toBe('special');
    expect(addressKind('64:ff9b::7f00:1')).toBe('loopback');
    expect(addressKind('2002:a00:1::1')).toBe('private');
    expect(addressKind('2002:7f00:1::1')).toBe('loopback');
    expect(addressKind('2001:0:808:808::80ff:fffe')).toBe('loopback');
    expect(addressKind('2001:0:a9fe:a9fe::')).toBe('special');
    expect(addressKind('2001:db8::5efe:192.168.1.1')).toBe('private');
    expect(addressKind('::ffff:0:127.0.0.1')).toBe('loopback');
    expect(addressKind('64:ff9b:1::808:808')).toBe('private');
    expect(addressKind('64:ff9b:1::7f00:1')).toBe('loopback');
  });

  it('takes what is not an address for special', () => {
    for (const text of ['', 'localhost', '127.1', '1.2.3.4.5']) expect(addressKind(text)).toBe('special');
  });
});

describe('redirectMayReach()', () => {
  it('leads outwards or stays, never inwards, and never to a special address', () => {
    const kinds = ['public', 'private', 'loopback', 'special'] as const;
    const allowed = kinds.flatMap((from) =>
      kinds.filter((to) => redirectMayReach(from, to)).map((to) => `${from} to ${to}`),
    );
    expect(allowed).toEqual([
      'public to public',
      'private to public',
      'private to private',
      'loopback to public',
      'loopback to loopback',
      'special to public',
    ]);
  });
});
