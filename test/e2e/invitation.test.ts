import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createAdminClient,
  type InvitationDocument,
  type InvitedDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { AgentHome, type FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';

interface Refusal {
  readonly error: { readonly code: string; readonly hint: string | null };
}

/** Two agents as their operators see them: processes, and the `federate` command. */
let folder: ReturnType<typeof tempDir>;
let running: FederateProcess[];
beforeEach(() => {
  folder = tempDir();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((agent) => agent.end('SIGKILL')));
  folder[Symbol.dispose]();
});

type Kind = 'https_spiffe' | 'https_web' | 'https_web without identity';

async function startAgent(trustDomain: string, kind: Kind, port: number): Promise<AgentHome> {
  const profile = kind === 'https_spiffe' ? kind : 'https_web';
  const home = new AgentHome({ folder: folder.file(trustDomain), trustDomain, port, profile });
  const [root, web] = await Promise.all([presentCa(trustDomain), presentCa('web.example', 'CN=Web')]);
  home.writeRoots(root);
  await home.writeEndpointCertificate(profile === 'https_web' ? web : root);
  if (kind === 'https_web') await home.writeIdentity(root, web);
  const agent = home.start();
  running.push(agent);
  await agent.untilLogged('own bundle published');
  await agent.untilLogged('process ready');
  return home;
}

async function startTwo(ofA: Kind, ofB: Kind): Promise<[AgentHome, AgentHome]> {
  const [portA = 0, portB = 0] = await freePorts(2);
  return Promise.all([startAgent('a.example', ofA, portA), startAgent('b.example', ofB, portB)]);
}

/** Asked without a process of its own, where a test looks again and again. */
const clientOf = ({ socket: socketPath }: AgentHome) =>
  createAdminClient({ socketPath, operator: 'test', timeoutMs: 20_000 });
const invitationsOf = (home: AgentHome) => clientOf(home).call('GET /v1/invitations');
const isActive = async (home: AgentHome, peer: string) => {
  const all = await clientOf(home).call('GET /v1/relationships');
  return all.some(({ trust_domain: name, state, bootstrap }) =>
    [name, state, bootstrap].join(' ').startsWith(`${peer} active invitation`),
  );
};

