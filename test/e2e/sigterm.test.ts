import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { AgentHome, type FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';
import { type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const ORDERLY = { code: 0, signal: null, socketLeft: false, store: 'ok' };

/** Ends an agent with SIGTERM: how it ended, and what it left in the way of the next start. */
async function sigterm(home: AgentHome, agent: FederateProcess) {
  const { code, signal } = await agent.end('SIGTERM');
  return { code, signal, socketLeft: existsSync(home.socket), store: storeCheck(home) };
}

/** What SQLite says of the store; every page is looked at. */
function storeCheck(home: AgentHome): unknown {
  const store = new Sqlite(home.file('federate.db'), { fileMustExist: true });
  try {
    return store.pragma('integrity_check', { simple: true });
  } finally {
    store.close();
  }
}

describe('SIGTERM', () => {
  it('ends an agent in the middle of a poll', async () => {
    await using agents = await startAgents([
      { trustDomain: 'a.example', profile: 'https_spiffe' },
      { trustDomain: 'b.example', profile: 'https_web' },
    ]);
    const [a, b] = agents.all as [RunningAgent, RunningAgent];
    await a.addUntilHeld(b);
    await b.agent.end('SIGKILL');
    const sockets: Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
    });
    await once(silent.listen(b.home.port, '127.0.0.1'), 'listening');
    await until('a poll that hangs', () => sockets.length > 0);
    expect(await sigterm(a.home, a.agent)).toEqual(ORDERLY);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('ends an agent that is idle, with a client that holds a connection to its endpoint', async () => {
    await using agents = await startAgents([{ trustDomain: 'a.example', profile: 'https_spiffe' }]);
    const [a] = agents.all as [RunningAgent];
    await a.agent.untilLogged('process ready');
    const idle = new Socket().connect(a.home.port, '127.0.0.1');
    idle.on('error', () => {});
    await once(idle, 'connect');
    expect(await sigterm(a.home, a.agent)).toEqual(ORDERLY);
    idle.destroy();
    expect(a.agent.logged('process stopped')).toBe(true);
  });

  it('ends an agent that is just starting, whatever it has begun', async () => {
    using folder = tempDir();
    const [port = 0] = await freePorts(1);
    const home = new AgentHome({
      folder: folder.file('a'),
      trustDomain: 'a.example',
      port,
      profile: 'https_spiffe',
    });
    const ca = await presentCa('a.example');
    home.writeRoots(ca);
    await home.writeEndpointCertificate(ca);
    for (const moment of ['store created', 'own bundle published'] as const) {
      // Without a store every step of a first start is taken.
      for (const name of ['', '-wal', '-shm', '.lock', '.state'].map((end) => `federate.db${end}`))
        rmSync(home.file(name), { force: true });
      const starting = home.start();
      await starting.untilLogged(moment);
      expect(await sigterm(home, starting)).toEqual(ORDERLY);
    }
    // A process that has begun nothing yet is ended by the system itself.
    const early = home.start();
    await new Promise((wait) => setTimeout(wait, 150));
    const ending = await sigterm(home, early);
    expect(ending.signal ?? ending.code).toBeOneOf(['SIGTERM', 0]);
    expect(ending).toMatchObject({ socketLeft: false, store: 'ok' });
  });
});
