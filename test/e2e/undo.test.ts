import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  DistrustedKeyDocument,
  InvitationDocument,
  RelationshipDocument,
  ReviewDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { type AgentHome, presentCa, until } from '../../testkit/agent-process.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

/** Two agents, and every undo and next step that a command prints, run in a shell as it was printed. One story, in order. */
let agents: Agents;
let a: AgentHome;
let b: AgentHome;
let roots: readonly TestCa[];

beforeAll(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  [a, b] = [first.home, second.home];
  roots = [first.ca, second.ca];
  writeFileSync(agents.file('federate'), `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`);
  chmodSync(agents.file('federate'), 0o755);
});
afterAll(async () => await agents[Symbol.asyncDispose]());

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
const runIn = async (home: AgentHome, ...words: string[]) => {
  const { out, err, code } = await runVerb(...words, '--socket', home.socket);
  return { text: `${out}\n${err}`, code };
};
const addPeer = async (home: AgentHome, peer: AgentHome) => {
  const { own } = (await peer.ask<StatusDocument>('status')).answer;
  const id = `spiffe://${peer.trustDomain}/federate`;
  const proof = ['--profile', 'https_spiffe', '--endpoint-id', id, '--pin', own?.pin ?? ''];
  return await runIn(home, 'add', '--peer', peer.url, '--trust-domain', peer.trustDomain, ...proof);
};
const stateAtB = async () => (await b.ask<RelationshipDocument>('show', 'a.example')).answer.state;

describe('every command that an answer prints can be run as it stands', () => {
  it('after add', async () => {
    expect((await addPeer(a, b)).code).toBe(0);
    const { text } = await addPeer(b, a);
    expect(await runPrinted(commandsIn(text))).toContain('active');
  });

  it('after a key of a peer was distrusted: it counts again', async () => {
    const key = roots[1]?.authority.keyFingerprint ?? '';
    const { text } = await runIn(a, 'distrust', 'b.example', key);
    expect((await a.ask<DistrustedKeyDocument[]>('distrust', 'list')).answer).toHaveLength(1);
    const { warnings } = (await a.ask<StatusDocument>('status')).answer;
    expect(warnings).toMatchObject([
      { trust_domain: 'b.example', code: 'needs-bootstrap' },
      { code: 'peer-keys-distrusted' },
    ]);
    await runPrinted(commandsIn(text).filter((command) => command.includes('trust --again')));
    expect((await a.ask('distrust', 'list')).answer).toEqual([]);
  });

  it('distrusting the key below our own SVID is refused with what would happen, and says how to insist', async () => {
    await until('b to be polled', async () => (await stateAtB()) === 'active');
    const two = await presentCa('a.example', 'CN=a.example two');
    const own = roots[0] as TestCa;
    a.writeRoots(own, two);
    await until('two roots', async () => {
      const { answer } = await a.ask<BundleDocument>('bundle', 'show');
      return answer.x509_authorities.length === 2;
    });
    const { text, code } = await runIn(a, 'distrust', 'a.example', own.authority.keyFingerprint);
    expect([code, text]).toEqual([1, expect.stringContaining('[own-svid-key]')]);
    expect(text).toContain('every peer that takes our bundle without that key refuses our endpoint');
    expect(text).toContain('--even-our-own-svid');
    expect((await a.ask('distrust', 'list')).answer).toEqual([]);
    // The other root goes without a question: nothing of ours rests on it.
    expect((await runIn(a, 'distrust', 'own', two.authority.keyFingerprint)).code).toBe(0);
    await runIn(a, 'trust', '--again', 'own', two.authority.keyFingerprint);
  });

  it('with --even-our-own-svid peers refuse us, and the printed undo brings us back, here and there', async () => {
    const key = roots[0]?.authority.keyFingerprint ?? '';
    const { text, code } = await runIn(a, 'distrust', 'own', key, '--even-our-own-svid');
    expect(code).toBe(0);
    expect(text).toContain("the agent's own SVID rests on this key");
    expect(text).toContain('Peers that hold a request open hear it at once');
    await until('b to refuse the endpoint', async () => (await stateAtB()) === 'failing');
    const commands = commandsIn(text);
    await runPrinted(commands.filter((command) => command.includes('--socket')));
    expect((await a.ask<BundleDocument>('bundle', 'show')).answer.x509_authorities).toHaveLength(2);
    // B cannot hear it: its operator needs the file.
    await runIn(b, 'refresh', 'a.example');
    expect(await stateAtB()).toBe('failing');
    await runPrinted(
      commands.filter((command) => !command.includes('--socket')),
      b.socket,
    );
    expect(await stateAtB()).toBe('active');
  });

  it('after change, bundle set and invite', async () => {
    const changed = await runIn(a, 'change', 'b.example', '--policy', 'ask-always');
    expect(await runPrinted(commandsIn(changed.text))).toContain('ask-always');
    const short = await runIn(a, 'change', 'b.example', '--stale-after', '1s');
    expect(short.text).toContain('[stale-after-short]');
    expect((await runIn(a, 'change', 'b.example', '--never-stale')).text).not.toContain('WARNING');
    writeFileSync(agents.file('b.json'), (await b.ask<BundleDocument>('bundle', 'show')).answer.document);
    const set = await runIn(a, 'bundle', 'set', 'b.example', agents.file('b.json'));
    expect(await runPrinted(commandsIn(set.text))).toContain('version');
    const given = await runIn(a, 'invite');
    await runPrinted(commandsIn(given.text).filter((command) => !command.includes('add --peer')));
    const { answer } = await a.ask<InvitationDocument[]>('invite', 'list');
    expect(answer.map(({ state }) => state)).toEqual(['cancelled']);
  });

  it('after review: the offer is rejected, the rejection taken back, and the offer accepted', async () => {
    const three = await presentCa('b.example', 'CN=b.example two');
    b.writeRoots(roots[1] as TestCa, three);
    const waiting = async () => (await a.ask<ReviewDocument>('review', 'b.example')).answer.waiting;
    await until('the offer', async () => (await waiting()).length === 1);
    const choices = async () => commandsIn((await runIn(a, 'review', 'b.example')).text);
    const pick = async (word: string) => (await choices()).filter((command) => command.includes(word));
    const rejected = await runPrinted(await pick('--reject'));
    expect((await waiting())[0]?.status).toBe('rejected');
    await runPrinted(commandsIn(rejected));
    await until('the offer again', async () => (await waiting())[0]?.status === 'quarantined');
    await runPrinted(await pick('--accept'));
    expect(await waiting()).toEqual([]);
  });

  it('after remove', async () => {
    const { text } = await runIn(a, 'remove', 'b.example');
    expect(await runPrinted(commandsIn(text))).toContain('version');
  });
});
