import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { AgentHome, FederateProcess, presentCa } from '../../testkit/agent-process.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { startAgents } from '../../testkit/running-agents.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const NOBODY = 65_534;

/** The folder of an agent that has run before: it has a store. Each test has one of its own. */
let folder: ReturnType<typeof tempDir>;
let a: AgentHome;

beforeEach(async () => {
  folder = tempDir();
  const [port = 0] = await freePorts(1);
  a = new AgentHome({ folder: folder.file('a'), trustDomain: 'a.example', port, profile: 'https_spiffe' });
  const ca = await presentCa('a.example');
  a.writeRoots(ca);
  await a.writeEndpointCertificate(ca);
  await (await openTestStore({ path: a.file('federate.db') })).close();
});
afterEach(() => folder[Symbol.dispose]());

/** What SQLite says of the store; every page is looked at. */
function storeCheck(): unknown {
  const store = new Sqlite(a.file('federate.db'), { fileMustExist: true });
  try {
    return store.pragma('integrity_check', { simple: true });
  } finally {
    store.close();
  }
}

describe('an agent that cannot start', () => {
  it.each([
    [
      'a store of a newer version',
      'store-newer',
      () => {
        copyFileSync(a.file('federate.db'), a.file('newer.db'));
        const newer = new Sqlite(a.file('newer.db'));
        newer.pragma('user_version = 99');
        newer.close();
        return a.writeConfig(a.file('newer.yaml'), { store: 'newer.db' });
      },
    ],
    [
      'an SVID whose key is another',
      'svid-invalid',
      async () => {
        const { keyPem } = await (await presentCa('b.example')).issueLeaf({});
        writeFileSync(a.file('other.key'), keyPem, { mode: 0o600 });
        const svid = { certificate_file: 'endpoint.pem', key_file: 'other.key' };
        return a.writeConfig(a.file('svid.yaml'), {}, { svid });
      },
    ],
  ])('because of %s says so, leaves nothing running and nothing changed', async (_what, code, config) => {
    const ending = await a.start(await config()).ended;
    expect(ending.code).toBe(1);
    expect(ending.err).toContain(`[${code}]`);
    expect(ending.err).not.toMatch(/\n\s+at /);
    expect([existsSync(a.socket), storeCheck()]).toEqual([false, 'ok']);
  });

  it('because of a port that is taken says so, and leaves a sound store and no socket', async () => {
    const blocker = createServer();
    await once(blocker.listen(0, '127.0.0.1'), 'listening');
    const { port } = blocker.address() as AddressInfo;
    const config = a.writeConfig(a.file('taken.yaml'), {}, { listen: `127.0.0.1:${port}` });
    const { code, err } = await a.start(config).ended;
    blocker.close();
    expect([code, err]).toEqual([1, expect.stringContaining('[port-in-use]')]);
    expect(err).not.toMatch(/\n\s+at /);
    expect([existsSync(a.socket), storeCheck()]).toEqual([false, 'ok']);
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
    await using agents = await startAgents([{ trustDomain: 'b.example', profile: 'https_spiffe' }]);
    const [b] = agents.all;
    const { code, err } = await a.start(
      a.writeConfig(a.file('socket.yaml'), { admin_socket: b?.home.socket }),
    ).ended;
    expect(code).toBe(1);
    expect(err).toContain('[admin-socket-in-use]');
    expect((await b?.home.ask('status'))?.code).toBe(0);
  });

  it('because of a folder it may not write says so', async () => {
    const root = process.geteuid?.() === 0;
    mkdirSync(a.file('sealed'));
    chmodSync(folder.path, 0o755);
    const config = a.writeConfig(a.file('sealed.yaml'), { store: 'sealed/federate.db' });
    if (root) for (const file of [a.file('endpoint.key'), config]) chownSync(file, NOBODY, NOBODY);
    chmodSync(a.file('sealed'), 0o555);
    const words = ['agent', '--config', config];
    const { code, err } = await new FederateProcess(words, root ? { uid: NOBODY } : {}).ended;
    expect(code).toBe(1);
    expect(err).toContain('[store-read-only]');
    expect(err).toContain(a.file('sealed'));
    expect(existsSync(a.file('sealed/federate.db'))).toBe(false);
  });

  it('because of three mistakes in its config names all three with their paths, and exits with 2', async () => {
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
