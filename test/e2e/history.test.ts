import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  HeadDocument,
  StatusDocument,
  StoryDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { doctorStore } from '../store/doctored-store.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { AgentHome, FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';

/** Two agents with SVIDs that federate, as two operators have them. The tests are one story, in order. */
let folder: ReturnType<typeof tempDir>;
let homes: readonly [AgentHome, AgentHome];
let running: [FederateProcess, FederateProcess];
beforeAll(async () => {
  folder = tempDir();
  const [portA = 0, portB = 0] = await freePorts(2);
  const home = async (trustDomain: string, port: number) => {
    const made = new AgentHome({
      folder: folder.file(trustDomain),
      trustDomain,
      port,
      profile: 'https_spiffe',
    });
    const ca = await presentCa(trustDomain);
    made.writeRoots(ca);
    await made.writeEndpointCertificate(ca);
    writeFileSync(made.file('own.pem'), pemFromCertificates([ca.root]));
    return made;
  };
  homes = [await home('a.example', portA), await home('b.example', portB)];
  running = [homes[0].start(), homes[1].start()];
  await ready();
  await federateWith(homes[0], homes[1]);
  await federateWith(homes[1], homes[0]);
});
afterAll(async () => {
  await Promise.all(running.map((process) => process.end('SIGTERM')));
  folder[Symbol.dispose]();
});

/** The last thing of a start: the admin socket is open then, and the mesh was heard. */
const ready = () => Promise.all(running.map((agent) => agent.untilLogged('mesh answers')));
const federateWith = async (home: AgentHome, peer: AgentHome) => {
  const bundle = await peer.ask<BundleDocument>('bundle', 'show');
  writeFileSync(home.file('peer.json'), bundle.answer.document);
  const words = ['--trust-domain', peer.trustDomain, '--profile', 'https_spiffe'];
  const id = ['--endpoint-id', `spiffe://${peer.trustDomain}/federate`];
  await home.ask('add', '--peer', peer.url, ...words, ...id, '--bundle', home.file('peer.json'));
};
const stop = async (index: 0 | 1) => {
  expect((await running[index].end('SIGTERM')).code).toBe(0);
};
const restart = async (index: 0 | 1) => {
  running[index] = homes[index].start();
  await ready();
};
const warnings = async (home: AgentHome) => (await home.ask<StatusDocument>('status')).answer.warnings;

describe('A history that proves itself, between two agents', () => {
  it('is signed by the agent, verified beside it, and answers what was trusted', async () => {
    await stop(0);
    copyFileSync(homes[0].file('federate.db'), folder.file('old.db'));
    await restart(0);
    const [a] = homes;
    const story = await a.ask<StoryDocument>('history', '--limit', '100');
    expect(story.answer.newest_head).toMatchObject({ signer: 'spiffe://a.example/federate' });
    const verified = await a.ask('history', 'verify', '--bundle', a.file('own.pem'));
    expect(verified).toMatchObject({ code: 0, answer: { sound: true } });
    const at = await runVerb('history', '--at', new Date().toISOString(), '--socket', a.socket);
    expect(at.out).toContain('b.example  version 1');
  });

  it('is kept by the peer, who gives back what was signed', async () => {
    await stop(1);
    await restart(1);
    await until("the head of a at b's agent", async () => {
      const { answer } = await homes[1].ask<HeadDocument[]>('history', 'heads', 'a.example');
      return answer.length > 0;
    });
    expect(await warnings(homes[0])).toEqual([]);
    expect(await warnings(homes[1])).toEqual([]);
  });

  it('is found doctored where it was cut off while the agent was down, by the peer, and by the heads it kept', async () => {
    const [a, b] = homes;
    await stop(0);
    for (const end of ['', '-wal', '-shm']) rmSync(a.file(`federate.db${end}`), { force: true });
    copyFileSync(folder.file('old.db'), a.file('federate.db'));
    // Up to its old end with the heads, counters and all: by itself it is sound.
    doctorStore(
      a.file('federate.db'),
      "DELETE FROM chain_head; UPDATE event SET message = message || '.' WHERE id = 1",
      { rechain: true },
    );
    await restart(0);
    await until('a warning of a', async () => (await warnings(a)).length > 0);
    expect(await warnings(a)).toMatchObject([{ trust_domain: 'a.example', code: 'own-history-doctored' }]);
    expect((await runVerb('status', '--socket', a.socket)).out).toMatch(
      /^WARNING {2}our own history is not the one/,
    );
    await b.ask('history', 'heads', 'a.example', '--export', folder.file('kept.jsonl'));
    const verified = await a.ask('history', 'verify', '--heads', folder.file('kept.jsonl'));
    expect(verified.code).toBe(1);
    expect(JSON.stringify(verified.answer)).toMatch(/history-rewritten|tail-missing/);
  });
});
