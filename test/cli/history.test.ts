import type { StoryDocument, StoryQuery } from '../../src/admin-client/index.ts';
import { operatorOf } from '../../src/cli/agent-options.ts';
import { followStory } from '../../src/cli/history-follow.ts';
import { systemClock } from '../../src/platform/index.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { AdminServer, warningsIn } from '../../src/admin/index.ts';
import { parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { type Store } from '../../src/store/index.ts';
import {
  createHistoryCas,
  doctorStore,
  type HistoryCas,
  second,
  writeHistory,
} from '../store/doctored-store.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

let folder: ReturnType<typeof tempDir>;
let cas: HistoryCas;
let store: Store;
let server: AdminServer;
let file: string;
beforeAll(async () => {
  folder = tempDir();
  file = folder.file('federate.db');
  cas = await createHistoryCas();
  store = await openTestStore({ path: file });
  await writeHistory(store, cas);
  await store.setMeta('own-trust-domain', 'a.example');
  writeFileSync(folder.file('roots.pem'), pemFromCertificates([cas.ownCa.root]));
  server = new AdminServer({
    path: folder.file('admin.sock'),
    ...stubAdmin(
      store,
      { 'GET /v1/status': () => Object.assign(Object.create(null), { trust_domain: 'a.example' }) },
      { storePath: file },
    ),
  });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  await store.close();
  folder[Symbol.dispose]();
});

async function history(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await main(['history', ...words, '--socket', folder.file('admin.sock')], terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** A copy of the store file to which `sql` was done. */
function doctored(name: string, sql: string): string {
  const path = folder.file(name);
  copyFileSync(file, path);
  copyFileSync(`${file}-wal`, `${path}-wal`);
  doctorStore(path, sql);
  return path;
}

describe('federate history', () => {
  it('tells the story, newest first, and how it is kept; of one trust domain with --of', async () => {
    const all = await history('--limit', '3');
    expect(all).toMatchObject({ code: 0, err: '' });
    expect(all.out.split('\n')).toHaveLength(5);
    expect(all.out).toContain('agent-stopped  ended (agent)');
    expect(all.out).toContain('27 links in the chain; signed up to link 26 by spiffe://a.example/federate');
    const one = await history('--of', 'c.example', '--output', 'json');
    expect(JSON.parse(one.out)).toMatchObject({ links: 27, newest_head: { number: 26 } });
    expect(one.out).not.toContain('b.example');
  });

  it('answers from a store file as from the agent', async () => {
    for (const words of [
      ['--limit', '9'],
      ['--of', 'b.example'],
      ['--at', second(9).toISOString()],
    ])
      expect(await history(...words, '--store', file)).toEqual(await history(...words));
  });

  it('answers what was trusted at an instant, over all trust domains, with what was distrusted then', async () => {
    const names = async (at: Date) => {
      const { out } = await history('--at', at.toISOString(), '--output', 'json');
      const { trusted } = JSON.parse(out) as { trusted: { trust_domain: string; version: number }[] };
      return trusted.map(({ trust_domain: name, version }) => `${name} ${version}`);
    };
    expect(await names(second(-1))).toEqual([]);
    expect(await names(second(2))).toEqual(['a.example 1', 'b.example 1', 'c.example 1']);
    expect(await names(second(10))).toEqual(['a.example 1', 'b.example 2']);
    expect(await names(second(12))).toEqual(['a.example 1', 'b.example 2', 'c.example 2']);
    const text = await history('--at', '2030-01-01T12:00Z', '--of', 'a.example');
    expect(text.out).toContain('a.example  version 1, sequence 1');
    expect(text.out).toContain('JWT key  key-1');
    expect((await history('--at', '2029-01-01T12:00Z')).out).toBe(
      'Nothing was trusted at 2029-01-01T12:00:00Z.',
    );
  });

  it.each([
    ['an instant that is none', ['--at', 'yesterday'], 'an instant with its zone'],
    ['a limit that is none', ['--limit', '0'], 'from 1 to 10000'],
    ['an export of an instant', ['--at', '2030-01-01', '--export', 'x'], 'without --at'],
    ['an export of one trust domain', ['--of', 'b.example', '--export', 'x'], 'without --of'],
    ['no trust domain', ['--of', 'B EXAMPLE', '--store', 'FILE'], 'trust-domain'],
    ['a file to verify that is not there', ['verify', '/nowhere'], 'ENOENT'],
    ['heads that are none', ['verify', 'FILE', '--heads', 'FILE'], 'no head of a history'],
  ])('refuses %s as wrong usage', async (_, words, why) => {
    const { code, err } = await history(...words.map((word) => (word === 'FILE' ? file : word)));
    expect(code).toBe(2);
    expect(err).toContain(why);
  });
});

describe('federate status and show', () => {
  it('say loudly what was found to be shown differently, before everything else', async () => {
    const open = await openTestStore();
    await writeHistory(open, cas);
    const incident = {
      at: second(20),
      trustDomain: parseTrustDomain('b.example'),
      actor: 'agent',
      code: 'other-content',
      message: 'the endpoint of b.example shows different bundles',
      origin: 'the agent of c.example',
    };
    await open.recordIncident({ ...incident, kind: 'equivocation' });
    expect(await warningsIn(open)).toEqual([
      {
        trust_domain: 'b.example',
        code: 'other-content',
        message: incident.message,
        since: second(20).toISOString(),
      },
    ]);
    const path = folder.file('loud.sock');
    const loud = new AdminServer({
      path,
      ...stubAdmin(open),
    });
    await loud.start();
    const out: string[] = [];
    const terminal = { out: (text: string) => out.push(text), err: () => {} };
    await main(['show', 'b.example', '--socket', path], terminal);
    await main(['list', '--socket', path], terminal);
    await loud.stop();
    const warning = `WARNING  ${incident.message} [other-content], since ${second(20).toISOString().replace('.000', '')}`;
    expect(out[0]?.split('\n')[0]).toBe(warning);
    expect(out[1]?.split('\n')).toContain(`  ${warning}`);
  });
});

describe('federate history verify', () => {
  it('finds the store of the agent sound while it is open, and says what its heads rest on', async () => {
    const { code, out } = await history('verify');
    expect(code).toBe(0);
    expect(out).toContain('up to link 26, by spiffe://a.example/federate');
    expect(out).toContain('link 27, newer than the head');
    expect(out).toContain('Sound');
    const given = await history('verify', file, '--bundle', folder.file('roots.pem'), '--output', 'json');
    expect(given.code).toBe(0);
    expect(JSON.parse(given.out)).toMatchObject({
      sound: true,
      newest_signed_head: { rooted_in: 'the bundle given' },
      findings: [],
    });
  });

  it('finds a doctored store, names the row, and exits with 1', async () => {
    const path = doctored('changed.db', "UPDATE event SET message = 'x' WHERE id = 3");
    const { code, out } = await history('verify', path);
    expect(code).toBe(1);
    expect(out).toContain('NOT SOUND: one thing is wrong.');
    expect(out).toContain('event 3 is not what link 5 commits to');
    const json = await history('verify', path, '--output', 'json');
    expect(JSON.parse(json.out)).toMatchObject({
      sound: false,
      findings: [{ code: 'row-changed', row: 'event 3' }],
    });
  });

  it('verifies an export like the store, from the agent or from the file, of mode 0600', async () => {
    const [fromAgent, fromFile] = [folder.file('agent.jsonl'), folder.file('file.jsonl')];
    expect(await history('--export', fromAgent)).toMatchObject({ code: 0, err: '' });
    await history('--export', fromFile, '--store', file);
    const withoutFirst = (path: string) => readFileSync(path, 'utf8').split('\n').slice(1);
    expect(withoutFirst(fromAgent)).toEqual(withoutFirst(fromFile));
    expect(statSync(fromAgent).mode & 0o777).toBe(0o600);
    const { code, out } = await history('verify', fromAgent, '--bundle', folder.file('roots.pem'));
    expect([code, out]).toEqual([0, expect.stringContaining('proven by the bundle given')]);
    const written = await history('--export', '-');
    expect(written.out.split('\n').slice(1)).toEqual(withoutFirst(fromAgent).slice(0, -1));
  });

  it('finds a cut tail by the heads that another party kept', async () => {
    const kept = folder.file('kept.jsonl');
    await history('--export', kept);
    const lines = readFileSync(kept, 'utf8').trim().split('\n');
    const links = lines.filter((line) => line.startsWith('{"link"')).slice(0, 20);
    const last = JSON.parse(links.at(-1) ?? '') as { hash: string };
    const cut = folder.file('cut.jsonl');
    const end = JSON.stringify({ end: { links: 20, hash: last.hash } });
    writeFileSync(cut, [lines[0], ...links, end].join('\n'));
    expect((await history('verify', cut)).code).toBe(0);
    const { code, out } = await history('verify', cut, '--heads', kept);
    expect(code).toBe(1);
    expect(out).toContain(
      'the history ends at link 20, but link 26 was signed by spiffe://a.example/federate',
    );
  });
});

describe('federate history, by time and kind', () => {
  const kindsOf = async (...words: string[]) => {
    const { code, out, err } = await history(...words, '--output', 'json');
    expect([code, err]).toEqual([0, '']);
    return (JSON.parse(out) as StoryDocument).events.map(({ kind }) => kind);
  };

  it('gives the events of some kinds, from the agent and from a file', async () => {
    const all = await kindsOf('--limit', '10000');
    const [kind = ''] = all;
    for (const place of [[], ['--store', file]]) {
      expect(await kindsOf('--kind', kind, ...place)).toEqual(all.filter((each) => each === kind));
      expect(new Set(await kindsOf('--kind', `${kind},${all.at(-1)}`, ...place))).toEqual(
        new Set([kind, all.at(-1)]),
      );
    }
  });

  it('gives the events of a time', async () => {
    const { events } = JSON.parse((await history('--output', 'json')).out) as StoryDocument;
    const [newest, oldest] = [events[0], events.at(-1)];
    expect(await kindsOf('--since', '2100-01-01T00:00Z')).toEqual([]);
    expect(await kindsOf('--until', oldest?.at ?? '')).toEqual([]);
    expect(await kindsOf('--since', newest?.at ?? '')).toEqual(
      events.filter(({ at }) => at === newest?.at).map(({ kind }) => kind),
    );
  });

  it.each([
    ['a kind that there is not', ['--kind', 'bundle-acepted'], 'did you mean "bundle-accepted"?'],
    ['a time without a zone', ['--since', '2026-11-21T10:00'], 'names no zone'],
    ['an instant and a kind', ['--at', '2026-11-21T10:00Z', '--kind', 'recovered'], 'without --kind'],
    ['an export of a time', ['--export', '-', '--since', '2026-11-21T10:00Z'], 'without --since'],
    ['a follow with an end', ['--follow', '--until', '2026-11-21T10:00Z'], 'without --until'],
  ])('refuses %s as wrong usage', async (_what, words, why) => {
    const { code, err } = await history(...words);
    expect([code, err]).toEqual([2, expect.stringContaining(why)]);
  });

  it('follows: what there is, oldest first, then each new event, over an agent that is away for a while', async () => {
    const lines: string[] = [];
    const notes: string[] = [];
    const stop = new Error('enough');
    const event = (id: number) => ({
      id,
      at: '2030-01-01T12:00:00.000Z',
      kind: 'recovered',
      trust_domain: null,
      actor: 'agent',
      code: null,
      message: `event ${id}`,
    });
    const answers = [
      async () => [event(2), event(1)],
      async () => [event(3)],
      async () => Promise.reject(new Error('the agent does not answer')),
      async () => Promise.reject(new Error('the agent does not answer')),
      async () => [event(4), event(5)],
    ];
    const asked: StoryQuery[] = [];
    const following = followStory(
      async (wanted) => {
        asked.push(wanted);
        const events = await answers.shift()?.();
        return { events: events ?? [], links: 0, head: null, newest_head: null };
      },
      { limit: 2, kinds: ['recovered'] },
      createTerminal({ out: (text) => lines.push(text), err: (text) => notes.push(text) }, systemClock),
      async () => {
        if (answers.length === 0) throw stop;
      },
    );
    await expect(following).rejects.toBe(stop);
    expect(lines.map((line) => /event \d/.exec(line)?.[0])).toEqual(
      [1, 2, 3, 4, 5].map((id) => `event ${id}`),
    );
    expect(notes).toEqual(['Waiting: the agent does not answer', 'The agent answers again.']);
    expect(asked.map(({ after }) => after)).toEqual([undefined, 2, 3, 3, 3]);
    expect(asked.every(({ kinds }) => kinds?.[0] === 'recovered')).toBe(true);
  });
});

describe('operatorOf()', () => {
  it('names the person who called sudo, and as whom the command runs', () => {
    expect(operatorOf({}, 'root')).toEqual({ name: 'root' });
    expect(operatorOf({ SUDO_USER: 'alice' }, 'root')).toEqual({ name: 'alice', as: 'root' });
    expect(operatorOf({ SUDO_USER: 'alice' }, 'alice')).toEqual({ name: 'alice' });
    expect(operatorOf({ SUDO_USER: '' }, 'federate')).toEqual({ name: 'federate' });
  });
});
