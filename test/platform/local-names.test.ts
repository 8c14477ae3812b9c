import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createLocalNames, parseHostsFile, parseSearchList } from '../../src/platform/local-names.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

describe('parseHostsFile()', () => {
  it('reads names in lower case, several to a line and several lines to a name', () => {
    const hosts = parseHostsFile(
      '# a comment\n127.0.0.1\tlocalhost Peer.Example # another\n::1 localhost\n127.0.0.1 localhost\n',
    );
    expect([...hosts]).toEqual([
      ['localhost', ['127.0.0.1', '::1']],
      ['peer.example', ['127.0.0.1']],
    ]);
  });

  it('skips invalid lines', () => {
    expect(parseHostsFile('999.1.1.1 a\nhello\n\n127.0.0.1\n').size).toBe(0);
  });
});

describe('parseSearchList()', () => {
  it('takes the last list, at most six domains, and ndots within its bounds', () => {
    expect(parseSearchList('')).toEqual({ searchDomains: [], minDots: 1 });
    expect(parseSearchList('domain a\nsearch b C.d. # e\noptions ndots:5 timeout:2')).toEqual({
      searchDomains: ['b', 'c.d'],
      minDots: 5,
    });
    const many = parseSearchList('search a b c d e f g h\noptions ndots:99');
    expect(many).toEqual({ searchDomains: ['a', 'b', 'c', 'd', 'e', 'f'], minDots: 15 });
  });
});

describe('createLocalNames()', () => {
  it('sees a file that appears, and one that changes', async () => {
    using folder = tempDir();
    const hosts = folder.file('hosts');
    const names = createLocalNames({ hosts, resolvConf: folder.file('resolv.conf') });
    expect((await names()).addresses.size).toBe(0);
    writeFileSync(hosts, '127.0.0.2 peer.example\n');
    expect((await names()).addresses.get('peer.example')).toEqual(['127.0.0.2']);
    writeFileSync(hosts, '127.0.0.3 peer.example other.example\n');
    expect((await names()).addresses.get('peer.example')).toEqual(['127.0.0.3']);
  });

  it('reports a file that exists and cannot be read', async () => {
    using folder = tempDir();
    const names = createLocalNames({ hosts: folder.path, resolvConf: folder.file('resolv.conf') });
    await expect(names()).rejects.toMatchObject({ code: 'file-not-regular' });
  });
});
