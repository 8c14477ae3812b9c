import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { holdingClaims } from '../../src/federation/fetch/holding-claims.ts';
import { EXPORTS_PATH, EXPORTS_TYPE } from '../../src/services/index.ts';
import {
  bundleOf,
  contentDigest,
  serializeBundle,
  signStatement,
  type StatementSigner,
  verifyStatement,
} from '../../src/spiffe/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
const PEER = 'b.example';

/** The described service `info`, and a gateway. */
const services = (more: object = {}) => ({
  gateways: [{ id: 'gw1', address: 'gw.a.example:15443' }],
  services: [
    {
      id: 'info',
      spiffe_ids: ['spiffe://a.example/info'],
      ports: [{ name: 'http', port: 8080, target: '127.0.0.1:15006' }],
    },
  ],
  ...more,
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

describe('an agent with a section "services"', () => {
  let world: AgentInProcess;
  let ca: TestCa;
  let peer: FakePeer;
  let signer: StatementSigner;
  beforeAll(async () => {
    world = await AgentInProcess.start({ services: services() });
    ca = await createTestCa({ trustDomain: PEER, ...LONG });
    const leaf = await ca.issueLeaf({ path: '/agent', ...LONG });
    signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
    peer = await FakePeer.start({ certificatePem: leaf.certPem, keyPem: leaf.keyPem });
    const document = Buffer.from(serializeBundle(bundleOf(ca.trustDomain, [ca.authority], { sequence: 1n })));
    peer.answer = answers.document(document.toString());
    await timely(
      world.admin.call('POST /v1/relationships', {
        body: {
          trust_domain: PEER,
          endpoint_url: peer.url(),
          profile: 'https_spiffe',
          endpoint_id: leaf.id,
          bundle: document.toString(),
        },
      }),
    );
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await peer.close();
  });

  /** Lets time pass until the work is done, because refusals take a while on purpose. */
  async function timely<Result>(work: Promise<Result>): Promise<Result> {
    let isOver = false;
    const done = work.finally(() => (isOver = true));
    done.catch(() => {});
    await world.until(() => isOver);
    return done;
  }

  const statement = (by = signer, audience = 'a.example', claims = holdingClaims(held())) =>
    signStatement({
      type: 'federate-holding+jws',
      signer: by,
      audience,
      issuedAt: world.clock.now(),
      expiresAt: new Date(world.clock.now().getTime() + 600_000),
      claims,
    });
  const held = () => ({
    digest: contentDigest(bundleOf(world.ca.trustDomain, [world.ca.authority])),
    since: world.clock.now(),
  });

  const ask = (path: string, holding?: string): Promise<Answer> =>
    timely(
      new Promise<Answer>((resolve, reject) => {
        get(
          {
            host: '127.0.0.1',
            port: world.port,
            path,
            rejectUnauthorized: false,
            agent: false,
            headers: holding === undefined ? {} : { 'federate-holding': holding },
          },
          (response) => {
            const { date: _date, 'federate-relationship': _known, ...headers } = response.headers;
            text(response).then((body) => resolve({ status: response.statusCode, headers, body }), reject);
          },
        ).on('error', reject);
      }),
    );

  const seen = async (): Promise<readonly unknown[] | number | undefined> => {
    const { status, body } = await ask(EXPORTS_PATH, await statement());
    if (status !== 200) return status;
    const bundle = bundleOf(world.ca.trustDomain, [world.ca.authority]);
    const { claims } = await verifyStatement(body.trimEnd(), {
      type: EXPORTS_TYPE,
      audience: PEER,
      bundles: { bundleFor: () => bundle },
      now: world.clock.now(),
      maxCharacters: 512 * 1024,
    });
    const list = claims.get('services');
    return Array.isArray(list)
      ? list.map((each) => (each instanceof Map ? `${each.get('id')} ${each.get('state')}` : each))
      : undefined;
  };

  it('shows a peer what is exported to it, and every other caller the bytes of an unknown path', async () => {
    const unknown = await ask('/federate/v1/nothing');
    expect(unknown.status).toBe(404);
    expect(await ask(EXPORTS_PATH, await statement())).toEqual(unknown);
    await timely(world.admin.call('POST /v1/exports', { body: { service: 'info', to: [PEER] } }));
    expect(await seen()).toEqual(['info serving']);
    const stranger = await createTestCa({ trustDomain: 'c.example', ...LONG });
    const strange = await stranger.issueLeaf({ path: '/agent', ...LONG });
    const other = await ca.issueLeaf({ path: '/workload', ...LONG });
    const signerOf = ({ id, chain, key }: typeof other) => ({ id, certificateChain: chain, privateKey: key });
    const attempts = [
      undefined,
      '',
      'a.b.c',
      'x'.repeat(7000),
      await statement(signerOf(strange)),
      await statement(signerOf(other)),
      await statement(signer, PEER),
      `${await statement()}x`,
    ];
    for (const holding of attempts) expect(await ask(EXPORTS_PATH, holding)).toEqual(unknown);
    for (const path of [`${EXPORTS_PATH}/`, `${EXPORTS_PATH}/info`, `${EXPORTS_PATH}?peer=${PEER}`])
      expect(await ask(path, await statement())).toEqual(unknown);
  });

  it('warns until a rule lets a caller in, and judges by the rule', async () => {
    const codes = async () => (await world.admin.call('GET /v1/status')).warnings.map(({ code }) => code);
    expect(await codes()).toContain('export-without-access');
    const rule = {
      service: 'info',
      effect: 'allow',
      from: [`spiffe://${PEER}/ui`],
      methods: ['GET'],
    } as const;
    await timely(world.admin.call('POST /v1/access', { body: rule }));
    expect(await codes()).not.toContain('export-without-access');
    const check = (method: string) =>
      world.admin.call('POST /v1/access-check', {
        body: { service: 'info', from: `spiffe://${PEER}/ui`, method, path: '/' },
      });
    expect(await check('GET')).toMatchObject({ allowed: true, rule: 'rule-1' });
    expect(await check('POST')).toMatchObject({ allowed: false, code: 'no-rule-allows' });
    const [policy] = await world.admin.call('GET /v1/access');
    expect(policy).toMatchObject({ service: 'info', rules: [{ id: 'rule-1', methods: ['GET'] }] });
  });

  it('follows its config file while it runs, and keeps what was declared when the file has a mistake', async () => {
    const { admin, folder } = world;
    const states = async () =>
      (await admin.call('GET /v1/exports')).map(
        ({ service, state, actor }) => `${service} ${state} ${actor}`,
      );
    const declared = services({ exports: [{ service: 'web', to: [PEER] }] });
    declared.services.push({ ...services().services[0], id: 'web' } as (typeof declared.services)[0]);
    world.writeConfig({ services: declared });
    await world.until(async () => (await states()).includes('web serving config'));
    expect(await seen()).toEqual(['info serving', 'web serving']);
    writeFileSync(folder.file('agent.yaml'), 'services: [');
    await world.until(async () =>
      (await admin.call('GET /v1/status')).warnings.some(({ code }) => code === 'services-config-unusable'),
    );
    expect(await states()).toContain('web serving config');
    const refused = timely(admin.call('POST /v1/withdrawn-exports', { body: { service: 'web' } }));
    await expect(refused).rejects.toMatchObject({ code: 'declared-in-config' });
    world.writeConfig({ services: services() });
    await world.until(async () => (await states()).some((state) => state.startsWith('web draining')));
  });

  it('writes the routes of the gateway from the exports', async () => {
    const routes = () => parse(readFileSync(world.folder.file('routes.yaml'), 'utf8'));
    world.writeConfig({ services: { ...services(), routes_file: world.folder.file('routes.yaml') } });
    await world.startAgain();
    await world.until(() => {
      try {
        return routes()['info.a.example'] === '127.0.0.1:15006';
      } catch {
        return false;
      }
    });
    expect(await seen()).toContain('info serving');
    await timely(world.admin.call('POST /v1/withdrawn-exports', { body: { service: 'info' } }));
    expect(await seen()).toContain('info draining');
    await world.until(() => Object.keys(routes()).length === 0);
    expect(await seen()).toEqual([]);
  });

  it('ends every export with the relationship', async () => {
    await timely(world.admin.call('POST /v1/exports', { body: { service: 'info', to: [PEER] } }));
    expect(await seen()).toEqual(['info serving']);
    await timely(
      world.admin.call('DELETE /v1/relationships/{trust_domain}', {
        params: { trust_domain: PEER },
      }),
    );
    expect(await seen()).toBe(404);
    expect(await world.admin.call('GET /v1/exports')).toEqual([]);
  });
});

describe('an agent without that section', () => {
  it('refuses every verb about exports with services-off', async () => {
    await using world = await AgentInProcess.start();
    for (const name of ['GET /v1/services', 'GET /v1/exports', 'GET /v1/access'] as const)
      await expect(world.admin.call(name)).rejects.toMatchObject({ code: 'services-off' });
  });
});
