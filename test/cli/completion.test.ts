import { createServer } from 'node:net';
import { chmodSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  ImportDocument,
  RelationshipDocument,
  ReviewDocument,
  WaitingListDocument,
} from '../../src/admin-client/index.ts';
import { SCRIPTS } from '../../src/cli/completion/scripts.ts';
import { TestReader } from '../../testkit/reader.ts';
import { type ServedAdmin, serveAdmin } from '../../testkit/serve-admin.ts';
import { hasShell, runIn } from '../../testkit/shells.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');
const ROOT_KEY = 'a1b2c3d4e5f6'.padEnd(64, '0');

let admin: ServedAdmin;
beforeAll(async () => {
  const peers = ['b.example', 'bank.example'].map((name) => ({ trust_domain: name, state: 'fresh' }));
  const bundle = {
    x509_authorities: [{ key_fingerprint: ROOT_KEY, subject: 'CN=Root' }],
    jwt_key_ids: ['key-7', '$(touch stolen)', 'a b', '`id`'],
  };
  const review = { waiting: [{ digest: 'f'.repeat(64), message: 'all roots changed' }], rejected: [] };
  const imports = [{ name: 'info.b.federated', service: 'info', trust_domain: 'b.example' }];
  const lists = ['b.example', 'bank.example'].map((name, index) => ({
    trust_domain: name,
    digest: `${index}`.repeat(64),
    changes: [{ message: 'another identity' }],
  }));
  admin = await serveAdmin({
    'GET /v1/relationships': () => peers as unknown as RelationshipDocument[],
    'GET /v1/bundles/{trust_domain}': () => bundle as unknown as BundleDocument,
    'GET /v1/offers/{trust_domain}': () => review as unknown as ReviewDocument,
    'GET /v1/imports': () => imports as unknown as ImportDocument[],
    'GET /v1/waiting-lists': () => lists as unknown as WaitingListDocument[],
  });
});
afterAll(() => admin[Symbol.asyncDispose]());

/** The answer of the hidden verb: its kind, then the words without their meaning. */
async function answer(...words: readonly string[]): Promise<string[]> {
  const reader = new TestReader({ environment: { FEDERATE_SOCKET: admin.path } });
  expect(await reader.run('__complete', ...words)).toBe(0);
  expect(reader.err).toEqual([]);
  return reader.out
    .join('\n')
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '');
}

describe('completion', () => {
  it.each([
    [['sta'], ['words', 'status']],
    [
      ['bundle', 's'],
      ['words', 'show', 'set', 'sign'],
    ],
    [['__'], ['words']],
    [
      ['list', '--ou'],
      ['words', '--output'],
    ],
    [['list', '--output', 'json', '--ou'], ['words']],
    [
      ['list', '--output', ''],
      ['words', 'text', 'json', 'yaml'],
    ],
    [
      ['list', '-o', 'y'],
      ['words', 'yaml'],
    ],
    [
      ['list', '--output=j'],
      ['words', '--output=json'],
    ],
    [['check-config', ''], ['files']],
    [['agent', '--config', './a'], ['files']],
    [['agent', '--config=./a'], ['files']],
    [
      ['completion', ''],
      ['words', 'bash', 'zsh', 'fish'],
    ],
    [
      ['simulate', 'rotate', 'p'],
      ['words', 'publish'],
    ],
    [
      ['show', ''],
      ['words', 'b.example', 'bank.example'],
    ],
    [
      ['show', 'ba'],
      ['words', 'bank.example'],
    ],
    [['show', 'b.example', ''], ['words']],
    [
      ['show', '--output', 'json', 'ba'],
      ['words', 'bank.example'],
    ],
    [
      ['show', '-ojson', 'ba'],
      ['words', 'bank.example'],
    ],
    [
      ['refresh', '--', 'ba'],
      ['words', 'bank.example'],
    ],
    [
      ['rotation', 'wait', '--except', 'ba'],
      ['words', 'bank.example'],
    ],
    [
      ['distrust', ''],
      ['words', 'b.example', 'bank.example', 'own', 'list'],
    ],
    [
      ['distrust', 'b.example', ''],
      ['words', 'a1b2c3d4e5f6', 'key-7'],
    ],
    [
      ['review', 'b.example', '--digest', ''],
      ['words', 'ffffffffffff'],
    ],
    [
      ['service', 'review', 'b.example', '--accept', ''],
      ['words', '000000000000'],
    ],
    [
      ['service', 'drop', ''],
      ['words', 'info.b.federated'],
    ],
    [
      ['service', 'import', 'info', '--from', 'ba'],
      ['words', 'bank.example'],
    ],
    [['frobnicate', ''], ['words']],
    [
      ['list', '--frob', '--ou'],
      ['words', '--output'],
    ],
  ])('of %j is %j', async (words, expected) => {
    expect((await answer(...words)).toSorted()).toEqual(expected.toSorted());
  });

  it('takes the socket that the words name, and gives static words where no agent answers', async () => {
    expect(await answer('show', '--socket', '/nonexistent/admin.sock', '')).toEqual(['words']);
    expect(await answer('distrust', '--socket=/nonexistent/admin.sock', '')).toEqual(['words', 'list']);
  });

  it('waits no longer than a moment for an agent that hangs, and says nothing about it', async () => {
    using folder = tempDir();
    const hanging = createServer();
    await new Promise<void>((done) => hanging.listen(folder.file('s'), done));
    const clock = new TestClock(new Date('2030-01-01T12:00:00Z'));
    const reader = new TestReader({ clock, environment: { FEDERATE_SOCKET: folder.file('s') } });
    const ended = reader.run('__complete', 'distrust', '');
    expect(await clock.untilSleeping()).toEqual([800]);
    await clock.advance(800);
    expect([await ended, reader.out[0]?.split('\t')[0], reader.err]).toEqual([0, 'words\nlist', []]);
    await new Promise((done) => hanging.close(done));
  });

  it.each(['bash', 'zsh', 'fish'] as const)('prints the script for %s', async (shell) => {
    const reader = new TestReader();
    expect(await reader.run('completion', shell)).toBe(0);
    expect(reader.out[0]).toBe(SCRIPTS[shell].trimEnd());
  });
});

