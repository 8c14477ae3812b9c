import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { certificatesFromPem, pemFromCertificates } from '../../src/spiffe/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import type {
  BundleSetDocument,
  HistoryDocument,
  RelationshipDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import {
  type AgentHome,
  type Answered,
  FederateProcess,
  presentCa,
  until,
} from '../../testkit/agent-process.ts';

interface Refusal {
  readonly error: { readonly code: string };
}

const NOBODY = 65_534;

/** Two agents, as their operators see them: processes, files and the `federate` command. The tests are one story, in order. */
let agents: Agents;
let a: AgentHome;
let b: AgentHome;
let agentA: FederateProcess;
let agentB: FederateProcess;
let rootA: TestCa;
let rootB: TestCa;

beforeAll(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_web' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  ({ home: a, agent: agentA, ca: rootA } = first);
  ({ home: b, agent: agentB, ca: rootB } = second);
  // For the one agent that is run by nobody.
  chmodSync(agents.folder, 0o755);
  writeFileSync(agents.file('web-ca.pem'), pemFromCertificates([agents.webCa.root]));
});
afterAll(async () => {
  await Promise.all([agentA, agentB].map((agent) => agent.end('SIGKILL')));
  await agents[Symbol.asyncDispose]();
});

const derOf = (pem: string) =>
  certificatesFromPem(pem)
    .map((der) => Buffer.from(der).toString('hex'))
    .sort();
/** Whether a mesh holds exactly these roots of a foreign trust domain. */
const holds = (home: AgentHome, trustDomain: string, ...cas: readonly TestCa[]) => {
  const pem = home.foreign(`${trustDomain}.pem`);
  const wanted = cas.map(({ root }) => Buffer.from(root).toString('hex')).sort();
  return pem !== '' && derOf(pem).join() === wanted.join();
};

