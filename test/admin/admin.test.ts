import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AddDocument,
  type ChangeDocument,
  createAdminClient,
  type WarningDocument,
} from '../../src/admin-client/index.ts';
import { type AdminHandlers, AdminServer, openApiDocument } from '../../src/admin/index.ts';
import { systemRandom } from '../../src/platform/index.ts';
import { bundleOf, CodedError, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { createFailingStore } from '../../testkit/failing-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const PEER = parseTrustDomain('b.example');
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function storeWithTwoVersions(): Promise<Store> {
  const store = await openTestStore();
  const [one, two] = [await createTestCa({ trustDomain: PEER }), await createTestCa({ trustDomain: PEER })];
  const version = (roots: readonly (typeof one)[], sequence: bigint) => ({
    bundle: bundleOf(
      PEER,
      roots.map((ca) => ca.authority),
      { sequence },
    ),
    receivedAt: new Date(TEST_INSTANT.getTime() + Number(sequence % 1000n) * 1000),
    origin: 'https://b.example/',
  });
  await store.addRelationship(
    {
      trustDomain: PEER,
      endpointUrl: 'https://b.example/',
      profile: { kind: 'https_web' },
      state: 'active',
      consecutiveFailures: 0,
      createdAt: TEST_INSTANT,
      bootstrap: { kind: 'web-pki', detail: 'system' },
    },
    { ...version([one], 18446744073709551000n), verdict: 'bootstrap' },
    {
      at: TEST_INSTANT,
      kind: 'relationship-added',
      trustDomain: PEER,
      actor: 'operator:t',
      message: 'added',
    },
  );
  const held = await store.current(PEER);
  await store.replaceCurrent({
    trustDomain: PEER,
    expectedDigest: held?.digest ?? null,
    version: { ...version([one, two], 18446744073709551615n), verdict: 'accepted' },
  });
  return store;
}

async function start(
  path: string,
  handlers: Partial<AdminHandlers> = {},
  agent: Parameters<typeof stubAdmin>[2] & { readonly store?: Store } = {},
) {
  const server = new AdminServer({
    path,
    ...stubAdmin(agent.store ?? (await storeWithTwoVersions()), handlers, agent),
  });
  await server.start();
  stops.push(() => server.stop());
  return createAdminClient({ socketPath: path, operator: 'tester', timeoutMs: 5000 });
}

describe('AdminServer', () => {
  it('listens on a socket of its own user only, and refuses one that is taken', async () => {
    using folder = tempDir();
    await start(folder.file('admin.sock'));
    expect(statSync(folder.file('admin.sock')).mode & 0o777).toBe(0o600);
    await expect(start(folder.file('admin.sock'))).rejects.toMatchObject({ code: 'admin-socket-in-use' });
  });

  it('tells relationships, bundles, history and diffs, with 64-bit sequences whole', async () => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    const [relationship] = await client.call('GET /v1/relationships');
    expect(relationship).toMatchObject({
      trust_domain: PEER,
      sequence: '18446744073709551615',
      version: 2,
      authorities: 2,
    });
    expect(
      await client.call('GET /v1/relationships/{trust_domain}', { params: { trust_domain: PEER } }),
    ).toEqual(relationship);
    const bundle = await client.call('GET /v1/bundles/{trust_domain}', { params: { trust_domain: PEER } });
    expect(bundle.pin).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(bundle.document).toContain('18446744073709551615');
    const history = await client.call('GET /v1/bundles/{trust_domain}/history', {
      params: { trust_domain: PEER },
      query: { limit: 10 },
    });
    expect(history.versions.map((version) => [version.version, version.added.length])).toEqual([
      [2, 1],
      [1, 1],
    ]);
    const diff = await client.call('GET /v1/bundles/{trust_domain}/diff', {
      params: { trust_domain: PEER },
      query: { from: '1', to: '2' },
    });
    expect([diff.added.length, diff.removed.length, diff.kept.length]).toEqual([1, 0, 1]);
    expect(
      (
        await client.call('GET /v1/bundles/{trust_domain}/diff', {
          params: { trust_domain: PEER },
          query: { from: '2', to: '1' },
        })
      ).removed,
    ).toHaveLength(1);
  });

  it('answers for an instant (bundle --at), and not with the newest', async () => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    const first = (
      await client.call('GET /v1/bundles/{trust_domain}/history', {
        params: { trust_domain: PEER },
        query: { limit: 10 },
      })
    ).versions[1];
    expect(
      (
        await client.call('GET /v1/bundles/{trust_domain}', {
          params: { trust_domain: PEER },
          query: { at: first?.received_at },
        })
      ).version,
    ).toBe(1);
    await expect(
      client.call('GET /v1/bundles/{trust_domain}', {
        params: { trust_domain: PEER },
        query: { at: '2000-01-01T00:00Z' },
      }),
    ).rejects.toMatchObject({ code: 'no-bundle' });
  });

  it.each([
    [
      'an unknown peer',
      (client: Client) =>
        client.call('GET /v1/relationships/{trust_domain}', { params: { trust_domain: 'c.example' } }),
      'not-federated',
    ],
    [
      'no trust domain',
      (client: Client) =>
        client.call('GET /v1/relationships/{trust_domain}', { params: { trust_domain: 'C EXAMPLE' } }),
      'trust-domain-character',
    ],
    [
      'a bundle that is not held',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}', { params: { trust_domain: 'c.example' } }),
      'no-bundle',
    ],
    [
      'a version that is not there',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}/diff', {
          params: { trust_domain: PEER },
          query: { from: '7' },
        }),
      'no-such-version',
    ],
    [
      'a version that is no number',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}/diff', {
          params: { trust_domain: PEER },
          query: { from: 'x' },
        }),
      'request-invalid',
    ],
    [
      'an instant that is none',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}', {
          params: { trust_domain: PEER },
          query: { at: 'yesterday' },
        }),
      'request-invalid',
    ],
    [
      'an instant without a zone',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}', {
          params: { trust_domain: PEER },
          query: { at: '2030-01-01T00:00' },
        }),
      'request-invalid',
    ],
    [
      'a limit out of bounds',
      (client: Client) =>
        client.call('GET /v1/bundles/{trust_domain}/history', {
          params: { trust_domain: PEER },
          query: { limit: 0 },
        }),
      'request-invalid',
    ],
    [
      'a token for nobody',
      (client: Client) => client.call('POST /v1/verify-jwt', { body: { token: 'x', audiences: [] } }),
      'request-invalid',
    ],
    [
      'a token for an empty name',
      (client: Client) => client.call('POST /v1/verify-jwt', { body: { token: 'x', audiences: [''] } }),
      'request-invalid',
    ],
    [
      'an add without parameters',
      (client: Client) => client.call('POST /v1/relationships', { body: {} as AddDocument }),
      'request-invalid',
    ],
  ])('refuses %s with a code', async (_what, ask, code) => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    await expect(ask(client)).rejects.toMatchObject({ code });
  });

  it('records who asked: behind sudo the person and the user, and no name that looks like another actor', async () => {
    using folder = tempDir();
    const path = folder.file('admin.sock');
    const actors: string[] = [];
    await start(path, {
      'DELETE /v1/relationships/{trust_domain}': ({ actor }) => {
        actors.push(actor);
        throw new CodedError('not-federated', 'there is no relationship');
      },
    });
    for (const [operator, operatorAs] of [
      ['alice', undefined],
      ['alice', 'root'],
      ['DOMAIN\\alice', undefined],
      ['Jürgen', undefined],
      ['agent) \u001b[31m', 'x as root'],
      ['', undefined],
    ] as const) {
      const as = operatorAs === undefined ? {} : { operatorAs };
      const client = createAdminClient({ socketPath: path, operator, ...as, timeoutMs: 5000 });
      await client
        .call('DELETE /v1/relationships/{trust_domain}', { params: { trust_domain: 'c.example' } })
        .catch(() => {});
    }
    expect(actors).toEqual([
      'operator:alice',
      'operator:alice as root',
      'operator:DOMAIN\\alice',
      'operator:Jürgen',
      'operator:agent____31m as x_as_root',
      'operator:unknown',
    ]);
  });

  it('records the user ID that the kernel proves, behind the claimed names', async () => {
    using folder = tempDir();
    const path = folder.file('admin.sock');
    const actors: string[] = [];
    await start(path, {
      'DELETE /v1/relationships/{trust_domain}': ({ actor }) => {
        actors.push(actor);
        throw new CodedError('not-federated', 'there is no relationship');
      },
    });
    const options = { socketPath: path, operator: 'alice', operatorAs: 'root', timeoutMs: 5000 };
    const client = createAdminClient({ ...options, random: systemRandom });
    await client
      .call('DELETE /v1/relationships/{trust_domain}', { params: { trust_domain: 'c.example' } })
      .catch(() => {});
    expect(actors).toEqual([`operator:alice as root (uid ${process.getuid?.()})`]);
    expect(readdirSync(folder.path)).toEqual(['admin.sock']);
  });

  it('passes on the code of the agent, who asked, and hides what it did not expect', async () => {
    using folder = tempDir();
    const actors: string[] = [];
    const log = createRecordingLog();
    const handlers: Partial<AdminHandlers> = {
      'DELETE /v1/relationships/{trust_domain}': ({ actor }) => {
        actors.push(actor);
        throw new CodedError('not-federated', 'there is no relationship');
      },
      'POST /v1/refresh': () => {
        throw new Error('secret detail');
      },
    };
    const client = await start(folder.file('admin.sock'), handlers, { log });
    await expect(
      client.call('DELETE /v1/relationships/{trust_domain}', { params: { trust_domain: 'c.example' } }),
    ).rejects.toMatchObject({ code: 'not-federated' });
    expect(actors).toEqual(['operator:tester']);
    await expect(client.call('POST /v1/refresh', { body: {} })).rejects.toMatchObject({
      code: 'internal',
      message: expect.not.stringContaining('secret'),
    });
    expect(log.records.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('tells a failure and its causes as one sentence, on one line', async () => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'), {
      'DELETE /v1/relationships/{trust_domain}': () => {
        const cause = new Error('ssl:alert number 70\n', { cause: new Error('alert number 70') });
        throw new CodedError('not-federated', 'it could not be asked', { cause });
      },
    });
    await expect(
      client.call('DELETE /v1/relationships/{trust_domain}', { params: { trust_domain: 'c.example' } }),
    ).rejects.toMatchObject({
      message: 'it could not be asked: ssl:alert number 70',
    });
  });

  it('hands a bundle to set and a change on as they were said, with who said it', async () => {
    using folder = tempDir();
    const seen: unknown[] = [];
    const poll = { trust_domain: PEER, outcome: 'unchanged', code: null, message: null, left_out: [] };
    const standing = { ...poll, state: 'active', warnings: [] };
    const client = await start(folder.file('admin.sock'), {
      'PUT /v1/bundles/{trust_domain}': ({ params, body, actor }) => {
        seen.push([params.trust_domain, body, actor]);
        return { trust_domain: PEER, version: 7, poll };
      },
      'PATCH /v1/relationships/{trust_domain}': ({ params, body, actor }) => {
        seen.push([params.trust_domain, body, actor]);
        return standing;
      },
    });
    const bundle = { document: 'pem', name: 'roots.pem', reason: 'lost' };
    expect(
      await client.call('PUT /v1/bundles/{trust_domain}', { params: { trust_domain: PEER }, body: bundle }),
    ).toEqual({ trust_domain: PEER, version: 7, poll });
    expect(
      await client.call('PATCH /v1/relationships/{trust_domain}', {
        params: { trust_domain: PEER },
        body: { ca_pem: null },
      }),
    ).toEqual(standing);
    expect(seen).toEqual([
      [PEER, bundle, 'operator:tester'],
      [PEER, { ca_pem: null }, 'operator:tester'],
    ]);
  });

  it.each([
    [
      'a bundle without a name',
      (client: Client) =>
        client.call('PUT /v1/bundles/{trust_domain}', {
          params: { trust_domain: PEER },
          body: { document: 'x', name: '' },
        }),
    ],
    [
      'a reason as long as a book',
      (client: Client) =>
        client.call('PUT /v1/bundles/{trust_domain}', {
          params: { trust_domain: PEER },
          body: { document: 'x', name: 'y', reason: 'z'.repeat(2000) },
        }),
    ],
    [
      'a change of something that cannot be changed',
      (client: Client) =>
        client.call('PATCH /v1/relationships/{trust_domain}', {
          params: { trust_domain: PEER },
          body: { trust_domain: 'c.example' } as ChangeDocument,
        }),
    ],
  ])('refuses %s before the agent hears of it', async (_what, ask) => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    await expect(ask(client)).rejects.toMatchObject({ code: 'request-invalid' });
  });

  it('reads a JSON body whatever content type its caller names, as curl does', async () => {
    using folder = tempDir();
    const bodies: unknown[] = [];
    await start(folder.file('admin.sock'), {
      'POST /v1/refresh': ({ body }) => {
        bodies.push(body);
        return [];
      },
    });
    for (const type of [undefined, 'application/x-www-form-urlencoded', 'text/plain']) {
      const call = request({
        socketPath: folder.file('admin.sock'),
        method: 'POST',
        path: '/v1/refresh',
        headers: type === undefined ? {} : { 'content-type': type },
      });
      call.end(JSON.stringify({ trust_domain: PEER }));
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      response.resume();
      expect([type, response.statusCode]).toEqual([type, 200]);
    }
    expect(bodies).toEqual(Array.from({ length: 3 }, () => ({ trust_domain: PEER })));
  });

  it.each([
    ['limit=0', 400],
    ['limit=x', 400],
    ['limit=', 400],
    ['limit=10000&other=1', 200],
    ['since=yesterday', 400],
    ['since=2030-01-01T00:00:00Z', 200],
    ['kinds=bundle-accepted,nothing', 400],
    ['after=-1', 400],
  ])('answers the query %s of the history with %d', async (query, status) => {
    using folder = tempDir();
    await start(folder.file('admin.sock'));
    const call = request({ socketPath: folder.file('admin.sock'), path: `/v1/history?${query}` }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status);
  });

  it('serves the contract of its own version', async () => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    expect(await client.call('GET /v1/openapi.json')).toEqual(openApiDocument());
  });

  it('refuses a body that is too large', async () => {
    using folder = tempDir();
    const client = await start(folder.file('admin.sock'));
    await expect(
      client.call('POST /v1/verify', { body: { pem: 'x'.repeat(3 * 1024 * 1024), peer_role: 'server' } }),
    ).rejects.toMatchObject({
      code: 'request-too-large',
    });
  });
});

