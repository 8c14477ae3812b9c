import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  DistrustedKeyDocument,
  InvitationDocument,
  RelationshipDocument,
  ReviewDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { TestCa } from '../../testkit/test-ca.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

/** Two agents, and every undo and next step that a command prints, run in a shell as it was printed. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;

beforeEach(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  [a, b] = agents.all as [RunningAgent, RunningAgent];
  writeFileSync(agents.file('federate'), `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`);
  chmodSync(agents.file('federate'), 0o755);
});
afterEach(() => agents[Symbol.asyncDispose]());

/** Runs printed lines in a shell that finds `federate`; on the other side `FEDERATE_SOCKET` names its agent, as for its operator. */
async function runPrinted(lines: readonly string[], socket?: string) {
  expect(lines.length).toBeGreaterThan(0);
  const env = { ...process.env, PATH: `${agents.folder}:${process.env['PATH']}` };
  const child = spawn('sh', ['-ec', lines.join('\n')], {
    cwd: agents.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: socket === undefined ? env : { ...env, FEDERATE_SOCKET: socket },
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString('utf8')));
  const [code] = (await once(child, 'close')) as [number | null];
  expect([code, text.err]).toEqual([0, '']);
  return text.out;
}

/** The commands in a text: those on lines of their own, and those in quotes. */
const commandsIn = (text: string) => [
  ...[...text.matchAll(/^ {2}(federate .*)$/gm)].map(([, command = '']) => command),
  ...[...text.matchAll(/"(federate [^"]*)"/g)].map(([, command = '']) => command),
];
const printed = async ({ home }: RunningAgent, ...words: string[]) => {
  const { out, err, code } = await runVerb(...words, '--socket', home.socket);
  return { text: `${out}\n${err}`, code };
};
const stateAtB = async () => (await b.home.ask<RelationshipDocument>('show', 'a.example')).answer.state;
const ownRoots = async () =>
  (await a.home.ask<BundleDocument>('bundle', 'show')).answer.x509_authorities.length;
/** Gives a second root to the mesh of a, and waits until its agent publishes both. */
async function publishTwoRoots(): Promise<TestCa> {
  const two = await presentCa('a.example', 'CN=a.example two');
  a.home.writeRoots(a.ca, two);
  await until('two roots', async () => (await ownRoots()) === 2);
  return two;
}

describe('every command that an answer prints can be run as it stands', () => {
  it('after add', async () => {
    await a.add(b);
    const { text, code } = await printed(b, 'add', '--peer', a.home.url, ...(await a.proof()));
    expect(code).toBe(0);
    expect(await runPrinted(commandsIn(text))).toContain('active');
  });

  it('after a key of a peer was distrusted: it counts again', async () => {
    await a.add(b);
    const key = b.ca.authority.keyFingerprint;
    const { text } = await printed(a, 'distrust', 'b.example', key);
    expect((await a.home.ask<DistrustedKeyDocument[]>('distrust', 'list')).answer).toHaveLength(1);
    const { warnings } = (await a.home.ask<StatusDocument>('status')).answer;
    expect(warnings).toMatchObject([
      { trust_domain: 'b.example', code: 'needs-bootstrap' },
      { code: 'peer-keys-distrusted' },
    ]);
    await runPrinted(commandsIn(text).filter((command) => command.includes('trust --again')));
    expect((await a.home.ask('distrust', 'list')).answer).toEqual([]);
  });

  it('distrusting the key below our own SVID is refused with what would happen, and says how to insist', async () => {
    const two = await publishTwoRoots();
    const { text, code } = await printed(a, 'distrust', 'a.example', a.ca.authority.keyFingerprint);
    expect([code, text]).toEqual([1, expect.stringContaining('[own-svid-key]')]);
    expect(text).toContain('every peer that takes our bundle without that key refuses our endpoint');
    expect(text).toContain('--even-our-own-svid');
    expect((await a.home.ask('distrust', 'list')).answer).toEqual([]);
    // The other root goes without a question: nothing of ours rests on it.
    expect((await printed(a, 'distrust', 'own', two.authority.keyFingerprint)).code).toBe(0);
  });

  it('with --even-our-own-svid peers refuse us, and the printed undo brings us back, here and there', async () => {
    await a.add(b);
    await b.add(a);
    const two = await publishTwoRoots();
    await until('both roots at b', () => b.holds(a, a.ca, two));
    const key = a.ca.authority.keyFingerprint;
    const { text, code } = await printed(a, 'distrust', 'own', key, '--even-our-own-svid');
    expect(code).toBe(0);
    expect(text).toContain("the agent's own SVID rests on this key");
    expect(text).toContain('Peers that hold a request open hear it at once');
    await until('b to refuse the endpoint', async () => (await stateAtB()) === 'failing');
    const commands = commandsIn(text);
    await runPrinted(commands.filter((command) => command.includes('--socket')));
    expect(await ownRoots()).toBe(2);
    // B cannot hear it: its operator needs the file.
    await printed(b, 'refresh', 'a.example');
    expect(await stateAtB()).toBe('failing');
    await runPrinted(
      commands.filter((command) => !command.includes('--socket')),
      b.home.socket,
    );
    expect(await stateAtB()).toBe('active');
  });

  it('after change', async () => {
    await a.add(b);
    const changed = await printed(a, 'change', 'b.example', '--policy', 'ask-always');
    expect(await runPrinted(commandsIn(changed.text))).toContain('ask-always');
    const short = await printed(a, 'change', 'b.example', '--stale-after', '1s');
    expect(short.text).toContain('[stale-after-short]');
    expect((await printed(a, 'change', 'b.example', '--never-stale')).text).not.toContain('WARNING');
  });

  it('after bundle set', async () => {
    await a.add(b);
    const { answer } = await b.home.ask<BundleDocument>('bundle', 'show');
    writeFileSync(agents.file('b.json'), answer.document);
    const { text } = await printed(a, 'bundle', 'set', 'b.example', agents.file('b.json'));
    expect(await runPrinted(commandsIn(text))).toContain('version');
  });

  it('after invite', async () => {
    const { text } = await printed(a, 'invite');
    await runPrinted(commandsIn(text).filter((command) => !command.includes('add --peer')));
    const { answer } = await a.home.ask<InvitationDocument[]>('invite', 'list');
    expect(answer.map(({ state }) => state)).toEqual(['cancelled']);
  });

  it('after review: the offer is rejected, the rejection taken back, and the offer accepted', async () => {
    await a.add(b, '--policy', 'ask-always');
    b.home.writeRoots(b.ca, await presentCa('b.example', 'CN=b.example two'));
    const waiting = async () => (await a.home.ask<ReviewDocument>('review', 'b.example')).answer.waiting;
    await until('the offer', async () => (await waiting()).length === 1);
    const pick = async (word: string) =>
      commandsIn((await printed(a, 'review', 'b.example')).text).filter((command) => command.includes(word));
    const rejected = await runPrinted(await pick('--reject'));
    expect((await waiting())[0]?.status).toBe('rejected');
    await runPrinted(commandsIn(rejected));
    await until('the offer again', async () => (await waiting())[0]?.status === 'quarantined');
    await runPrinted(await pick('--accept'));
    expect(await waiting()).toEqual([]);
  });

  it('after remove', async () => {
    await a.add(b);
    const { text } = await printed(a, 'remove', 'b.example');
    expect(await runPrinted(commandsIn(text))).toContain('version');
  });
});
