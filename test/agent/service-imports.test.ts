import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTrustDomain, serializeBundle } from '../../src/spiffe/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { identityOf, offeredService, OWNER } from '../../testkit/catalogues.ts';
import { FakeOwner } from '../service-exchange/importer/import-world.ts';

const audience = parseTrustDomain('a.example');
const info = { ...offeredService('info'), mayCall: [] };

/** Asks while the time of the agent goes on: an answer about the mesh waits for it. */
async function asking<Result>(agent: AgentInProcess, asked: Promise<Result>): Promise<Result> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  void asked.catch(() => {}).finally(done);
  await agent.until(() => isDone);
  return asked;
}

describe('an agent with services', () => {
  let agent: AgentInProcess;
  let owner: FakeOwner;
  beforeEach(async () => {
    [agent, owner] = await Promise.all([
      AgentInProcess.start({ services: { imports: [{ service: 'declared', from: OWNER }] } }),
      FakeOwner.start(OWNER),
    ]);
    await agent.admin.call('POST /v1/relationships', {
      body: {
        trust_domain: OWNER,
        endpoint_url: owner.peer.url(),
        profile: 'https_spiffe',
        endpoint_id: `spiffe://${OWNER}/federate`,
        bundle: Buffer.from(serializeBundle(owner.ca.bundle(1n))).toString(),
      },
    });
    await owner.offer([info], { audience });
  });
  afterEach(async () => {
    await owner[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });
  const warnings = async () =>
    (await agent.admin.call('GET /v1/status')).warnings
      .map(({ code }) => code)
      .filter((code) => /service|import/.test(code))
      // This agent has its config from the test and not from a file.
      .filter((code) => code !== 'services-config-unusable');

  it('shows offers, imports, reviews and drops over its admin API', async () => {
    expect(await agent.admin.call('GET /v1/service-offers')).toMatchObject([
      {
        trust_domain: OWNER,
        sequence: 1,
        services: [{ service: 'info', state: 'serving', imported_as: null, may_call: [] }],
        last_answer: { code: null },
      },
    ]);
    const imported = await asking(
      agent,
      agent.admin.call('POST /v1/imports', { body: { service: 'info', from: OWNER } }),
    );
    expect(imported).toMatchObject({ name: 'info.owner.federated', state: 'serving', reason: null });
    await owner.offer([{ ...info, spiffeIds: [identityOf('other')] }], { audience });
    await agent.admin.call('GET /v1/service-offers/{trust_domain}', { params: { trust_domain: OWNER } });
    const [waiting] = await agent.admin.call('GET /v1/waiting-lists');
    expect(waiting).toMatchObject({
      status: 'waiting',
      changes: [{ code: 'identity-change', service: 'info' }],
    });
    expect(await warnings()).toContain('services-wait');
    await agent.admin.call('POST /v1/waiting-lists/{trust_domain}', {
      params: { trust_domain: OWNER },
      body: { decision: 'accept', digest: waiting?.digest.slice(0, 8) ?? '', reason: 'they told us' },
    });
    const byName = async () =>
      (await agent.admin.call('GET /v1/imports')).map(({ name, state, spiffe_ids: ids }) => [
        name,
        state,
        ...ids,
      ]);
    expect(await byName()).toContainEqual([
      'info.owner.federated',
      'serving',
      'spiffe://owner.example/sa/other',
    ]);
    expect(await warnings()).not.toContain('services-wait');
    const dropped = await asking(
      agent,
      agent.admin.call('POST /v1/dropped-imports', { body: { name: 'info' } }),
    );
    expect(dropped).toMatchObject({ state: 'draining', reason: { code: 'service-dropped' } });
    await agent.until(async () => (await byName()).every(([name]) => name !== 'info.owner.federated'));
  });

  it('imports what its config declares once it is offered', async () => {
    await agent.admin.call('GET /v1/service-offers');
    const state = async () =>
      (await agent.admin.call('GET /v1/imports')).map(
        ({ name, state, actor }) => `${name} ${state} ${actor}`,
      );
    await agent.until(async () => (await state()).length > 0);
    expect(await state()).toEqual(['declared.owner.federated absent config']);
    await owner.offer([info, offeredService('declared', { mayCall: [] })], { audience }, agent.clock.now());
    await agent.admin.call('GET /v1/service-offers');
    expect(await state()).toEqual(['declared.owner.federated serving config']);
    await expect(
      agent.admin.call('POST /v1/dropped-imports', { body: { name: 'declared' } }),
    ).rejects.toMatchObject({ code: 'declared-in-config' });
  });

  it('takes imports away together with the relationship', async () => {
    await asking(agent, agent.admin.call('POST /v1/imports', { body: { service: 'info', from: OWNER } }));
    await asking(
      agent,
      agent.admin.call('DELETE /v1/relationships/{trust_domain}', { params: { trust_domain: OWNER } }),
    );
    expect(await agent.admin.call('GET /v1/imports')).toEqual([]);
    expect(await warnings()).toEqual(['import-conflict']);
  });
});

describe('an agent without services', () => {
  it('says so with a code', async () => {
    await using agent = await AgentInProcess.start();
    await expect(agent.admin.call('GET /v1/service-offers')).rejects.toMatchObject({ code: 'services-off' });
    await expect(
      agent.admin.call('POST /v1/imports', { body: { service: 'info', from: OWNER } }),
    ).rejects.toMatchObject({ code: 'services-off' });
    expect(await agent.admin.call('GET /v1/imports')).toEqual([]);
  });
});