describe('two agents and the federate command', () => {
  it('federate with each other by pin, one over https_web and one over https_spiffe, each direction by itself, and write the files (FED-11)', async () => {
    const [ofA, ofB] = await Promise.all([a.ask<StatusDocument>('status'), b.ask<StatusDocument>('status')]);
    expect([ofA.code, ofB.code]).toEqual([0, 0]);
    expect(ofA.answer).toMatchObject({
      ready: true,
      trust_domain: 'a.example',
      endpoint: { endpoint_id: 'spiffe://a.example/federate' },
      mesh: { kind: 'files', connected: true },
    });
    const toB = await a.ask(
      'add',
      '--peer',
      b.url,
      '--trust-domain',
      'b.example',
      '--profile',
      'https_web',
      '--pin',
      pinOf(ofB.answer),
      '--ca-file',
      agents.file('web-ca.pem'),
    );
    // One direction: that we keep their bundle fresh makes them hold nothing of ours.
    expect((await b.ask('list')).answer).toEqual([]);
    const toA = await b.ask(
      'add',
      '--peer',
      a.url,
      '--trust-domain',
      'a.example',
      '--profile',
      'https_spiffe',
      '--endpoint-id',
      'spiffe://a.example/federate',
      '--pin',
      pinOf(ofA.answer),
    );
    expect(toB).toMatchObject({ code: 0, answer: { trust_domain: 'b.example', code: null } });
    expect(toA).toMatchObject({ code: 0, answer: { trust_domain: 'a.example', code: null } });
    await until('the files', () => holds(a, 'b.example', rootB) && holds(b, 'a.example', rootA));
    await until('the map', () => a.foreign('bundles.json').includes('b.example'));
    expect(JSON.parse(a.foreign('bundles.json'))).toMatchObject({ trust_domains: { 'b.example': {} } });
  });

  it('answers every verb with --output json', async () => {
    writeFileSync(agents.file('leaf.pem'), (await rootB.issueLeaf(validNow())).certPem);
    const [list, show, refresh, bundle, history, diff, verify, check] = await Promise.all([
      a.ask('list'),
      a.ask('show', 'b.example'),
      a.ask('refresh'),
      a.ask('bundle', 'show', 'b.example'),
      a.ask('bundle', 'history', 'b.example'),
      a.ask('bundle', 'diff', 'b.example'),
      a.ask('verify', agents.file('leaf.pem')),
      runVerb('check-config', a.configFile, '--output', 'json'),
    ]);
    expect(list.answer).toMatchObject([{ trust_domain: 'b.example', state: 'active' }]);
    expect(show.answer).toMatchObject({
      trust_domain: 'b.example',
      reason: null,
      in_mesh: { state: 'written' },
    });
    expect(refresh.answer).toMatchObject([{ trust_domain: 'b.example', outcome: 'unchanged' }]);
    expect(bundle.answer).toMatchObject({ version: 1, x509_authorities: [{ subject: 'CN=b.example root' }] });
    expect(history.answer).toMatchObject({ versions: [{ version: 1, verdict: 'bootstrap' }] });
    expect(diff.answer).toMatchObject({ from: null, to: 1, added: [{ kind: 'x509' }] });
    expect(verify.answer).toMatchObject({ accepted: true, trust_domain: 'b.example' });
    expect(JSON.parse(check.out)).toMatchObject({ ok: true, kind: 'agent' });
    expect([list, show, refresh, bundle, history, diff, verify, check].map(({ code }) => code)).toEqual(
      Array(8).fill(0),
    );
  });

  it('says what is wrong and what to do, and changes nothing: twice, oneself, nobody, a wrong pin', async () => {
    const add = (trustDomain: string, url: string, pin = `sha256:${'0'.repeat(64)}`) =>
      a.ask<Refusal>(
        'add',
        '--peer',
        url,
        '--trust-domain',
        trustDomain,
        '--profile',
        'https_web',
        '--pin',
        pin,
        '--ca-file',
        agents.file('web-ca.pem'),
      );
    // One trust domain each: of two adds of the same one at once, the one that comes later is refused for that.
    const refused: Answered<Refusal>[] = await Promise.all([
      add('b.example', b.url),
      add('a.example', b.url),
      add('c.example', b.url),
      add('d.example', b.url, 'sha256:short'),
      add('e.example', b.url.replace('https', 'http')),
      a.ask<Refusal>('remove', 'f.example'),
    ]);
    expect(refused.map(({ code, answer }) => [code, answer.error.code])).toEqual([
      [1, 'already-federated'],
      [1, 'own-trust-domain'],
      [1, 'pin-mismatch'],
      [2, 'pin-malformed'],
      [2, 'relationship-invalid'],
      [1, 'not-federated'],
    ]);
    expect((await a.ask('list')).answer).toHaveLength(1);
  });

  it('sees a rotation of the peer: the new root beside the old one, then the old one gone, and the history tells it', async () => {
    const next = await presentCa('a.example', 'CN=A2');
    a.writeRoots(rootA, next);
    await until('both roots', () => holds(b, 'a.example', rootA, next));
    await a.writeEndpointCertificate(next);
    await agentA.untilLogged('SVID renewed');
    a.writeRoots(next);
    await until('the new root alone', () => holds(b, 'a.example', next));
    rootA = next;
    const { answer } = await b.ask<HistoryDocument>('bundle', 'history', 'a.example');
    const changes = answer.versions.map(({ verdict, added, removed }) => [
      verdict,
      added.map(({ label }) => label.split(' ').at(-1)),
      removed.map(({ label }) => label.split(' ').at(-1)),
    ]);
    // The last word of the subject.
    expect(changes).toEqual([
      ['accepted', [], ['root']],
      ['accepted', ['CN=A2'], []],
      ['bootstrap', ['root'], []],
    ]);
    // Under the new root its own endpoint is polled.
    expect(await b.ask('refresh', 'a.example')).toMatchObject({
      code: 0,
      answer: [{ outcome: 'unchanged' }],
    });
  });

  it('keeps a dangerous change of the peer out until the operator takes it with refresh --accept-once', async () => {
    const replaced = await presentCa('b.example', 'CN=B2');
    b.writeRoots(replaced);
    await until('the quarantine', async () => {
      const { answer } = await a.ask<RelationshipDocument>('show', 'b.example');
      return answer.reason?.code === 'all-roots-replaced';
    });
    // The other side first publishes both roots, because one that is gone needs a second look there.
    expect(derOf(a.foreign('b.example.pem'))).toContain(Buffer.from(rootB.root).toString('hex'));
    expect(await a.ask('refresh', 'b.example')).toMatchObject({
      code: 1,
      answer: [{ outcome: 'quarantined', code: 'all-roots-replaced' }],
    });
    expect(await a.ask('refresh', 'b.example', '--accept-once')).toMatchObject({
      code: 0,
      answer: [{ code: null }],
    });
    await until('the new root', () => holds(a, 'b.example', replaced));
    rootB = replaced;
    expect((await a.ask('show', 'b.example')).answer).toMatchObject({ state: 'active', reason: null });
    const { answer } = await a.ask<HistoryDocument>('bundle', 'history', 'b.example');
    expect(answer.incidents).toMatchObject([{ code: 'all-roots-replaced', ended_at: expect.any(String) }]);
  });

  it('takes a bundle by hand and another endpoint, on record, and keeps trust when the endpoint does not answer', async () => {
    const extra = await presentCa('b.example', 'CN=B3');
    writeFileSync(agents.file('by-hand.pem'), pemFromCertificates([rootB.root, extra.root]));
    const [port = 0] = await freePorts(1);
    const nowhere = `https://localhost:${port}/`;
    expect(await a.ask('change', 'b.example', '--peer', nowhere, '--reason', 'they move')).toMatchObject({
      code: 0,
      answer: { trust_domain: 'b.example', outcome: 'failed', code: 'connect-failed' },
    });
    const set = await a.ask<BundleSetDocument>(
      'bundle',
      'set',
      'b.example',
      agents.file('by-hand.pem'),
      '--reason',
      'courier',
    );
    expect(set).toMatchObject({ code: 0, answer: { poll: { outcome: 'failed' } } });
    const byHand = set.answer.version;
    await until('the roots by hand', () => holds(a, 'b.example', rootB, extra));
    // What their endpoint says, once it is heard, counts more than what was set by hand.
    expect(await a.ask('change', 'b.example', '--peer', b.url)).toMatchObject({
      code: 0,
      answer: { outcome: 'accepted', code: null },
    });
    await until('the roots of the endpoint', () => holds(a, 'b.example', rootB));
    const { answer } = await a.ask<HistoryDocument>('bundle', 'history', 'b.example');
    expect(answer.versions.slice(0, 2)).toMatchObject([
      { version: byHand + 1, verdict: 'accepted' },
      { version: byHand, verdict: 'operator', origin: 'by-hand.pem' },
    ]);
    expect(answer.events.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/set by hand: courier$/),
        expect.stringMatching(/is now .*: they move$/),
      ]),
    );
    writeFileSync(agents.file('ours.pem'), pemFromCertificates([rootA.root]));
    const [ours, nobody] = await Promise.all([
      a.ask<Refusal>('bundle', 'set', 'b.example', agents.file('ours.pem')),
      a.ask<Refusal>('bundle', 'set', 'c.example', agents.file('by-hand.pem')),
    ]);
    expect([ours, nobody].map(({ code, answer: { error } }) => [code, error.code])).toEqual([
      [1, 'own-root-offered'],
      [1, 'not-federated'],
    ]);
  });

  it('refuses a second agent on the same store, by name, and the first goes on', async () => {
    const [port = 0] = await freePorts(1);
    const second = a.writeConfig(
      a.file('second.yaml'),
      { admin_socket: 'second.sock' },
      { listen: `127.0.0.1:${port}` },
    );
    const { code, err } = await a.start(second).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/in use by another agent \(pid \d+.*\[store-locked\]/);
    expect(err).toContain('→ stop that agent first');
    expect(existsSync(a.file('second.sock'))).toBe(false);
    expect((await a.ask('status')).code).toBe(0);
  });

  it('keeps trust and files over kill -9 and a restart while the peer is down', async () => {
    const before = a.foreign('bundles.json');
    await Promise.all([agentA.end('SIGKILL'), agentB.end('SIGKILL')]);
    // Left behind by the dead process.
    expect(existsSync(a.socket)).toBe(true);
    agentA = a.start();
    await agentA.untilLogged('process ready');
    const [status, show, verify] = await Promise.all([
      a.ask('status'),
      a.ask('show', 'b.example'),
      verifyAtA(rootB),
    ]);
    expect(status.answer).toMatchObject({ ready: true, relationships: { total: 1 } });
    expect(show.answer).toMatchObject({ trust_domain: 'b.example', authorities: 1 });
    expect(verify.answer).toMatchObject({ accepted: true });
    expect(await a.ask('refresh', 'b.example')).toMatchObject({ code: 1, answer: [{ outcome: 'failed' }] });
    expect(a.foreign('bundles.json')).toBe(before);
    expect(holds(a, 'b.example', rootB)).toBe(true);
  });
});

