import { afterEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { GateDocument, RotationDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const AT = '2030-01-01T12:00:00.000Z';
const safe: GateDocument = { safe: true, missing: [], taken: [] };
const waitsFor = (...peers: readonly (string | null)[]): GateDocument => ({
  safe: false,
  missing: peers.map((peer) => ({
    code: peer === null ? 'identities-alive' : 'peer-behind',
    message: `waits for ${peer ?? 'identities'}`,
    peer,
    poller: null,
    safe_at: null,
  })),
  taken: [],
});
const root = (letter: string, stage: 'published' | 'in-use' | 'retiring', use = safe, retire = safe) => ({
  fingerprint: letter.repeat(64),
  label: `${letter.repeat(6)} CN=Root ${letter}`,
  stage,
  since: AT,
  known_by: 'mesh',
  published_at: AT,
  in_use_at: null,
  retiring_at: null,
  not_before: AT,
  not_after: AT,
  use,
  retire,
});
const peer = (trustDomain: string) => ({
  trust_domain: trustDomain,
  known: 'identified' as const,
  sequence: '7',
  held_since: AT,
  in_mesh: { progress: 'in-effect', since: AT },
  seen_at: AT,
  address: '192.0.2.1',
  newest: false,
});
const document = (rest: Partial<RotationDocument> = {}): RotationDocument => ({
  trust_domain: 'us.example',
  sequence: '8',
  signing_known_by: 'mesh',
  refresh_hint_seconds: 300,
  lead_seconds: 900,
  leaf_lifetime_seconds: 3600,
  settle_seconds: 10,
  roots: [root('a', 'in-use'), root('b', 'published')],
  peers: [peer('b.example'), peer('c.example')],
  pollers: [{ address: '192.0.2.9', sequence: null, newest: null, last_seen_at: AT, requests: 3 }],
  findings: [{ level: 'risky', code: 'hint-long', message: 'it is long' }],
  ...rest,
});

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Runs `federate rotation …` against an agent that answers with these documents, one after the other, the last one again and again. */
async function run(answers: readonly RotationDocument[], ...words: string[]) {
  const folder = tempDir();
  const left = [...answers];
  const last = answers.at(-1) ?? document();
  const rotation = { 'GET /v1/rotation': () => left.shift() ?? last };
  const server = new AdminServer({
    path: folder.file('admin.sock'),
    ...stubAdmin(await openTestStore(), rotation),
  });
  await server.start();
  stops.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
  );
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(['rotation', ...words, '--socket', folder.file('admin.sock')], {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('federate rotation status', () => {
  it('tells roots, peers, pollers and what does not fit, for people and as one document', async () => {
    const waiting = document({ roots: [root('a', 'in-use'), root('b', 'published', waitsFor('b.example'))] });
    const { code, out } = await run([waiting], 'status');
    expect(code).toBe(0);
    for (const text of [
      'bbbbbb CN=Root b',
      'safe to use: not yet',
      'waits for b.example',
      'c.example',
      '7 (behind)',
      '192.0.2.9',
      'RISKY: it is long [hint-long]',
    ])
      expect(out).toContain(text);
    const json = await run([waiting], 'status', '--output', 'json');
    expect(JSON.parse(json.out)).toEqual(waiting);
  });
});

describe('federate rotation wait', () => {
  const wait = (answers: readonly RotationDocument[], ...words: string[]) =>
    run(answers, 'wait', '--output', 'json', ...words);
  const waiting = (...peers: readonly string[]) =>
    document({ roots: [root('a', 'in-use'), root('b', 'published', waitsFor(...peers))] });

  it('ends with 0 as soon as the newest published root may be used, and tells what it waits for', async () => {
    const { code, out, err } = await wait([waiting('b.example'), document()], '--for', 'use');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ safe: true, step: 'use', root: { fingerprint: 'b'.repeat(64) } });
    expect(err).toContain('waits for b.example');
  });

  it('ends with 1 when the time is up, with what is missing', async () => {
    const { code, out } = await wait([waiting('b.example')], '--for', 'use', '--timeout', '1ms');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ safe: false, missing: [{ peer: 'b.example' }] });
  });

  it('lets only the peers count that are meant', async () => {
    const both = waiting('b.example', 'c.example');
    const ends = async (...words: string[]) =>
      (await wait([both], '--for', 'use', '--timeout', '1ms', ...words)).code;
    expect(await ends()).toBe(1);
    expect(await ends('--except', 'b.example')).toBe(1);
    expect(await ends('--except', 'b.example', '--except', 'c.example')).toBe(0);
    expect(await ends('--peer', 'b.example')).toBe(1);
    const one = waiting('c.example');
    expect((await wait([one], '--for', 'use', '--timeout', '1ms', '--peer', 'b.example')).code).toBe(0);
  });

  it('lets no word of the operator stand against what is said of the root itself', async () => {
    const alive = document({ roots: [root('a', 'retiring', safe, waitsFor(null)), root('b', 'in-use')] });
    const words = ['--for', 'retire', '--timeout', '1ms', '--except', 'b.example', '--except', 'c.example'];
    expect((await wait([alive], ...words)).code).toBe(1);
    const over = document({ roots: [root('a', 'retiring'), root('b', 'in-use')] });
    expect((await wait([over], ...words)).code).toBe(0);
  });

  it('waits without such a root: it may only not have been seen', async () => {
    const none = document({ roots: [root('a', 'in-use')] });
    const { code, out } = await wait([none, document()], '--for', 'use');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ root: { stage: 'published' } });
    const late = await wait([none], '--for', 'use', '--timeout', '1ms');
    expect(JSON.parse(late.out)).toMatchObject({ root: null, missing: [{ code: 'no-root-waits' }] });
    const retire = await wait([none], '--for', 'retire', '--timeout', '1ms');
    expect(JSON.parse(retire.out)).toMatchObject({ missing: [{ code: 'no-root-retires' }] });
    const unknown = await wait([{ ...none, signing_known_by: null }], '--for', 'retire', '--timeout', '1ms');
    expect(JSON.parse(unknown.out)).toMatchObject({ missing: [{ code: 'signing-unknown' }] });
  });

  it('takes a root by the beginning of its fingerprint, where that is one root only', async () => {
    const named = await wait([document()], '--for', 'use', '--root', 'BBBBBB');
    expect(JSON.parse(named.out)).toMatchObject({ safe: true, root: { fingerprint: 'b'.repeat(64) } });
    const other = await wait([document()], '--for', 'use', '--root', 'cccccc', '--timeout', '1ms');
    expect(JSON.parse(other.out)).toMatchObject({ safe: false, missing: [{ code: 'no-such-root' }] });
    const twice = document({ roots: [root('b', 'in-use'), root('b', 'published')] });
    const ambiguous = await wait([twice], '--for', 'use', '--root', 'bbbbbb', '--timeout', '1ms');
    expect(JSON.parse(ambiguous.out)).toMatchObject({ safe: false, missing: [{ code: 'root-ambiguous' }] });
  });

  it.each([
    ['no step', []],
    ['a step that is none', ['--for', 'sign']],
    ['a timeout without a unit', ['--for', 'use', '--timeout', '10']],
    ['a root that is no fingerprint', ['--for', 'use', '--root', 'CN=Root']],
    ['too short a beginning of one', ['--for', 'use', '--root', 'abcde']],
    ['a peer that is none', ['--for', 'use', '--except', 'nobody.example']],
    ['--peer with --except', ['--for', 'use', '--peer', 'b.example', '--except', 'c.example']],
  ])('refuses %s as wrong usage', async (_, words) => {
    expect((await wait([document()], '--for', 'use')).code).toBe(0);
    expect((await wait([document()], ...words)).code).toBe(2);
  });
});
