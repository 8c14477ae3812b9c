import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EndpointExtension, ExtensionRequest } from '../../../src/bundle-endpoint/index.ts';
import { ExportsReception } from '../../../src/service-exchange/index.ts';
import { EXPORTS_PATH } from '../../../src/services/index.ts';
import type { TrustDomain } from '../../../src/spiffe/index.ts';
import { east, OPERATOR, ownService, OwnerWorld, west } from './owner-world.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { until } from '../../../testkit/until.ts';

type ExtensionAnswer = NonNullable<
  Awaited<ReturnType<NonNullable<ReturnType<EndpointExtension['accept']>>['answer']>>
>;

describe('ExportsReception', () => {
  let world: OwnerWorld;
  let reception: ExportsReception;
  /** What the proof of each statement gives. */
  const proofs = new Map<string, TrustDomain>([
    ['by east', east],
    ['by west', west],
  ]);
  beforeEach(async () => {
    world = await OwnerWorld.open();
    await world.mesh(ownService('info'), ownService('web'));
    reception = new ExportsReception({
      owner: world.owner,
      prove: async (_address, statement) => {
        const proved = proofs.get(statement);
        return proved && world.peers.includes(proved) ? proved : undefined;
      },
      clock: world.clock,
    });
  });
  afterEach(async () => {
    reception.stop();
    await world[Symbol.asyncDispose]();
  });

  const requestOf = (parts: Partial<ExtensionRequest>): ExtensionRequest => ({
    method: 'GET',
    path: EXPORTS_PATH,
    remoteAddress: '192.0.2.1',
    connection: {},
    tlsVersion: 'TLSv1.3',
    exportKey: () => new Uint8Array(),
    ...parts,
  });
  /** The answer, once it is there: refusals take a while on purpose. */
  const ask = async (parts: Partial<ExtensionRequest>): Promise<ExtensionAnswer | undefined> => {
    const plan = reception.accept(requestOf(parts));
    if (!plan) return undefined;
    const answer = plan.answer(new Uint8Array(), new AbortController().signal);
    void world.clock.untilSleeping(1).then(
      () => world.clock.advance(250),
      () => {},
    );
    return answer;
  };
  const exportInfo = () => world.exportDesk.export({ service: 'info', to: [east] }, OPERATOR);

  it('gives the peer of an export its signed catalogue, with a tag', async () => {
    await exportInfo();
    const answer = await ask({ holding: 'by east' });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/jose' } });
    expect(answer?.body.trimEnd().split('.')).toHaveLength(3);
    const again = await ask({ holding: 'by east', ifNoneMatch: answer?.headers?.['etag'] ?? '' });
    expect(again).toMatchObject({ status: 304, body: '' });
  });

  it('gives every other client the answer of an unknown path', async () => {
    await exportInfo();
    const others: readonly Partial<ExtensionRequest>[] = [
      {},
      { holding: 'by west' },
      { holding: 'by nobody' },
      { holding: '' },
      { holding: 'by east', method: 'POST' },
      { holding: 'by east', method: 'HEAD' },
      ...[
        '/federate/v1/exports/',
        '/federate/v1/exports?of=east',
        '/federate/v1/exports/info',
        '/federate/v1/Exports',
        '//federate/v1/exports',
        '/federate/v1/%65xports',
      ].map((path) => ({ holding: 'by east', path })),
    ];
    for (const other of others) expect(await ask(other)).toBeUndefined();
  });

  it('refuses after the same time, whether the caller is a peer without an export or nobody', async () => {
    await exportInfo();
    for (const holding of ['by west', 'by nobody']) {
      const startMs = world.clock.monotonicMs();
      expect(await ask({ holding })).toBeUndefined();
      expect(world.clock.monotonicMs() - startMs).toBe(250);
    }
  });

  it('holds a request until the catalogue of this very peer changes', async () => {
    await exportInfo();
    const first = await ask({ holding: 'by east' });
    const plan = reception.accept(
      requestOf({ holding: 'by east', ifNoneMatch: first?.headers?.['etag'] ?? '', waitSeconds: 60 }),
    );
    let answer: ExtensionAnswer | undefined;
    void plan?.answer(new Uint8Array(), new AbortController().signal).then((value) => (answer = value));
    await world.clock.untilSleeping(1);
    await world.exportDesk.export({ service: 'web', to: [west] }, OPERATOR);
    await world.clock.advance(5000);
    expect(answer).toBeUndefined();
    await world.exportDesk.export({ service: 'web', to: [east] }, OPERATOR);
    await until(() => answer !== undefined, 'the answer');
    expect(answer).toMatchObject({ status: 200, headers: { 'preference-applied': 'wait=60' } });
  });

  it('answers "not modified" when the time is over, and the unknown path when the relationship ended', async () => {
    await exportInfo();
    const tag = (await ask({ holding: 'by east' }))?.headers?.['etag'] ?? '';
    const hold = () => {
      const plan = reception.accept(requestOf({ holding: 'by east', ifNoneMatch: tag, waitSeconds: 10 }));
      return plan?.answer(new Uint8Array(), new AbortController().signal);
    };
    const held = hold();
    await world.clock.untilSleeping(1);
    await world.clock.advance(11_000);
    expect(await held).toMatchObject({ status: 304 });
    const next = hold();
    await world.clock.untilSleeping(1);
    await world.unfederate(east);
    await world.clock.advance(11_000);
    await world.clock.advance(250);
    expect(await next).toBeUndefined();
  });

  it('holds few requests of one peer, and answers the others at once', async () => {
    await exportInfo();
    const tag = (await ask({ holding: 'by east' }))?.headers?.['etag'] ?? '';
    const answers: (ExtensionAnswer | undefined)[] = [];
    for (let count = 0; count < 20; count += 1) {
      const plan = reception.accept(requestOf({ holding: 'by east', ifNoneMatch: tag, waitSeconds: 60 }));
      void plan?.answer(new Uint8Array(), new AbortController().signal).then((value) => answers.push(value));
    }
    await world.clock.untilSleeping(1);
    await world.clock.advance(1000);
    expect(answers).toHaveLength(12);
    expect(answers[0]).not.toHaveProperty('headers.preference-applied');
    reception.stop();
    await world.clock.advance(0);
    expect(answers).toHaveLength(20);
  });

  it('renews a signature before half of its time is over, under the same sequence', async () => {
    await exportInfo();
    const first = await ask({ holding: 'by east' });
    await world.clock.advance(12 * 3600_000);
    const second = await ask({ holding: 'by east', ifNoneMatch: first?.headers?.['etag'] ?? '' });
    expect(second).toMatchObject({ status: 200 });
    expect((await world.catalogueOf(east))?.sequence).toBe(TEST_INSTANT.getTime() / 1000);
  });
});
