import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { statSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createControlClient } from '../../src/demonstration/simulated-mesh/index.ts';
import {
  bundleOf,
  BundleSet,
  certificatesFromPem,
  verifyX509Svid,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { startConsul, startIstio } from './support/meshes.ts';

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir();
});
afterEach(() => folder[Symbol.dispose]());

describe('the control socket', () => {
  it('reports the status of both products', async () => {
    const istio = await startIstio(folder.path);
    const consul = await startConsul(folder.path);
    try {
      const status = await createControlClient(istio.options.controlSocket).status();
      expect(status).toMatchObject({
        kind: 'istio',
        trustDomain: 'istio.example',
        phase: 'stable',
        foreign: [],
      });
      expect(status.workloads[0]).toMatchObject({
        name: 'web',
        spiffeId: 'spiffe://istio.example/ns/shop/sa/web',
        svid: { rootNumber: 1, generation: 1 },
      });
      expect(status.workloads[0]?.sds.map(({ secret }) => secret)).toEqual(['default', 'ROOTCA']);
      expect(await createControlClient(consul.options.controlSocket).status()).toMatchObject({
        kind: 'consul',
      });
      expect(statSync(istio.options.controlSocket).mode & 0o777).toBe(0o600);
      expect(istio.log.records.some(({ message }) => message === 'control plane ready')).toBe(true);
      expect(consul.log.records.some(({ message }) => message === 'control plane ready')).toBe(true);
    } finally {
      await istio.mesh.stop();
      await consul.mesh.stop();
    }
  });

  it.each([
    ['/livez', 'alive\n'],
    ['/readyz', 'ready\n'],
  ])('answers %s for a health check', async (path, text) => {
    const { mesh, options } = await startIstio(folder.path);
    try {
      const answer = await new Promise((done, fail) => {
        request({ socketPath: options.controlSocket, path }, (response) => {
          response.setEncoding('utf8').on('data', (body) => done([response.statusCode, body]));
        })
          .on('error', fail)
          .end();
      });
      expect(answer).toEqual([200, text]);
    } finally {
      await mesh.stop();
    }
  });

  it('rotates step by step and refuses a step out of order', async () => {
    const { mesh, options } = await startConsul(folder.path);
    const client = createControlClient(options.controlSocket);
    try {
      expect((await client.rotate('publish')).roots.map(({ phase }) => phase)).toEqual(['active', 'next']);
      await expect(client.rotate('retire')).rejects.toMatchObject({ code: 'control-refused' });
      const activated = await client.rotate('activate');
      expect(activated.workloads[0]?.svid).toMatchObject({ rootNumber: 2, generation: 2 });
      expect((await client.rotate('retire')).roots.map(({ number }) => number)).toEqual([2]);
    } finally {
      await mesh.stop();
    }
  });

  it('forges any identity, whose refusal by trust domain the demonstration shows', async () => {
    const { mesh, options, clock } = await startConsul(folder.path);
    try {
      const forged = await createControlClient(options.controlSocket).forge(
        'spiffe://istio.example/ns/shop/sa/web',
      );
      const chain = certificatesFromPem(forged.certificateChainPem);
      const own = bundleOf(mesh.trustDomain, await rootsOf(options.folder));
      const bundles = new BundleSet([own]);
      const verification = { now: clock.now(), peerRole: 'client' as const };
      expect(() => verifyX509Svid(chain, bundles, verification)).toThrow(
        expect.objectContaining({ code: 'no-bundle' }),
      );
      const honest = await createControlClient(options.controlSocket).forge(`spiffe://${mesh.trustDomain}/x`);
      verifyX509Svid(certificatesFromPem(honest.certificateChainPem), bundles, verification);
      await expect(createControlClient(options.controlSocket).forge('https://x/')).rejects.toMatchObject({
        code: 'control-refused',
      });
    } finally {
      await mesh.stop();
    }
  });

  it('refuses unknown commands', async () => {
    const { mesh, options } = await startConsul(folder.path);
    const send = (method: string, path: string, body = '') =>
      new Promise<number | undefined>((resolve, reject) => {
        const outgoing = request(
          { socketPath: options.controlSocket, method, path, agent: false },
          (incoming) => {
            incoming.resume();
            resolve(incoming.statusCode);
          },
        );
        outgoing.on('error', reject);
        outgoing.end(body);
      });
    try {
      expect(await send('GET', '/status')).toBe(200);
      expect(await send('GET', '/none')).toBe(404);
      expect(await send('POST', '/rotate/none')).toBe(404);
      expect(await send('POST', '/forge', '{')).toBe(400);
      expect(await send('POST', '/forge', JSON.stringify({ id: 'x'.repeat(20_000) }))).toBe(400);
    } finally {
      await mesh.stop();
    }
  });

  it('is refused to a second control plane', async () => {
    const { mesh } = await startConsul(folder.path);
    try {
      await expect(
        startConsul(`${folder.path}/second`, { controlSocket: `${folder.path}/consul-control.sock` }),
      ).rejects.toMatchObject({ code: 'EADDRINUSE' });
    } finally {
      await mesh.stop();
    }
  });
});

describe('createControlClient()', () => {
  it('says when no process answers, and when the answer is not JSON', async () => {
    await expect(createControlClient(folder.file('none.sock')).status()).rejects.toMatchObject({
      code: 'control-unreachable',
    });
    const server = createServer((_incoming, outgoing) => outgoing.end('hello'));
    await new Promise<void>((resolve) => server.listen(folder.file('odd.sock'), resolve));
    try {
      await expect(createControlClient(folder.file('odd.sock')).status()).rejects.toMatchObject({
        code: 'control-malformed',
      });
    } finally {
      server.close();
    }
  });
});

async function rootsOf(meshFolder: string) {
  return certificatesFromPem(await readFile(`${meshFolder}/ca/root-1.pem`, 'utf8')).map(x509AuthorityFromDer);
}
