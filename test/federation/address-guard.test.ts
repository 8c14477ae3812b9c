import { describe, expect, it } from 'vitest';
import { createForbiddenRanges, defaultFetchLimits } from '../../src/federation/index.ts';
import { FetchTimer } from '../../src/federation/fetch/fetch-timer.ts';
import { openTcp } from '../../src/federation/fetch/open-tcp.ts';
import { invitationGuard } from '../../src/invitation/guard.ts';
import { systemClock } from '../../src/platform/index.ts';

describe('createForbiddenRanges()', () => {
  it.each([
    ['10.0.0.0/8', '10.1.2.3', '11.1.2.3'],
    ['10.0.0.0/8', '::ffff:10.1.2.3', '::ffff:11.1.2.3'],
    ['192.0.2.7/32', '192.0.2.7', '192.0.2.8'],
    ['0.0.0.0/0', '8.8.8.8', '2001:db8::1'],
    ['fd00::/8', 'fdab::1', 'fe00::1'],
    ['2001:db8::/32', '2001:db8:1::', '2001:db9::'],
    ['fe80::/10', 'fe80::1%eth0', 'fdc0::1'],
    ['10.0.0.0/8', '64:ff9b::a01:203', '64:ff9b::b01:203'],
    ['10.0.0.0/8', '64:ff9b:1::a01:203', '64:ff9b:1::b01:203'],
    ['10.0.0.0/8', '64:ff9b:1:a01:2:300::', '64:ff9b:1:b01:2:300::'],
    ['10.0.0.0/8', '64:ff9b:1:a:1:203::', '64:ff9b:1:b:1:203::'],
    ['10.0.0.0/8', '64:ff9b:1:5:a:102:300:0', '64:ff9b:1:5:b:102:300:0'],
    ['10.0.0.0/8', '2002:a01:203::1', '2002:b01:203::1'],
    ['10.0.0.0/8', '2001:0:a01:203:0:0:f7f7:f7f7', '2001:0:801:203:0:0:f7f7:f7f7'],
    ['10.0.0.0/8', '2001:0:808:808:0:0:f5fe:fdfc', '2001:0:808:808:0:0:f4fe:fdfc'],
    ['10.0.0.0/8', '::ffff:0:10.1.2.3', '::ffff:0:11.1.2.3'],
    ['10.0.0.0/8', '::10.1.2.3', '::11.1.2.3'],
    ['10.0.0.0/8', 'fd00::5efe:10.1.2.3', 'fd00::5efe:11.1.2.3'],
    ['10.0.0.0/8', '2001:db8::200:5efe:a01:203', '2001:db8::300:5efe:a01:203'],
  ])('of %s holds %s and not %s', (range, inside, outside) => {
    const guard = createForbiddenRanges(['203.0.113.0/24', range]);
    expect(guard(inside)).toContain(range);
    expect(guard(outside)).toBeUndefined();
  });

  it.each([
    '169.254.169.254',
    '168.63.129.16',
    '::ffff:168.63.129.16',
    '64:ff9b::a83f:8110',
    '100.100.100.200',
    'fd00:ec2::254',
    'fd20:ce::254',
    '2002:a9fe:a9fe::',
  ])('refuses the metadata service at %s, whatever ranges are listed', (address) => {
    expect(createForbiddenRanges([])(address)).toContain('credentials');
  });

  it('refuses nothing else without a range', () => {
    for (const address of [
      '192.0.2.1',
      '10.0.0.1',
      '127.0.0.1',
      '::1',
      '2001:db8::1',
      'fd00::1',
      'not-an-address',
    ])
      expect(createForbiddenRanges([])(address)).toBeUndefined();
  });

  it.each([
    '',
    '10.0.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/ 8',
    'host/8',
  ])('refuses %j, which is not a range', (range) => {
    expect(() => createForbiddenRanges([range])).toThrow(RangeError);
  });
});

describe('invitationGuard()', () => {
  const elsewhere = new URL('https://federation.a.example:8443/');

  it.each([
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    'fe80::1',
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
  ])('leads an agent out there not to %s', (address) => {
    expect(invitationGuard(elsewhere, undefined)(address)).toBeTypeOf('string');
  });

  it('leads to public and private addresses, and to this machine where we are reached at it', () => {
    for (const address of ['192.0.2.1', '10.0.0.1', '2001:db8::1'])
      expect(invitationGuard(elsewhere, undefined)(address)).toBeUndefined();
    for (const own of [
      'https://localhost:1/',
      'https://a.localhost:1/',
      'https://127.0.0.1:1/',
      'https://[::1]:1/',
    ])
      expect(invitationGuard(new URL(own), undefined)('127.0.0.1')).toBeUndefined();
    expect(invitationGuard(new URL('https://localhost/'), undefined)('169.254.169.254')).toBeTypeOf('string');
    expect(invitationGuard(elsewhere, createForbiddenRanges(['10.0.0.0/8']))('10.0.0.1')).toBeTypeOf(
      'string',
    );
  });
});

describe('openTcp() with a guard', () => {
  it('never connects to an address that is forbidden, by name or by number, and leaves it out of several', async () => {
    const guard = createForbiddenRanges(['127.0.0.0/8']);
    const open = (url: string, found: readonly string[]) => {
      const timer = new FetchTimer(systemClock, new AbortController().signal);
      return openTcp({
        url: new URL(url),
        lookup: async () => found,
        guard,
        proxy: undefined,
        limits: { ...defaultFetchLimits, connectMs: 500 },
        timer,
      })
        .then(({ socket }) => socket.destroy())
        .finally(() => timer.close());
    };
    await expect(open('https://127.0.0.1:1/', [])).rejects.toMatchObject({ code: 'address-forbidden' });
    await expect(open('https://a.example:1/', ['127.0.0.1', '127.9.9.9'])).rejects.toMatchObject({
      code: 'address-forbidden',
    });
    await expect(open('https://a.example:1/', ['127.0.0.1', '::1'])).rejects.toMatchObject({
      code: 'connect-failed',
    });
  });
});