/** A folder with a `federate` that runs this checkout. */
function commandFolder() {
  const folder = tempDir();
  writeFileSync(folder.file('federate'), `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`);
  chmodSync(folder.file('federate'), 0o755);
  return folder;
}

const environmentWith = (folder: string) => ({
  ...process.env,
  PATH: `${folder}:${process.env['PATH']}`,
  FEDERATE_SOCKET: admin.path,
});

describe('the script for bash', () => {
  /** What bash offers after this line is typed and the tab key is pressed. */
  async function typed(line: string): Promise<string[]> {
    using folder = commandFolder();
    const words = line.split(/ +|(?=[:=])|(?<=[:=])/);
    const script = [
      SCRIPTS.bash,
      `COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'`,
      `COMP_LINE='${line}' COMP_POINT=${line.length}`,
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})`,
      `COMP_CWORD=${words.length - 1}`,
      '_federate federate',
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    ].join('\n');
    const text = await runIn(['bash', '--norc', '-c'], script, environmentWith(folder.path));
    return text.trimEnd().split('\n').toSorted();
  }

  it.each([
    ['federate sta', ['status']],
    ['federate bundle s', ['set', 'show', 'sign']],
    ['federate show ba', ['bank.example']],
    ['federate list --output=y', ['yaml']],
    ['federate list --output ', ['json', 'text', 'yaml']],
    ['federate distrust b.example ', ['a1b2c3d4e5f6', 'key-7']],
    ['federate check-config ', ['']],
    ['federate list --socket=/nonexistent --ou', ['--output']],
  ])('completes %j', async (line, expected) => {
    expect(await typed(line)).toEqual(expected);
  });

  it('is registered by sourcing it, and offers nothing where the command fails', async () => {
    using folder = commandFolder();
    const registered = await runIn(
      ['bash', '--norc', '-c'],
      `${SCRIPTS.bash}complete -p federate`,
      environmentWith(folder.path),
    );
    expect(registered.trim()).toBe('complete -F _federate federate');
    writeFileSync(folder.file('federate'), '#!/bin/sh\necho broken\necho broken >&2\nexit 1\n');
    const script = `${SCRIPTS.bash}COMP_LINE='federate ' COMP_WORDS=(federate '') COMP_CWORD=1\n_federate\necho "$?\${COMPREPLY[*]}"`;
    expect(await runIn(['bash', '--norc', '-c'], script, environmentWith(folder.path))).toBe('0\n');
  });
});

describe.runIf(hasShell('fish'))('the script for fish', () => {
  it.each([
    ['federate sta', ['status']],
    ['federate show ba', ['bank.example']],
    ['federate list --output=y', ['--output=yaml']],
    ['federate distrust b.example ', ['a1b2c3d4e5f6', 'key-7']],
  ])('completes %j', async (line, expected) => {
    using folder = commandFolder();
    const script = `${SCRIPTS.fish}complete -C '${line}'`;
    const text = await runIn(['fish', '--no-config', '-c'], script, environmentWith(folder.path));
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((each) => each.split('\t', 1).join(''))
        .toSorted(),
    ).toEqual(expected);
  });
});

describe.runIf(hasShell('zsh'))('the script for zsh', () => {
  it.each([
    ['federate sta', ['status']],
    ['federate show ba', ['bank.example']],
    ['federate list --output=y', ['--output=yaml']],
    ['federate distrust b.example ', ['a1b2c3d4e5f6', 'key-7']],
  ])('completes %j', async (line, expected) => {
    using folder = commandFolder();
    // In place of the widgets of zle, which need a terminal: the functions that they would call.
    const script = [
      'compdef() { :; }',
      '_describe() { print -rl -- "${(@P)argv[-1]}"; }',
      '_files() { print files; }',
      SCRIPTS.zsh,
      `words=(${line
        .split(' ')
        .map((word) => `'${word}'`)
        .join(' ')})`,
      'CURRENT=$#words PREFIX=$words[-1]',
      '_federate',
    ].join('\n');
    const text = await runIn(['zsh', '-f', '-c'], script, environmentWith(folder.path));
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((each) => each.split(':', 1).join(''))
        .toSorted(),
    ).toEqual(expected);
  });
});
