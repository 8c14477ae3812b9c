import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  loadRequestSigner,
  loadRequestVerifier,
  type SigningAlgorithm,
} from '../../../src/demonstration/sidecar/index.ts';
import { contentDigest } from '../../../src/demonstration/sidecar/signing/content-digest.ts';
import { systemRandom } from '../../../src/platform/index.ts';
import { call, World } from '../support.ts';
import { calledSidecar, callingSidecar, lines, pair, rawServer } from '../pair.ts';
import { keyFiles } from './keys.ts';

const VERIFYING = { maxSkewMs: 10_000, maxLifetimeMs: 60_000, maxBodyBytes: 10_000, replayMemory: 100 };
const SIGNING = { lifetimeMs: 30_000, maxBodyBytes: 10_000 };

const problem = (body: string) => JSON.parse(body).code;

async function signing(world: World, algorithm: SigningAlgorithm = 'hmac-sha256', maxBodyBytes = 10_000) {
  const { sign, verify } = keyFiles(world, algorithm);
  const parts = { clock: world.clock, random: systemRandom };
  return {
    signer: await loadRequestSigner(sign, { ...SIGNING, maxBodyBytes }, parts),
    signatures: await loadRequestVerifier([verify], VERIFYING, world.clock),
  };
}

/** A workload that gives back what it gets, and notes the headers. */
function echo() {
  const seen: IncomingHttpHeaders[] = [];
  return {
    seen,
    listener: (
      incoming: import('node:http').IncomingMessage,
      response: import('node:http').ServerResponse,
    ) => {
      seen.push(incoming.headers);
      incoming.pipe(response);
    },
  };
}