type Client = Awaited<ReturnType<typeof start>>;

describe('logOperatorActions()', () => {
  it('logs what is to change something, with actor, trust domain and result, and no question', async () => {
    using folder = tempDir();
    const log = createRecordingLog();
    const handlers: Partial<AdminHandlers> = {
      'DELETE /v1/relationships/{trust_domain}': () => ({
        trust_domain: PEER,
        removed: true,
        in_mesh: null,
        note: null,
      }),
      'POST /v1/distrusted': () => {
        throw new CodedError('key-not-found', 'it names no key');
      },
    };
    const client = await start(folder.file('admin.sock'), handlers, { log });
    await client.call('GET /v1/relationships');
    await client.call('DELETE /v1/relationships/{trust_domain}', {
      params: { trust_domain: PEER },
      query: { reason: 'the contract ended' },
    });
    await expect(
      client.call('POST /v1/distrusted', { body: { trust_domain: PEER, key: 'abcdef' } }),
    ).rejects.toThrow('no key');
    const actions = log.records.filter(({ message }) => message === 'operator action');
    expect(actions.map(({ level, fields }) => [level, fields])).toEqual([
      [
        'info',
        {
          action: 'DELETE /v1/relationships/b.example',
          actor: 'operator:tester',
          trust_domain: PEER,
          status: 200,
          code: null,
        },
      ],
      [
        'warn',
        {
          action: 'POST /v1/distrusted',
          actor: 'operator:tester',
          trust_domain: PEER,
          status: 409,
          code: 'key-not-found',
        },
      ],
    ]);
  });

  it('answers relationships from memory while the store cannot be read', async () => {
    using folder = tempDir();
    const store = createFailingStore(await storeWithTwoVersions());
    const standings = await store.relationships();
    const unusable: WarningDocument = {
      trust_domain: null,
      code: 'store-unusable',
      message: 'the disk',
      since: TEST_INSTANT.toISOString(),
    };
    const seen = { standings: () => standings, standing: () => standings[0] };
    const client = await start(folder.file('admin.sock'), {}, { store, warnings: [unusable], seen });
    store.failNext({ method: 'currentAll' });
    store.failNext({ method: 'relationships' });
    const shown = {
      trust_domain: PEER,
      version: null,
      warnings: [{ code: 'store-unusable' }],
    };
    expect(await client.call('GET /v1/relationships')).toMatchObject([shown]);
    store.failNext({ method: 'relationship' });
    store.failNext({ method: 'current' });
    expect(
      await client.call('GET /v1/relationships/{trust_domain}', { params: { trust_domain: PEER } }),
    ).toMatchObject(shown);
  });
});