describe('federate invite and federate add', () => {
  it.each([
    ['https_spiffe', 'https_spiffe'],
    ['https_web', 'https_web'],
  ] as const)('federate two agents by one line, %s and %s: both lists active, the same words, the files written', async (ofA, ofB) => {
    const [a, b] = await startTwo(ofA, ofB);
    const given = await runVerb('invite', '--socket', a.socket);
    expect([given.code, given.out]).toEqual([0, expect.stringMatching(/^FEDERATE:[A-Z2-7]+\n$/)]);
    expect(given.err).toContain("federate add --peer '<line>'");
    const taken = await runVerb('add', '--peer', given.out.trim(), '--socket', b.socket);
    expect([taken.code, taken.err]).toEqual([0, '']);
    expect(taken.out).toContain('Federated with a.example, in both directions.');
    await until(
      'both to be active',
      async () => (await isActive(a, 'b.example')) && (await isActive(b, 'a.example')),
    );
    const { answer: listed } = await a.ask<InvitationDocument[]>('invite', 'list');
    const [[ofInviter], [ofNewcomer]] = [listed, await invitationsOf(b)];
    expect(ofInviter).toMatchObject({ role: 'inviter', state: 'completed', peer: 'b.example' });
    expect(ofNewcomer).toMatchObject({ role: 'newcomer', state: 'completed', peer: 'a.example' });
    expect(ofInviter?.words).toBe(ofNewcomer?.words);
    expect(taken.out).toContain(ofNewcomer?.words);
    await until('the files', () => a.foreign('b.example.pem') !== '' && b.foreign('a.example.pem') !== '');

    const again = await b.ask<Refusal>('add', '--peer', given.out.trim());
    expect([again.code, again.answer.error.code]).toEqual([1, 'already-federated']);
    for (const { log } of running)
      expect(JSON.stringify(log)).not.toContain(given.out.trim().slice('FEDERATE:'.length));
  });

  it('with --require-approval wait for the words of the other side, a restart of both in between', async () => {
    const [a, b] = await startTwo('https_spiffe', 'https_web');
    const { answer } = await a.ask<InvitedDocument>('invite', '--peer', 'b.example', '--require-approval');
    const taken = await runVerb('add', '--peer', answer.line, '--socket', b.socket);
    expect(taken.code).toBe(0);
    const words = /The words on both sides are: (.*)/.exec(taken.out)?.[1] ?? '';
    expect(words.split(' ')).toHaveLength(4);
    expect(await Promise.all([a, b].map((home) => clientOf(home).call('GET /v1/relationships')))).toEqual([
      [],
      [],
    ]);
    expect((await invitationsOf(a))[0]).toMatchObject({ state: 'awaiting-approval', words });

    await Promise.all(running.map((agent) => agent.end('SIGKILL')));
    running = [a.start(), b.start()];
    await Promise.all(running.map((agent) => agent.untilLogged('process ready')));

    const wrong = await a.ask<Refusal>('approve', 'maple', 'maple', 'maple', 'maple');
    expect([wrong.code, wrong.answer.error.code]).toEqual([1, 'no-such-invitation']);
    const approved = await runVerb('approve', ...words.split(' '), '--socket', a.socket);
    expect([approved.code, approved.out]).toEqual([0, expect.stringContaining('Federated with b.example')]);
    await until(
      'both to be active',
      async () => (await isActive(a, 'b.example')) && (await isActive(b, 'a.example')),
    );
  });

  it('say what is wrong, with what to do: no SVID, cancelled, mistyped, something beside the line, no such invitation', async () => {
    const [a, b] = await startTwo('https_spiffe', 'https_web without identity');
    const without = await b.ask<Refusal>('invite');
    expect([without.code, without.answer.error.code]).toEqual([1, 'identity-missing']);
    expect(without.answer.error.hint).toContain('identity');
    const { answer } = await a.ask<InvitedDocument>('invite');
    const notSigned = await b.ask<Refusal>('add', '--peer', answer.line);
    expect([notSigned.code, notSigned.answer.error.code]).toEqual([1, 'identity-missing']);
    const { line } = answer;
    const mistyped = `${line.slice(0, 60)}${line[60] === 'A' ? 'B' : 'A'}${line.slice(61)}`;
    const refused = await Promise.all([
      b.ask<Refusal>('add', '--peer', mistyped),
      b.ask<Refusal>('add', '--peer', line.slice(0, -20)),
      b.ask<Refusal>('add', '--peer', line, '--pin', `sha256:${'0'.repeat(64)}`),
      b.ask<Refusal>('add', '--peer', 'https://localhost:1/'),
      a.ask<Refusal>('add', '--peer', line),
      a.ask<Refusal>('invite', '--expires', 'soon'),
      a.ask<Refusal>('invite', 'cancel', 'ff'.repeat(8)),
      a.ask<Refusal>('approve', answer.id),
    ]);
    expect(refused.map(({ code, answer: { error } }) => [code, error.code])).toEqual([
      [2, 'invitation-mistyped'],
      [2, 'invitation-cut'],
      [2, 'usage'],
      [2, 'usage'],
      [1, 'invitation-own'],
      [2, 'duration-invalid'],
      [1, 'no-such-invitation'],
      [1, 'invitation-not-open'],
    ]);
    const cancelled = await a.ask<InvitationDocument>('invite', 'cancel', answer.id);
    expect([cancelled.code, cancelled.answer.state]).toEqual([0, 'cancelled']);
  });

  it('stay with --wait until the line was used or taken back', async () => {
    const [port = 0] = await freePorts(1);
    const a = await startAgent('a.example', 'https_spiffe', port);
    const inviting = runVerb('invite', '--wait', '--socket', a.socket);
    await until('the invitation', async () => (await invitationsOf(a)).length === 1);
    const [open] = await invitationsOf(a);
    await a.ask('invite', 'cancel', open?.id ?? '');
    const ended = await inviting;
    expect([ended.code, ended.err]).toEqual([1, expect.stringContaining('The invitation is cancelled')]);
  });
});
