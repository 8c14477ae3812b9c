import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  isExempt,
  parseExemptHost,
  proxyAuthorization,
} from '../../../src/federation/fetch/outgoing-proxy.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';

const url = new URL('http://proxy.example:3128');

describe('isExempt()', () => {
  const exempt = ['peer.example', '.inside.example', '10.1.2.3', '[FD00::0:1]', 'Upper.Example.'].map(
    (text) => parseExemptHost(text) ?? '',
  );

  it.each([
    'peer.example',
    'PEER.example.',
    'a.inside.example',
    'a.b.inside.example',
    '10.1.2.3',
    'fd00::1',
    'upper.example',
  ])('spares %s the proxy', (host) => expect(isExempt({ url, exempt }, host)).toBe(true));

  it.each([
    'a.peer.example',
    'xpeer.example',
    'inside.example',
    'notinside.example',
    '10.1.2.30',
    '110.1.2.3',
    'fd00::2',
  ])('sends %s through the proxy', (host) => expect(isExempt({ url, exempt }, host)).toBe(false));
});

describe('parseExemptHost()', () => {
  it.each([
    '',
    '.',
    '*.example',
    'a b',
    'http://a.example',
    'a.example:443',
    '10.0.0.0/8',
    'a..b',
  ])('refuses %j', (text) => expect(parseExemptHost(text)).toBeUndefined());
});

describe('proxyAuthorization()', () => {
  it('reads user and password for each connection, and nothing without a file', async () => {
    using folder = tempDir();
    const credentialsFile = folder.file('proxy');
    writeFileSync(credentialsFile, 'ann:söme:thing\n', { mode: 0o600 });
    const proxy = { url, credentialsFile, exempt: [] };
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    expect(await proxyAuthorization(proxy)).toBe(basic('ann:söme:thing'));
    writeFileSync(credentialsFile, 'bob:other');
    expect(await proxyAuthorization(proxy)).toBe(basic('bob:other'));
    expect(await proxyAuthorization({ url, exempt: [] })).toBeUndefined();
  });

  it.each([
    ['without a colon', 'ann', 0o600, 'it is not one line "user:password"'],
    ['with two lines', 'ann:a\nX-Other: b', 0o600, 'it is not one line "user:password"'],
    ['that others may open', 'ann:secret', 0o640, 'mode 0640'],
    ['that is too large', `ann:${'x'.repeat(5000)}`, 0o600, 'is larger than'],
  ])('refuses a file %s, and repeats nothing of it', async (_what, content, mode, why) => {
    using folder = tempDir();
    const credentialsFile = folder.file('proxy');
    writeFileSync(credentialsFile, content);
    chmodSync(credentialsFile, mode);
    const refusal = await proxyAuthorization({ url, credentialsFile, exempt: [] }).catch((error) => error);
    expect(refusal).toMatchObject({
      code: 'proxy-credentials-unusable',
      message: expect.stringContaining(why),
    });
    expect(refusal.message).not.toContain('secret');
  });

  it('refuses a file that is not there', async () => {
    const proxy = { url, credentialsFile: '/nowhere/proxy', exempt: [] };
    await expect(proxyAuthorization(proxy)).rejects.toMatchObject({ code: 'proxy-credentials-unusable' });
  });
});
