import { execFile, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(words, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const ADD = ['add', '--peer', 'https://b.example/', '--trust-domain', 'b.example'];
const VERBS = [
  ['init'],
  ['store', 'backup'],
  ['store', 'restore'],
  ['store', 'compact'],
  ['add'],
  ['list'],
  ['show'],
  ['status'],
  ['refresh'],
  ['remove'],
  ['bundle', 'show'],
  ['bundle', 'history'],
  ['bundle', 'diff'],
  ['bundle', 'set'],
  ['bundle', 'sign'],
  ['change'],
  ['verify'],
  ['export-config'],
  ['doctor'],
  ['doctor', 'istio'],
  ['doctor', 'consul'],
  ['agent'],
  ['gateway'],
  ['sidecar'],
  ['simulate', 'istio'],
  ['simulate', 'rotate'],
  ['check-config'],
  ['demo'],
];

describe('federate', () => {
  it.each(VERBS)('%s %s has --help with an example', async (...words) => {
    const { code, out } = await run(...words, '--help');
    expect(code).toBe(0);
    expect(out).toMatch(/Examples?:\n/);
  });

  it.each([
    [['invite', 'list']],
    [['distrust', 'list']],
    [['invite', 'cancel', '0123456789abcdef']],
    [['bundle', 'show', 'b.example']],
  ])('takes the socket behind the words %j', async (words) => {
    const { code, err } = await run(...words, '--socket', '/nonexistent/admin.sock');
    expect([code, err]).toEqual([3, expect.stringContaining('/nonexistent/admin.sock')]);
  });

  it('explains itself in lines of 80 columns', async () => {
    const { out } = await run('--help');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it.each([
    ['an unknown verb', ['frobnicate']],
    ['a missing option', ['add']],
    ['an unknown option', ['list', '--frob']],
    ['no profile', ADD],
    ['https_spiffe without an endpoint ID', [...ADD, '--profile', 'https_spiffe', '--pin', 'sha256:00']],
    ['two proofs at once', [...ADD, '--profile', 'https_web', '--web-pki', '--pin', 'sha256:00']],
    [
      'an endpoint ID with https_web',
      [...ADD, '--profile', 'https_web', '--web-pki', '--endpoint-id', 'spiffe://b.example/x'],
    ],
    [
      'Web PKI with https_spiffe',
      [...ADD, '--profile', 'https_spiffe', '--endpoint-id', 'spiffe://b.example/x', '--web-pki'],
    ],
    ['a signed bundle without a signer', [...ADD, '--signed', '--pin', 'sha256:00']],
    [
      'a signer without a signed bundle',
      [...ADD, '--profile', 'https_web', '--signer', 'spiffe://b.example/x'],
    ],
    ['a signed bundle by Web PKI', [...ADD, '--signed', '--signer', 'spiffe://b.example/x', '--web-pki']],
    [
      'a signed bundle with a profile',
      [...ADD, '--signed', '--signer', 'spiffe://b.example/x', '--profile', 'https_web'],
    ],
    [
      'a signed file that is not there',
      [
        'add',
        '--peer',
        '/nonexistent',
        '--trust-domain',
        'b.example',
        '--signed',
        '--signer',
        'spiffe://b.example/x',
      ],
    ],
    ['a signature for a moment', ['bundle', 'sign', '--expires', '5s']],
    ['a bundle file that is not there', [...ADD, '--profile', 'https_web', '--bundle', '/nonexistent']],
    ['a bundle to set that is not there', ['bundle', 'set', 'b.example', '/nonexistent']],
    ['a change of nothing', ['change', 'b.example', '--reason', 'none']],
    ['a change to https_spiffe without an endpoint ID', ['change', 'b.example', '--profile', 'https_spiffe']],
    [
      'a change to https_web with an endpoint ID',
      ['change', 'b.example', '--profile', 'https_web', '--endpoint-id', 'spiffe://b.example/x'],
    ],
    ['a private CA and the public ones at once', ['change', 'b.example', '--ca-file', ENTRY, '--public-cas']],
    ['--accept-once for every peer', ['refresh', '--accept-once']],
    ['an unknown step of a rotation', ['simulate', 'rotate', 'sideways']],
    ['an unknown kind of config', ['check-config', 'x.yaml', '--kind', 'teapot']],
  ])('exits with 2 for wrong usage: %s', async (_what, words) => {
    const { code, err } = await run(...words);
    expect(code).toBe(2);
    expect(err).not.toBe('');
  });

  it.each([
    [['frobnicate', '--help'], 'frobnicate'],
    [['--help', 'frobnicate'], 'frobnicate'],
    [['help', 'frobnicate'], 'frobnicate'],
    [['statsu', '--help'], 'did you mean "status"?'],
    [['bundle', 'shwo', '--help'], 'did you mean "show"?'],
    [['bundle', 'frobnicate', '-h'], 'below "bundle"'],
    [['simulate', 'envoy', '--help'], 'below "simulate"'],
    [['rotation', 'frobnicate', '--help'], 'frobnicate'],
    [['frobnicate', '--version'], 'frobnicate'],
  ])('refuses a verb that there is not, next to --help too: %j', async (words, why) => {
    const { code, out, err } = await run(...words);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(why)]);
  });

  it.each([
    [['help']],
    [['help', 'bundle']],
    [['bundle', '--help']],
    [['list', '--socket', 'frobnicate', '--help']],
    [['distrust', 'b.example', 'aaaaaa', '--help']],
    [['show', 'list', '--help']],
  ])('still helps with %j', async (words) => {
    const { code, out } = await run(...words);
    expect([code, out]).toEqual([0, expect.stringContaining('Usage:')]);
  });

  it.each([
    ['history', '--at'],
    ['bundle', 'show', 'b.example', '--at'],
    ['distrust', 'b.example', 'aaaaaa', '--until'],
  ])('takes no time without a zone: %s %s', async (...words) => {
    for (const instant of ['2026-11-21T10:00', '2026-11-21']) {
      const { code, err } = await run(...words, instant);
      expect([code, err]).toEqual([2, expect.stringContaining('names no zone')]);
    }
    expect((await run(...words, '2026-02-31T10:00Z')).err).toContain('is not one');
    expect((await run(...words, '2036-11-21T10:00+02:00', '--socket', '/nonexistent/admin.sock')).code).toBe(
      3,
    );
  });

  it('add wants URL, trust domain and profile, each by name, and guesses none of them (FED-03, FED-06)', async () => {
    const words = {
      '--peer': 'https://b.example/',
      '--trust-domain': 'b.example',
      '--profile': 'https_web',
    };
    const proof = ['--web-pki', '--socket', '/nonexistent/admin.sock'];
    const add = (without?: string) =>
      run('add', ...Object.entries(words).flatMap((pair) => (pair[0] === without ? [] : pair)), ...proof);
    expect((await add()).code).toBe(3);
    for (const name of Object.keys(words)) {
      const { code, err } = await add(name);
      expect(code).toBe(2);
      expect(err).toContain(name);
    }
  });

  it('exits with 3 and says what to do when no agent answers', async () => {
    const { code, err } = await run('list', '--socket', '/nonexistent/admin.sock');
    expect(code).toBe(3);
    expect(err).toContain('[agent-unreachable]');
    expect(err).toContain('→');
  });

  it('tells errors as a document with --output json', async () => {
    const { code, out } = await run('list', '--socket', '/nonexistent/admin.sock', '--output', 'json');
    expect(code).toBe(3);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'agent-unreachable' } });
  });

  it('tells every mistake of a config with its path', async () => {
    using folder = tempDir();
    writeFileSync(
      folder.file('a.yaml'),
      'store: x\nendpoint: { profile: https_web, listen: nowhere }\nmesh: { kind: istio, kubconfig: x }\n',
    );
    const { code, err } = await run('check-config', folder.file('a.yaml'));
    expect(code).toBe(2);
    for (const path of ['endpoint.listen', 'endpoint.url', 'endpoint.certificate_file', 'mesh.kubconfig']) {
      expect(err).toContain(`${path}:`);
    }
  });
});

