import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { IdentityDocument } from '../../src/admin/index.ts';
import { type ResourceParts, Resources } from '../../src/agent/resources.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';

const IDENTITY: IdentityDocument = {
  source: 'files',
  from: '/run/svid.pem',
  id: 'spiffe://a.example/federate',
  not_after: '2040-01-01T00:00:00.000Z',
  code: null,
  message: null,
};
const MINUTE_MS = 60_000;

/** Resources that are all well, but for what a test changes. */
function looking(changed: Partial<ResourceParts> = {}) {
  let ms = 0;
  const parts: ResourceParts = {
    mesh: () => ({ connected: true, lastContactAt: TEST_INSTANT }),
    identity: () => IDENTITY,
    endpoint: { certificateEndsAt: new Date('2040-01-01T00:00:00Z'), certificateTrouble: undefined },
    now: () => new Date(TEST_INSTANT.getTime() + ms),
    ...changed,
  };
  const resources = new Resources(parts);
  return {
    after: (wait: number) => {
      ms += wait;
      return resources.warnings();
    },
  };
}

describe('Resources', () => {
  it('has nothing to say where all is well, or without an SVID', () => {
    expect(looking().after(2 * MINUTE_MS)).toEqual([]);
    expect(looking({ identity: () => null }).after(2 * MINUTE_MS)).toEqual([]);
  });

  it('warns of a mesh that is away, with the time of the first failure, until it returns', () => {
    let connected = false;
    const { after } = looking({
      mesh: () => ({
        connected,
        code: 'mesh-refused',
        message: 'no right to read',
        lastContactAt: TEST_INSTANT,
      }),
    });
    const [first] = after(0);
    expect(first).toMatchObject({ code: 'mesh-unreachable', since: TEST_INSTANT.toISOString() });
    expect(first?.message).toContain('no right to read [mesh-refused]');
    expect(after(5 * MINUTE_MS)).toEqual([first]);
    connected = true;
    expect(after(0)).toEqual([]);
    connected = false;
    expect(after(0)[0]?.since).not.toBe(first?.since);
  });

  it('gives the mesh and the source of the SVID a minute for their first answer', () => {
    const none = { ...IDENTITY, id: null, not_after: null };
    const { after } = looking({
      mesh: () => ({ connected: false, code: 'not-contacted', message: 'it was not asked yet' }),
      identity: () => none,
    });
    expect(after(0)).toEqual([]);
    expect(after(MINUTE_MS).map(({ code }) => code)).toEqual(['mesh-unreachable', 'own-svid-unusable']);
  });

  it.each<[string, Partial<ResourceParts>, string]>([
    [
      'an SVID that has ended',
      { identity: () => ({ ...IDENTITY, code: 'svid-expired', message: 'it has ended' }) },
      'own-svid-unusable',
    ],
    [
      'an endpoint certificate that has ended',
      { endpoint: { certificateEndsAt: TEST_INSTANT, certificateTrouble: undefined } },
      'endpoint-certificate-unusable',
    ],
    [
      'certificate files that cannot be used',
      { endpoint: { certificateEndsAt: undefined, certificateTrouble: new Error('no such file') } },
      'endpoint-certificate-unusable',
    ],
  ])('warns of %s at once', (_what, changed, code) => {
    expect(looking(changed).after(0)).toMatchObject([{ code, trust_domain: null }]);
  });
});

describe('an agent whose resources fail', () => {
  it('warns of SVID files that cannot be used while the last SVID is shown, until they can', async () => {
    await using world = await AgentInProcess.start();
    const codes = async () => (await world.admin.call('GET /v1/status')).warnings.map(({ code }) => code);
    const leaf = await world.ca.issueLeaf({ path: '/federate', notAfter: new Date('2040-01-01T00:00:00Z') });
    writeFileSync(world.folder.file('svid.pem'), 'half a certi');
    await world.until(async () => (await codes()).includes('own-svid-unusable'));
    expect((await world.admin.call('GET /v1/status')).identity).toMatchObject({
      code: 'svid-invalid',
      id: leaf.id,
    });
    writeFileSync(world.folder.file('svid.pem'), leaf.certPem);
    writeFileSync(world.folder.file('svid.key'), leaf.keyPem, { mode: 0o600 });
    await world.until(async () => !(await codes()).includes('own-svid-unusable'));
  });

  it('warns of own roots that cannot be read', async () => {
    await using world = await AgentInProcess.start();
    rmSync(world.folder.file('roots.pem'));
    await world.until(async () => !(await world.admin.call('GET /v1/status')).mesh.connected);
    expect((await world.admin.call('GET /v1/status')).warnings.map(({ code }) => code)).toContain(
      'mesh-unreachable',
    );
  });

  it('puts back the file of its admin socket', async () => {
    await using world = await AgentInProcess.start();
    rmSync(world.folder.file('admin.sock'));
    await world.until(() => existsSync(world.folder.file('admin.sock')));
    expect((await world.admin.call('GET /v1/status')).ready).toBe(true);
  });
});
