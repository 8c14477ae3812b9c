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
import { type MeshName, Meshes } from '../../src/demonstration/demo/meshes.ts';
import { openTls } from '../../src/demonstration/demo/tls-probe.ts';
import { systemClock } from '../../src/platform/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { step } from '../../testkit/step.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { until } from '../../testkit/agent-process.ts';

/** Two simulated meshes with real processes. */
let folder: ReturnType<typeof tempDir>;
let meshes: Meshes;
let rootKey: string;
beforeAll(async () => {
  folder = tempDir();
  mkdirSync(folder.file('demo'));
  meshes = new Meshes(await createLayout(folder.file('demo'), { ways: 'static' }), silentWaits(systemClock));
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

/** A verb put to the agent of one of the meshes, in this process. */
const verb = (mesh: MeshName, words: readonly string[]) =>
  runVerb(...words, '--socket', meshes.layout[mesh]('admin.sock'));
const ask = async <Answer>(mesh: MeshName, words: readonly string[]): Promise<Answer> => {
  const { code, out } = await verb(mesh, [...words, '--output', 'json']);
  expect([code, out]).toEqual([0, expect.any(String)]);
  return JSON.parse(out) as Answer;
};
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
  it('takes a root out of a mesh until it is trusted again, and our own root out of every mesh', async () => {
    await step(
      'takes a root out: the open connection is closed, the next call refused, and verify says why',
      async () => {
        const { socket, identity } = await openConnection();
        const closed = once(socket, 'close');
        await systemClock.sleep(300);
        expect(socket.destroyed).toBe(false);
        const answer = await ask<DistrustedDocument>('consul', [
          'distrust',
          names.istio,
          rootKey.slice(0, 10),
          '--reason',
          'the CA was broken into',
        ]);
        expect(answer).toMatchObject({
          trust_domain: names.istio,
          was_trusted: true,
          x509_left: 0,
          ours: false,
        });
        await closed;
        await untilCalls(false);
        writeFileSync(folder.file('chain.pem'), identity.certificateChainPem);
        const { code, out } = await verb('consul', [
          'verify',
          folder.file('chain.pem'),
          '--peer-role',
          'client',
          '--output',
          'json',
        ]);
        expect(code).toBe(1);
        const verdict = JSON.parse(out) as VerifyDocument;
        expect(verdict).toMatchObject({ accepted: false, code: 'key-distrusted' });
        expect(verdict.message).toContain('the CA was broken into');
      },
    );

    await step(
      'says it to people: in show, in the list of distrusted keys, and with what to do',
      async () => {
        const [show, list, verify] = await Promise.all([
          verb('consul', ['show', names.istio]),
          verb('consul', ['distrust', 'list']),
          verb('consul', ['verify', folder.file('chain.pem'), '--peer-role', 'client']),
        ]);
        expect(show.out).toMatch(/distrusted +[0-9a-f]{6} .*the CA was broken into/);
        expect(list.out).toContain(`sha256:${rootKey}`);
        expect(verify.out).toContain('federate trust --again');
      },
    );

    await step('stays out over polls and over a restart of the agent', async () => {
      await verb('consul', ['refresh', names.istio]);
      await meshes.stopAgent('consul');
      meshes.startAgent('consul');
      await meshes.agentReady('consul');
      await verb('consul', ['refresh', names.istio]);
      await untilCalls(false);
      expect(await ask('consul', ['distrust', 'list'])).toMatchObject([{ key_fingerprint: rootKey }]);
    });

    await step('federate trust --again lets it count again, on record: calls work', async () => {
      await ask('consul', ['trust', '--again', names.istio, rootKey, '--reason', 'a false alarm']);
      await untilCalls(true);
      const { events } = await ask<HistoryDocument>('consul', ['bundle', 'history', names.istio]);
      const messages = events.filter(({ kind }) => kind.startsWith('key-')).map(({ message }) => message);
      expect(messages).toEqual([
        expect.stringMatching(/is trusted again: a false alarm$/),
        expect.stringMatching(/is distrusted: the CA was broken into$/),
      ]);
    });

    await step(
      'own: what we publish loses the key, so the peer refuses it; the last one goes only with a switch',
      async () => {
        const refused = await verb('istio', ['distrust', 'own', rootKey, '--output', 'json']);
        expect(refused.code).toBe(1);
        expect(JSON.parse(refused.out)).toMatchObject({ error: { code: 'last-own-key' } });
        await meshes.control.istio.rotate('publish');
        await until('the second root', async () => {
          const { own } = await ask<StatusDocument>('istio', ['status']);
          return own?.authorities === 2;
        });
        await ask('consul', ['refresh', names.istio]);
        const { socket } = await openConnection();
        const closed = once(socket, 'close');
        const words = ['distrust', 'own', rootKey, '--reason', 'old backup lost'];
        const warned = await verb('istio', [...words, '--output', 'json']);
        expect(JSON.parse(warned.out)).toMatchObject({ error: { code: 'own-svid-key' } });
        const out = await ask<DistrustedDocument>('istio', [...words, '--even-our-own-svid']);
        expect(out).toMatchObject({ ours: true, was_trusted: true, x509_left: 1 });
        // The endpoint rings, the peer polls, its mesh is written to: nobody types anything there.
        await closed;
        await untilCalls(false);
      },
    );
  });
});
