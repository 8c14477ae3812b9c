import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RemovedDocument, StatusDocument } from '../../src/dashboard/index.ts';
import { federate, until } from './agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from './running-agents.ts';

let agents: Agents;
let a: RunningAgent['home'];
let b: RunningAgent['home'];

beforeAll(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  ({ home: a } = first);
  ({ home: b } = second);
});
afterAll(async () => {
  await agents[Symbol.asyncDispose]();
});

async function addPeer(): Promise<void> {
  const { answer } = await b.ask<StatusDocument>('status');
  const words = ['--trust-domain', 'b.example', '--profile', 'https_spiffe', '--pin', answer.own?.pin ?? ''];
  await a.ask('add', '--peer', b.url, ...words, '--endpoint-id', 'spiffe://b.example/federate');
  await until('the file', () => a.foreign('b.example.pem') !== '');
}

describe('federate remove', () => {
  it('says that the mesh may still trust the peer where it could not be written, as status does until it is done', async () => {
    await addPeer();
    const [folder, away] = [a.file('foreign'), a.file('away')];
    renameSync(folder, away);
    writeFileSync(folder, 'no folder');
    const removed = await federate('remove', 'b.example', '--socket', a.socket);
    expect(removed).toMatchObject({ code: 1, err: '' });
    expect(removed.out).toMatch(/^b\.example is no longer a peer, but the mesh may still trust it: .*\[.+\]/);
    const warned = await federate('status', '--socket', a.socket);
    expect(warned.out).toMatch(
      /^WARNING {2}the mesh may still trust b\.example, .*\[mesh-still-trusts\], since 20/,
    );

    rmSync(folder);
    renameSync(away, folder);
    const warnings = async () => (await a.ask<StatusDocument>('status')).answer.warnings;
    await until('the warning to end', async () => (await warnings()).length === 0);
    expect(a.foreign('b.example.pem')).toBe('');
  });

  it('is done when the mesh has let go', async () => {
    await addPeer();
    const removed = await a.ask<RemovedDocument>('remove', 'b.example');
    expect(removed).toEqual({ code: 0, answer: { trust_domain: 'b.example', removed: true, in_mesh: null } });
    expect(a.foreign('b.example.pem')).toBe('');
  });
});
