import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { RelationshipDocument } from '../../src/admin-client/index.ts';
import { TestReader } from '../../testkit/reader.ts';
import { serveAdmin } from '../../testkit/serve-admin.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const NOON = new Date('2030-01-01T12:00:00Z');

const peer = (sequence: string, rest: Partial<RelationshipDocument> = {}) =>
  ({
    trust_domain: 'b.example',
    state: 'active',
    policy: 'ask-on-dangerous',
    sequence,
    version: 1,
    authorities: 1,
    authorities_counting: 1,
    last_success_at: '2030-01-01T11:59:00.000Z',
    next_poll_at: null,
    warnings: [],
    their_side: null,
    reason: null,
    in_mesh: null,
    ...rest,
  }) as unknown as RelationshipDocument;

/** An agent with one relationship, and a reader who watches it. */
async function watching(words: readonly string[], reader: ConstructorParameters<typeof TestReader>[0] = {}) {
  const clock = new TestClock(NOON);
  const answers = { now: [peer('1')] };
  const admin = await serveAdmin({ 'GET /v1/relationships': () => answers.now });
  const watcher = new TestReader({ ...reader, clock });
  const ended = watcher.run('list', '--watch', ...words, '--socket', admin.path);
  const tick = async () => {
    await clock.untilSleeping();
    await clock.advance(1000);
    await clock.untilSleeping();
  };
  await clock.untilSleeping();
  return { admin, answers, watcher, ended, tick };
}

describe('--watch', () => {
  it('prints one line of JSON for each change, and ends with 130 when it is interrupted', async () => {
    const { admin, answers, watcher, ended, tick } = await watching(['-o', 'json']);
    await using _admin = admin;
    await tick();
    await tick();
    answers.now = [peer('2')];
    await tick();
    watcher.interrupt();
    expect(await ended).toBe(130);
    expect(watcher.listening).toBe(0);
    const sequences = watcher.out.map((line) => JSON.parse(line)[0].sequence);
    expect(sequences).toEqual(['1', '2']);
  });

  it('prints a document of a YAML stream for each change', async () => {
    const { admin, answers, watcher, ended, tick } = await watching(['-o', 'yaml']);
    await using _admin = admin;
    answers.now = [peer('2')];
    await tick();
    watcher.interrupt();
    await ended;
    const documents = parseAllDocuments(watcher.out.join('\n'));
    expect(documents.map((each) => each.toJS()[0].sequence)).toEqual(['1', '2']);
  });

  it('prints a block of text under its time for each change on a pipe', async () => {
    const { admin, answers, watcher, ended, tick } = await watching([]);
    await using _admin = admin;
    await tick();
    answers.now = [];
    await tick();
    watcher.interrupt();
    expect(await ended).toBe(130);
    const [first = '', second = '', ...more] = watcher.out;
    expect(more).toEqual([]);
    expect(first.split('\n')[0]).toBe('2030-01-01T12:00:00Z');
    expect(first).toContain('b.example\n  active · sequence 1');
    expect(second).toMatch(/^\n2030-01-01T12:00:02Z\nThere are no relationships yet/);
  });

  it('draws on a terminal each second, gives the screen back, and leaves the last state', async () => {
    const { admin, watcher, ended, tick } = await watching([], { columns: 100, rows: 30 });
    await using _admin = admin;
    await tick();
    watcher.interrupt();
    expect(await ended).toBe(130);
    expect(watcher.drawn[0]).toBe('\u001B[?1049h\u001B[?25l');
    expect(watcher.drawn.at(-1)).toBe('\u001B[?25h\u001B[?1049l');
    expect(watcher.drawn[1]).toContain('1m ago');
    expect(watcher.drawn[2]).toContain('1m1s ago');
    expect(watcher.out).toHaveLength(1);
    expect(watcher.out[0]).toContain('b.example');
  });

  it('cuts what a terminal has no room for, and says how much', async () => {
    const many = Array.from({ length: 40 }, (_, index) => peer('1', { trust_domain: `p${index}.example` }));
    const clock = new TestClock(NOON);
    await using admin = await serveAdmin({ 'GET /v1/relationships': () => many });
    const watcher = new TestReader({ columns: 40, rows: 10, clock });
    const ended = watcher.run('list', '--watch', '--color', 'never', '--socket', admin.path);
    await clock.untilSleeping();
    watcher.interrupt();
    await ended;
    const lines = stripVTControlCharacters(watcher.drawn[1] ?? '').split('\r\n');
    expect(lines).toHaveLength(10);
    expect(lines.at(-1)).toMatch(/^… and \d+ more lines$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
  });

  it.each([
    ['on a pipe', {}, /Waiting for the agent/, 2],
    ['on a terminal', { columns: 100 }, /has not answered since 2030-01-01T12:00:01Z/, 0],
  ])('survives a restart of the agent and says so %s', async (_where, size, silence, lines) => {
    const { admin, answers, watcher, ended, tick } = await watching([], size);
    await using _admin = admin;
    await admin.pause();
    await tick();
    await tick();
    expect([...watcher.err, ...watcher.drawn].join('\n')).toMatch(silence);
    answers.now = [peer('7')];
    await admin.resume();
    await tick();
    await until(() => [...watcher.out, ...watcher.drawn].join('\n').includes('7'), 'the new state');
    expect(watcher.err).toHaveLength(lines);
    expect(watcher.err.at(-1) ?? 'The agent answers again.').toBe('The agent answers again.');
    watcher.interrupt();
    expect(await ended).toBe(130);
  });

  it('fails as usual where no agent answers at the start', async () => {
    const reader = new TestReader({ columns: 80 });
    expect(await reader.run('status', '--watch', '--socket', '/nonexistent/admin.sock')).toBe(3);
    expect(reader.drawn).toEqual([]);
    expect(reader.listening).toBe(0);
  });
});