describe('SIGTERM', () => {
  const ORDERLY = { code: 0, signal: null, socketLeft: false, store: 'ok' };
  /** How it ended, and what it left in the way of the next start. */
  const sigterm = async (agent: FederateProcess) => {
    const { code, signal } = await agent.end('SIGTERM');
    return { code, signal, socketLeft: existsSync(a.socket), store: storeCheck() };
  };

  it('ends an agent in the middle of a poll', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
    });
    await once(silent.listen(b.port, '127.0.0.1'), 'listening');
    await until('a poll that hangs', () => sockets.length > 0);
    expect(await sigterm(agentA)).toEqual(ORDERLY);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('ends an agent that is idle, with a client that holds a connection to its endpoint', async () => {
    agentB = b.start();
    agentA = a.start();
    await Promise.all([agentA.untilLogged('process ready'), agentB.untilLogged('process ready')]);
    const idle = new (await import('node:net')).Socket().connect(a.port, '127.0.0.1');
    idle.on('error', () => {});
    await once(idle, 'connect');
    expect(await sigterm(agentA)).toEqual(ORDERLY);
    idle.destroy();
    expect(agentA.logged('process stopped')).toBe(true);
  });

  it('ends an agent that is just starting, whatever it has begun', async () => {
    for (const moment of ['store created', 'own bundle published'] as const) {
      // Without a store every step of a first start is taken.
      if (moment === 'store created')
        for (const name of ['', '-wal', '-shm', '.lock', '.state'].map((end) => `federate.db${end}`))
          rmSync(a.file(name), { force: true });
      const starting = a.start();
      await starting.untilLogged(moment);
      expect(await sigterm(starting)).toEqual(ORDERLY);
    }
    // A process that has begun nothing yet is ended by the system itself.
    const early = a.start();
    await new Promise((wait) => setTimeout(wait, 150));
    const ending = await sigterm(early);
    expect(ending.signal ?? ending.code).toBeOneOf(['SIGTERM', 0]);
    expect(ending).toMatchObject({ socketLeft: false, store: 'ok' });
  });
});

