import { describe, expect, it } from 'vitest';
import { noticeIgnoredProxy } from '../../src/agent/ignored-proxy.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';

const inConfig = { url: new URL('http://proxy.example:3128'), no_proxy: [] };

describe('noticeIgnoredProxy()', () => {
  it('says once which variables are ignored and which field to set, without their values', () => {
    const log = createRecordingLog();
    const environment = {
      HTTPS_PROXY: 'http://ann:secret@p.example',
      all_proxy: 'socks5://p',
      NO_PROXY: 'a',
    };
    noticeIgnoredProxy(environment, { federation: { proxy: undefined } }, log);
    expect(log.records).toMatchObject([
      {
        level: 'warn',
        message: expect.stringContaining('federation.proxy'),
        fields: { variables: ['HTTPS_PROXY', 'all_proxy'] },
      },
    ]);
    expect(JSON.stringify(log.records)).not.toContain('secret');
  });

  it.each([
    ['the config names a proxy', { HTTPS_PROXY: 'http://p' }, inConfig],
    ['no variable is set', { PATH: '/bin', HTTP_PROXY: 'http://p' }, undefined],
    ['the variable is empty', { HTTPS_PROXY: '' }, undefined],
  ])('says nothing where %s', (_what, environment, proxy) => {
    const log = createRecordingLog();
    noticeIgnoredProxy(environment, { federation: { proxy } }, log);
    expect(log.records).toEqual([]);
  });
});
