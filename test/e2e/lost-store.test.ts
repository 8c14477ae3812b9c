import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createAdminClient,
  type InvitedDocument,
  type RemovedDocument,
  type StatusDocument,
  type UnrecordedTrustDocument,
} from '../../src/admin-client/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type FederateProcess, until } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

let agents: Agents;
let a: RunningAgent['home'];
let b: RunningAgent['home'];
let caOfB: RunningAgent['ca'];
let running: FederateProcess;

beforeEach(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  ({ home: a, agent: running } = first);
  ({ home: b, ca: caOfB } = second);
  const { answer } = await a.ask<InvitedDocument>('invite');
  await b.ask('add', '--peer', answer.line);
  await until('the file', holdsRoot);
});
afterEach(async () => {
  await running.end('SIGTERM');
  await agents[Symbol.asyncDispose]();
});

/** Whether the mesh of `a` trusts the root of `b`. */
const holdsRoot = () =>
  a.foreign('b.example.pem').replaceAll('\n', '').includes(Buffer.from(caOfB.root).toString('base64'));

const client = () => createAdminClient({ socketPath: a.socket, operator: 'test', timeoutMs: 20_000 });
const status = () => client().call('GET /v1/status');
const codes = ({ warnings }: StatusDocument) => warnings.map(({ code }) => code);

/** Stops the agent, deletes its store, and starts it again. */
async function loseStore(): Promise<void> {
  const { code, err } = await running.end('SIGTERM');
  if (code !== 0) throw new Error(`the agent did not stop in order: ${err}`);
  for (const end of ['', '-wal', '-shm', '.state']) rmSync(a.file(`federate.db${end}`), { force: true });
  running = a.start();
  await running.untilLogged('process ready');
  await until('the warning', async () => codes(await status()).includes('unrecorded-trust'));
}

/** Looks at the mesh again and again while `work` goes on, and counts the looks at which the root of the peer was missing. */
async function gapsDuring(work: () => Promise<void>): Promise<number> {
  let gaps = 0;
  const looking = setInterval(() => (gaps += holdsRoot() ? 0 : 1), 5);
  try {
    await work();
  } finally {
    clearInterval(looking);
  }
  return gaps;
}

const isRecorded = async () => {
  const [relationship] = await client().call('GET /v1/relationships');
  return relationship?.state === 'active' && !codes(await status()).includes('unrecorded-trust');
};

describe('an agent that has lost its store', () => {
  it('keeps the trust in the mesh, says so, and continues it with federate add --from-mesh', async () => {
    const gaps = await gapsDuring(async () => {
      await loseStore();
      const shown = await runVerb('status', '--socket', a.socket);
      expect(shown.out).toMatch(/^WARNING .*b\.example.*\[unrecorded-trust\]/m);
      const { answer } = await a.ask<UnrecordedTrustDocument[]>('adopt');
      expect(answer).toMatchObject([
        { trust_domain: 'b.example', roots: [{ key_fingerprint: caOfB.authority.keyFingerprint }] },
      ]);
      const terms = ['--trust-domain', 'b.example', '--profile', 'https_spiffe'];
      const added = await a.ask(
        'add',
        '--from-mesh',
        '--peer',
        b.url,
        ...terms,
        '--endpoint-id',
        'spiffe://b.example/federate',
      );
      expect(added.code).toBe(0);
      await until('the relationship', isRecorded);
      expect((await a.ask('adopt')).answer).toEqual([]);
    });
    expect(gaps).toBe(0);
  });

  it.each([
    'the agent that lost it',
    'its peer',
  ])('continues the trust by a new invitation of %s', async (who) => {
    const gaps = await gapsDuring(async () => {
      await loseStore();
      const [inviter, newcomer] = who === 'its peer' ? [b, a] : [a, b];
      const { answer } = await inviter.ask<InvitedDocument>('invite');
      expect((await newcomer.ask('add', '--peer', answer.line)).code).toBe(0);
      await until('the relationship', isRecorded);
    });
    expect(gaps).toBe(0);
  });

  it('takes the trust out of the mesh with federate adopt --drop, and not before', async () => {
    await loseStore();
    expect(holdsRoot()).toBe(true);
    const { code, answer } = await a.ask<RemovedDocument>('adopt', 'b.example', '--drop');
    expect([code, answer.in_mesh, holdsRoot()]).toEqual([0, null, false]);
    expect((await a.ask('adopt')).answer).toEqual([]);
    expect(codes(await status())).not.toContain('unrecorded-trust');
  });
});
