import { silentWaits } from '../../src/demonstration/demo/until.ts';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  DistrustedDocument,
  HistoryDocument,
  StatusDocument,
  VerifyDocument,
} from '../../src/admin-client/index.ts';
import { createLayout, names } from '../../src/demonstration/demo/layout.ts';
import { Meshes } from '../../src/demonstration/demo/meshes.ts';
import { openTls } from '../../src/demonstration/demo/tls-probe.ts';
import { systemClock } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { until } from './agent-process.ts';

/** Two simulated meshes with real processes, and the emergency as their operators meet it. The tests are one story, in order. */
let folder: ReturnType<typeof tempDir>;
let meshes: Meshes;
let rootKey: string;
beforeAll(async () => {
  folder = tempDir();
  mkdirSync(folder.file('demo'));
  meshes = new Meshes(await createLayout(folder.file('demo')), silentWaits(systemClock));
  await meshes.start();
  const [ofIstio, ofConsul] = [await meshes.pinOf('istio'), await meshes.pinOf('consul')];
  await meshes.add('istio', ['--pin', ofConsul]);
  await meshes.add('consul', ['--pin', ofIstio]);
  await untilCalls(true);
  rootKey = (await meshes.status('istio')).roots[0]?.keyFingerprint ?? '';
});
afterAll(async () => {
  await meshes.stop();
  folder[Symbol.dispose]();
});

const untilCalls = (work: boolean) =>
  until(`calls that ${work ? 'work' : 'are refused'}`, async () => {
    const { remark, missing } = await meshes.call();
    return work ? remark !== undefined : missing !== undefined;
  });
const openConnection = async () => {
  const identity = await meshes.control.istio.forge(names.backendId);
  const port = meshes.layout.ports.istioGateway;
  const socket = await openTls({ port, serverName: names.infoServerName, identity, timeoutMs: 60_000 });
  socket.on('error', () => {});
  socket.resume();
  return { socket, identity };
};

describe('federate distrust, in the simulated meshes', () => {
  it('takes a root out: the open connection is closed, the next call refused, and verify says why', async () => {
    const { socket, identity } = await openConnection();
    const closed = once(socket, 'close');
    await systemClock.sleep(300);
    expect(socket.destroyed).toBe(false);
    const answer = (await meshes.ask('consul', [
      'distrust',
      names.istio,
      rootKey.slice(0, 10),
      '--reason',
      'the CA was broken into',
    ])) as DistrustedDocument;
    expect(answer).toMatchObject({ trust_domain: names.istio, was_trusted: true, x509_left: 0, ours: false });
    await closed;
    await untilCalls(false);
    writeFileSync(folder.file('chain.pem'), identity.certificateChainPem);
    const { exitCode, stdout } = await meshes.verb('consul', [
      'verify',
      folder.file('chain.pem'),
      '--peer-role',
      'client',
      '--output',
      'json',
    ]);
    expect(exitCode).toBe(1);
    const verdict = JSON.parse(stdout) as VerifyDocument;
    expect(verdict).toMatchObject({ accepted: false, code: 'key-distrusted' });
    expect(verdict.message).toContain('the CA was broken into');
  });

  it('says it to people: in show, in the list of distrusted keys, and with what to do', async () => {
    const [show, list, verify] = await Promise.all([
      meshes.verb('consul', ['show', names.istio]),
      meshes.verb('consul', ['distrust', 'list']),
      meshes.verb('consul', ['verify', folder.file('chain.pem'), '--peer-role', 'client']),
    ]);
    expect(show.stdout).toMatch(/distrusted +[0-9a-f]{6} .*the CA was broken into/);
    expect(list.stdout).toContain(`sha256:${rootKey}`);
    expect(verify.stdout).toContain('federate trust --again');
  });

  it('stays out over polls and over a restart of the agent', async () => {
    await meshes.verb('consul', ['refresh', names.istio]);
    await meshes.stopAgent('consul');
    meshes.startAgent('consul');
    await meshes.agentReady('consul');
    await meshes.verb('consul', ['refresh', names.istio]);
    await untilCalls(false);
    expect(await meshes.ask('consul', ['distrust', 'list'])).toMatchObject([{ key_fingerprint: rootKey }]);
  });

  it('federate trust --again lets it count again, on record: calls work', async () => {
    await meshes.ask('consul', ['trust', '--again', names.istio, rootKey, '--reason', 'a false alarm']);
    await untilCalls(true);
    const { events } = (await meshes.ask('consul', ['bundle', 'history', names.istio])) as HistoryDocument;
    const told = events.filter(({ kind }) => kind.startsWith('key-')).map(({ message }) => message);
    expect(told).toEqual([
      expect.stringMatching(/is trusted again: a false alarm$/),
      expect.stringMatching(/is distrusted: the CA was broken into$/),
    ]);
  });

  it('own: what we publish loses the key, so the peer refuses it; the last one goes only when that is said', async () => {
    const refused = await meshes.verb('istio', ['distrust', 'own', rootKey, '--output', 'json']);
    expect(refused.exitCode).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'last-own-key' } });
    await meshes.control.istio.rotate('publish');
    await until('the second root', async () => {
      const { own } = (await meshes.ask('istio', ['status'])) as StatusDocument;
      return own?.authorities === 2;
    });
    await meshes.ask('consul', ['refresh', names.istio]);
    const { socket } = await openConnection();
    const closed = once(socket, 'close');
    const words = ['distrust', 'own', rootKey, '--reason', 'old backup lost'];
    const warned = await meshes.verb('istio', [...words, '--output', 'json']);
    expect(JSON.parse(warned.stdout)).toMatchObject({ error: { code: 'own-svid-key' } });
    const out = (await meshes.ask('istio', [...words, '--even-our-own-svid'])) as DistrustedDocument;
    expect(out).toMatchObject({ ours: true, was_trusted: true, x509_left: 1 });
    // The endpoint rings, the peer polls, its mesh is written to: nobody types anything there.
    await closed;
    await untilCalls(false);
  });
});
