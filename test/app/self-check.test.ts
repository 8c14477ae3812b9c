import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { checkDisks, checkModes } from '../../src/app/self-check/check-files.ts';
import { checkProgram, checkStore } from '../../src/app/self-check/check-program.ts';
import { clockOf } from '../../src/app/self-check/peer-clock.ts';
import type { AgentAnswers, Subject } from '../../src/app/self-check/subject.ts';
import { agentConfigSchema } from '../../src/config/index.ts';
import { version } from '../../src/platform/index.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const FILES = { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign' };

function subject(more: Partial<Subject> = {}): Subject {
  return {
    loaded: undefined,
    agent: undefined,
    storePath: undefined,
    clock: new TestClock(TEST_INSTANT),
    signal: new AbortController().signal,
    ...more,
  };
}

function configWith(more: object): NonNullable<Subject['loaded']> {
  const config = agentConfigSchema.parse({
    ...plainAgentConfig(),
    trust_domain: 'a.example',
    mesh: FILES,
    ...more,
  });
  return { config, file: '/nonexistent/agent.yaml' };
}

function answers(version_: string): AgentAnswers {
  const about = { version: version_, commit: null, node: '24.0.0', pid: 1, config: 'agent.yaml', store: 's' };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the check reads these two members
  return { about, status: { ready: true, warnings: [] } as unknown as AgentAnswers['status'] };
}

const codes = ({ findings }: { readonly findings: readonly { readonly code: string }[] }) =>
  findings.map(({ code }) => code);

describe('the checks of federate doctor', () => {
  it('find an agent of another version, and none where it is the same', async () => {
    expect(codes(await checkProgram(subject({ agent: answers(version()) })))).toEqual([]);
    expect(codes(await checkProgram(subject({ agent: answers('0.0.9') })))).toEqual(['version-differs']);
  });

  it('find an agent that is down, and a port that another process has', async () => {
    await using here = await listening();
    const config = plainAgentConfig();
    const loaded = configWith({ endpoint: { ...config.endpoint, listen: `127.0.0.1:${here.port}` } });
    expect(codes(await checkProgram(subject({ loaded })))).toEqual(['agent-down', 'port-in-use']);
  });

  it('find a store and a socket that other users may open', () => {
    using folder = tempDir();
    const [storePath, socket] = [folder.file('federate.db'), folder.file('admin.sock')];
    for (const file of [storePath, socket]) writeFileSync(file, '', { mode: 0o600 });
    const loaded = configWith({ admin_socket: socket });
    expect(codes(checkModes(subject({ loaded, storePath })))).toEqual([]);
    for (const file of [storePath, socket]) chmodSync(file, 0o644);
    expect(codes(checkModes(subject({ loaded, storePath })))).toEqual([
      'store-open-to-others',
      'socket-open-to-others',
    ]);
  });

  it('say how much room the disk of the store has, and that its folder is missing', () => {
    using folder = tempDir();
    const { examined } = checkDisks(subject({ storePath: folder.file('federate.db') }));
    expect(examined[0]).toMatch(/^disk of the store: \d+ MiB free$/);
    expect(codes(checkDisks(subject({ storePath: folder.file('none/federate.db') })))).toEqual([
      'folder-missing',
    ]);
  });

  it('find a clock that is behind the newest entry of the store', async () => {
    using folder = tempDir();
    const storePath = folder.file('federate.db');
    await using store = await openTestStore({ path: storePath });
    await store.recordEvent({ at: TEST_INSTANT, kind: 'agent-started', actor: 'agent', message: 'started' });
    expect(codes(checkStore(subject({ storePath })))).toEqual([]);
    const clock = new TestClock(new Date(TEST_INSTANT.getTime() - 3_600_000));
    expect(codes(checkStore(subject({ storePath, clock })))).toEqual(['clock-behind']);
  });

  it('find a store that is damaged, missing, a folder, or of another program', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('text.db'), 'not a database at all, not even in its first page');
    mkdirSync(folder.file('folder.db'));
    expect(codes(checkStore(subject({ storePath: folder.file('text.db') })))).toEqual(['store-not-a-store']);
    expect(codes(checkStore(subject({ storePath: folder.file('folder.db') })))).toEqual([
      'store-not-a-store',
    ]);
    expect(codes(checkStore(subject({ storePath: folder.file('none.db') })))).toEqual(['store-missing']);
  });

  it('read how far the clock of an endpoint is ahead, whatever its certificate is', async () => {
    await using here = await listening('Tue, 01 Jan 2030 13:00:00 GMT');
    const look = { ms: 5000, clock: new TestClock(TEST_INSTANT), signal: new AbortController().signal };
    expect(await clockOf(`https://127.0.0.1:${here.port}/`, look)).toEqual({ offsetMs: 3_600_000 });
  });

  it('know nothing of a clock where no endpoint answers, or where it gives no date', async () => {
    await using here = await listening('yesterday');
    const look = { ms: 5000, clock: new TestClock(TEST_INSTANT), signal: new AbortController().signal };
    expect(await clockOf(`https://127.0.0.1:${here.port}/`, look)).toBeUndefined();
    expect(await clockOf('https://127.0.0.1:1/', look)).toBeUndefined();
  });
});

/** An HTTPS server whose answers have this date. */
async function listening(date = ''): Promise<AsyncDisposable & { readonly port: number }> {
  const ca = await createTestCa({ trustDomain: 'a.example' });
  const { certPem, keyPem } = await ca.issueLeaf();
  const server = createServer({ cert: certPem, key: keyPem }, (_, response) => {
    response.setHeader('date', date);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