describe('Signed calls', () => {
  it.each([
    'hmac-sha256',
    'ecdsa-p256-sha256',
    'ed25519',
  ] as const)('pass by %s, with and without content, and the workload gets the request as it was', async (algorithm) => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signer, signatures } = await signing(world, algorithm);
    const { ask } = await pair(world, listener, { inbound: { signatures }, outbound: { signer } });
    expect(await ask({ method: 'POST', path: '/a?b=c', body: 'hello' })).toMatchObject({
      status: 200,
      body: 'hello',
    });
    expect(await ask({ path: '/%2e%2e/x?' })).toMatchObject({ status: 200, body: '' });
    expect(
      await ask({ method: 'PUT', headers: { 'transfer-encoding': 'chunked' }, body: 'chunks' }),
    ).toMatchObject({
      status: 200,
      body: 'chunks',
    });
    expect(await ask({ method: 'POST', headers: { 'content-length': '0' } })).toMatchObject({
      status: 200,
      body: '',
    });
    expect(seen.map(({ signature, 'signature-input': input }) => [signature, input])).toEqual(
      Array.from({ length: 4 }, () => [undefined, undefined]),
    );
    expect(seen.map((headers) => headers['content-length'])).toEqual(['5', undefined, '6', '0']);
  });

  it('are refused with 401 where the caller does not sign, and their content never reaches the workload', async () => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signatures } = await signing(world);
    const { ask } = await pair(world, listener, { inbound: { signatures }, both: { accessLog: true } });
    const refused = await ask({ method: 'POST', body: 'x'.repeat(9000) });
    expect([refused.status, problem(refused.body)]).toEqual([401, 'signature-missing']);
    expect(refused.headers['www-authenticate']).toBe('Signature');
    expect(seen).toEqual([]);
    await expect
      .poll(() => lines(world, 'request').some(({ code }) => code === 'signature-missing'))
      .toBe(true);
  });

  it('are refused where the two sides have other keys', async () => {
    await using world = new World();
    const [{ signer }, { signatures }] = [await signing(world), await signing(world)];
    const { ask } = await pair(world, echo().listener, { inbound: { signatures }, outbound: { signer } });
    const refused = await ask();
    expect([refused.status, problem(refused.body)]).toEqual([401, 'signature-invalid']);
  });

  it('are not signed by the calling side where the content contradicts its digest', async () => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signer, signatures } = await signing(world);
    const { ask } = await pair(world, listener, { inbound: { signatures }, outbound: { signer } });
    const lies = contentDigest(Buffer.from('something else'));
    const refused = await ask({ method: 'POST', body: 'hello', headers: { 'content-digest': lies } });
    expect([refused.status, problem(refused.body)]).toEqual([400, 'request-malformed']);
    const garbage = await ask({ method: 'POST', body: 'hello', headers: { 'content-digest': '::' } });
    expect([garbage.status, problem(garbage.body)]).toEqual([400, 'request-malformed']);
    expect(seen).toEqual([]);
    const honest = contentDigest(Buffer.from('hello'));
    expect((await ask({ method: 'POST', body: 'hello', headers: { 'content-digest': honest } })).status).toBe(
      200,
    );
  });

  it('are refused where something on the way changed the content, the path or a copy comes again', async () => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signer, signatures } = await signing(world);
    // The attacker holds an admitted identity, such as a gateway that ends TLS, but not the key.
    const captured = echo();
    const signs = await pair(world, captured.listener, { outbound: { signer } });
    await signs.ask({
      method: 'POST',
      path: '/pay?to=bob',
      body: 'one coin',
      headers: { host: 'info.test' },
    });
    const [headers] = captured.seen;
    const { sidecar } = await calledSidecar(world, await world.workload(listener), {
      inbound: { signatures },
    });
    const attacker = await callingSidecar(world, sidecar.inbound?.address().port ?? 0);
    const kept = Object.fromEntries(
      ['host', 'content-digest', 'signature', 'signature-input'].map((name) => [
        name,
        String(headers?.[name]),
      ]),
    );
    const send = async (path: string, body: string, changes = {}) => {
      const { status, body: text } = await attacker.ask({
        method: 'POST',
        path,
        body,
        headers: { ...kept, ...changes },
      });
      return [status, status === 200 ? text : problem(text)];
    };
    expect(await send('/pay?to=eve', 'one coin')).toEqual([401, 'signature-invalid']);
    expect(await send('/x/../pay?to=bob', 'one coin')).toEqual([401, 'signature-invalid']);
    const all = { 'content-digest': contentDigest(Buffer.from('all coins')) };
    expect(await send('/pay?to=bob', 'all coins', all)).toEqual([401, 'signature-invalid']);
    expect(seen).toEqual([]);
    expect(await send('/pay?to=bob', 'one coin')).toEqual([200, 'one coin']);
    expect(await send('/pay?to=bob', 'one coin')).toEqual([401, 'signature-replayed']);
    expect(seen).toHaveLength(1);
  });

  it('are refused with another content under the true digest, which uses the signature up', async () => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signer, signatures } = await signing(world);
    const captured = echo();
    const signs = await pair(world, captured.listener, { outbound: { signer } });
    await signs.ask({ method: 'POST', path: '/pay', body: 'one coin', headers: { host: 'info.test' } });
    const { sidecar } = await calledSidecar(world, await world.workload(listener), {
      inbound: { signatures },
    });
    const attacker = await callingSidecar(world, sidecar.inbound?.address().port ?? 0);
    const headers = Object.fromEntries(
      ['host', 'content-digest', 'signature', 'signature-input'].map((name) => [
        name,
        String(captured.seen[0]?.[name]),
      ]),
    );
    for (const [body, code] of [
      ['all coins', 'content-digest-mismatch'],
      ['one coin', 'signature-replayed'],
    ] as const) {
      const refused = await attacker.ask({ method: 'POST', path: '/pay', body, headers });
      expect([refused.status, problem(refused.body)]).toEqual([401, code]);
    }
    expect(seen).toEqual([]);
  });

  it('keep signatures of the workload, and drop what pretends to be of a sidecar', async () => {
    await using world = new World();
    const { seen, listener } = echo();
    const { signer, signatures } = await signing(world);
    const { ask } = await pair(world, listener, { inbound: { signatures }, outbound: { signer } });
    const own = {
      signature: 'app=:AAAA:, federate=:BBBB:',
      'signature-input': 'app=("@method");keyid="k", federate=("@path");tag="federate-sidecar"',
    };
    expect((await ask({ headers: own })).status).toBe(200);
    expect(seen[0]).toMatchObject({
      signature: 'app=:AAAA:',
      'signature-input': 'app=("@method");keyid="k"',
    });
    const broken = await ask({ headers: { 'signature-input': '(((' } });
    expect([broken.status, problem(broken.body)]).toEqual([400, 'request-malformed']);
  });

  it('have a bounded content on both sides, whatever its length claims', async () => {
    await using world = new World();
    const { signer, signatures } = await signing(world);
    const { ask } = await pair(world, echo().listener, { inbound: { signatures }, outbound: { signer } });
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const refused = await ask({ method: 'POST', body: 'x'.repeat(10_001), headers });
      expect([refused.status, problem(refused.body)]).toEqual([413, 'content-too-large']);
      expect((await ask({ method: 'POST', body: 'x'.repeat(10_000), headers })).status).toBe(200);
    }
    const generous = await signing(world, 'hmac-sha256', 1_000_000);
    const large = await pair(world, echo().listener, {
      inbound: { signatures: generous.signatures },
      outbound: { signer: generous.signer },
    });
    const refused = await large.ask({ method: 'POST', body: 'x'.repeat(500_000) });
    expect([refused.status, problem(refused.body)]).toEqual([413, 'content-too-large']);
    expect((await large.ask({ method: 'POST', body: 'small' })).status).toBe(200);
  });

  it('end when their content never does', async () => {
    await using world = new World();
    const { signer } = await signing(world);
    const { out } = await pair(world, echo().listener, {
      outbound: { signer, timeouts: { connectMs: 1000, idleMs: 300_000, requestMs: 5000 } },
      both: { accessLog: true },
    });
    const outgoing = request({ host: '127.0.0.1', port: out, method: 'POST', agent: false });
    world.add(() => outgoing.destroy());
    outgoing.on('error', () => {});
    outgoing.write('never the end');
    await world.clock.untilSleeping(1);
    const answered = once(outgoing, 'response');
    let isOver = false;
    void answered.finally(() => (isOver = true));
    while (!isOver) {
      await world.clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = await answered;
    expect(answer.statusCode).toBe(504);
    answer.resume();
  });

  it('are signed again for each attempt, content included', async () => {
    await using world = new World();
    const { signer, signatures } = await signing(world);
    let broken = 2;
    const workload = await world.workload((incoming, response) => {
      broken -= 1;
      if (broken >= 0) incoming.socket.destroy();
      else incoming.pipe(response);
    });
    const { sidecar } = await calledSidecar(world, workload, { inbound: { signatures } });
    const { out } = await callingSidecar(world, sidecar.inbound?.address().port ?? 0, {
      outbound: {
        signer,
        retries: {
          attempts: 2,
          statuses: new Set([502]),
          backoffMs: 0,
          maxBackoffMs: 0,
          budget: { ratio: 1, minPerSecond: 10 },
        },
      },
    });
    const answer = call(out, { method: 'PUT', body: 'hello' });
    let isOver = false;
    void answer.finally(() => (isOver = true));
    while (!isOver) await world.clock.advance(1);
    expect(await answer).toMatchObject({ status: 200, body: 'hello' });
  });

  it('survive a peer that is not a sidecar at all', async () => {
    await using world = new World();
    const { signer } = await signing(world);
    const { ask } = await callingSidecar(
      world,
      await rawServer(world, (socket) => socket.resetAndDestroy()),
      { outbound: { signer } },
    );
    expect((await ask({ method: 'POST', body: 'x' })).status).toBe(503);
  });
});