describe('an agent that cannot start', () => {
  it.each([
    [
      'a port that is taken',
      'port-in-use',
      () => a.writeConfig(a.file('taken.yaml'), {}, { listen: `127.0.0.1:${b.port}` }),
    ],
    [
      'a store of a newer version',
      'store-newer',
      () => {
        const store = new Sqlite(a.file('newer.db'));
        store.pragma('application_id = 0');
        store.close();
        writeFileSync(a.file('newer.db'), readFileSync(a.file('federate.db')));
        const copy = new Sqlite(a.file('newer.db'));
        copy.pragma('user_version = 99');
        copy.close();
        return a.writeConfig(a.file('newer.yaml'), { store: 'newer.db' });
      },
    ],
    [
      'an SVID whose key is another',
      'svid-invalid',
      () => {
        writeFileSync(a.file('other.key'), readFileSync(b.file('endpoint.key')), { mode: 0o600 });
        const svid = { certificate_file: 'endpoint.pem', key_file: 'other.key' };
        return a.writeConfig(a.file('svid.yaml'), {}, { svid });
      },
    ],
  ])('because of %s says so, leaves nothing running and nothing changed', async (_what, code, config) => {
    const ending = await a.start(config()).ended;
    expect(ending.code).toBe(1);
    expect(ending.err).toContain(`[${code}]`);
    expect(ending.err).not.toMatch(/\n\s+at /);
    expect(existsSync(a.socket)).toBe(false);
    expect(storeCheck()).toBe('ok');
  });

  it('because of a regular file where its admin socket should be says so, and the file stays', async () => {
    writeFileSync(a.file('precious'), 'do not lose me');
    const { code, err } = await a.start(a.writeConfig(a.file('precious.yaml'), { admin_socket: 'precious' }))
      .ended;
    expect(code).toBe(1);
    expect(err).toContain('[admin-socket-failed]');
    expect(readFileSync(a.file('precious'), 'utf8')).toBe('do not lose me');
  });

  it('because of an admin socket on which another agent answers says so, and that one goes on', async () => {
    const { code, err } = await a.start(a.writeConfig(a.file('socket.yaml'), { admin_socket: b.socket }))
      .ended;
    expect(code).toBe(1);
    expect(err).toContain('[admin-socket-in-use]');
    expect((await b.ask('status')).code).toBe(0);
  });

  it('because of a folder it may not write says so', async () => {
    const root = process.geteuid?.() === 0;
    mkdirSync(a.file('sealed'));
    if (root) for (const name of ['endpoint.key', 'agent.yaml']) chownSync(a.file(name), NOBODY, NOBODY);
    chmodSync(a.file('sealed'), 0o555);
    const config = a.writeConfig(a.file('sealed.yaml'), { store: 'sealed/federate.db' });
    const words = ['agent', '--config', config];
    const { code, err } = await new FederateProcess(words, root ? { uid: NOBODY } : {}).ended;
    expect(code).toBe(1);
    expect(err).toContain('[store-read-only]');
    expect(err).toContain(a.file('sealed'));
    expect(existsSync(a.file('sealed/federate.db'))).toBe(false);
  });

  it('because of three mistakes in its config tells all three with their paths, and exits with 2', async () => {
    const config = a.writeConfig(
      a.file('wrong.yaml'),
      { stores: 'x' },
      { listen: 'nowhere', refresh_hint: '30' },
    );
    const { code, err } = await a.start(config).ended;
    expect(code).toBe(2);
    expect(err).toContain('3 mistakes');
    for (const path of ['stores', 'endpoint.listen', 'endpoint.refresh_hint'])
      expect(err).toContain(`${path}:`);
  });
});

function validNow() {
  return { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 600_000) };
}

async function verifyAtA(ca: TestCa) {
  writeFileSync(agents.file('present.pem'), (await ca.issueLeaf(validNow())).certPem);
  return await a.ask('verify', agents.file('present.pem'));
}

/** What SQLite says of the store of A; every page is looked at. */
function storeCheck(): unknown {
  const store = new Sqlite(a.file('federate.db'), { fileMustExist: true });
  try {
    return store.pragma('integrity_check', { simple: true });
  } finally {
    store.close();
  }
}

function pinOf({ own }: StatusDocument): string {
  if (own) return own.pin;
  throw new TypeError('the agent has an own bundle by now');
}