describe('bin/federate.js', () => {
  it('says kindly which Node it needs when an old one runs it', () => {
    const old = ['/usr/bin/node', '/usr/local/bin/node'].find(
      (path) => existsSync(path) && majorOf(path) < 22,
    );
    // Where no old Node is at hand, the version is handed in by a preload.
    const preload = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})`;
    const { status, stderr } = old
      ? spawnSync(old, [ENTRY, '--version'], { encoding: 'utf8' })
      : spawnSync(process.execPath, ['--import', preload, ENTRY, '--version'], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/needs Node 24/);
    expect(stderr).not.toMatch(/SyntaxError|\n\s+at /);
  });

  it('ends quietly when its reader stops reading', async () => {
    const code = await new Promise((done) => {
      execFile(
        'sh',
        ['-c', `"$0" "$1" --help | head -1; exit \${PIPESTATUS:-0}`, process.execPath, ENTRY],
        (error, _out, err) => {
          expect(err).not.toContain('EPIPE');
          done(error?.code ?? 0);
        },
      );
    });
    expect(code).toBe(0);
  });

  it('is executable', () => {
    expect(
      spawnSync(join(ENTRY), ['--version'], {
        env: { ...process.env, PATH: `${resolve(process.execPath, '..')}:${process.env['PATH']}` },
      }).status,
    ).toBe(0);
  });
});

function majorOf(path: string): number {
  return Number(/v(\d+)/.exec(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 99);
}
