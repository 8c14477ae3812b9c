import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serializeBundle } from '../../src/spiffe/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { TestReader } from '../../testkit/reader.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const INFO = {
  ports: [{ name: 'http', port: 8080, target: { host: '127.0.0.1', port: 9001 } }],
  spiffe_ids: ['spiffe://b.example/ns/weather/sa/info'],
};

let importer: AgentInProcess;
let owner: AgentInProcess;
let folder: ReturnType<typeof tempDir>;
beforeEach(async () => {
  folder = tempDir();
  [importer, owner] = await Promise.all([
    AgentInProcess.start({
      services: {
        allowed_gateway_ranges: ['127.0.0.0/8'],
        egress_gateway: '127.0.0.1:15000',
        routes_file: folder.file('routes.yaml'),
      },
    }),
    AgentInProcess.start(
      { services: { gateways: [{ id: 'gw1', address: '127.0.0.1:15443' }] } },
      'b.example',
    ),
  ]);
  await federate(importer, owner);
  await federate(owner, importer);
});
afterEach(async () => {
  await importer[Symbol.asyncDispose]();
  await owner[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function federate(agent: AgentInProcess, peer: AgentInProcess) {
  const { trustDomain } = peer.ca;
  return agent.admin.call('POST /v1/relationships', {
    body: {
      trust_domain: trustDomain,
      endpoint_url: peer.url,
      profile: 'https_spiffe',
      endpoint_id: `spiffe://${trustDomain}/federate`,
      bundle: Buffer.from(serializeBundle(peer.ca.bundle())).toString(),
    },
  });
}

/** Moves the time of both on until the condition holds. */
async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let step = 0; step < 1000; step += 1) {
    if (await condition()) return;
    await Promise.all([importer.clock.advance(100), owner.clock.advance(100)]);
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Asks while the time of both goes on: an endpoint sends a refusal after a fixed time. */
async function asking<Result>(asked: Promise<Result>): Promise<Result> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  void asked.catch(() => {}).finally(done);
  await until(async () => isDone, 'an answer');
  return asked;
}

const offered = async () => {
  const all = await asking(importer.admin.call('GET /v1/service-offers'));
  return all.flatMap(({ services }) => services.map(({ service, state }) => `${service} ${state}`));
};
const imports = async () =>
  (await importer.admin.call('GET /v1/imports')).map(({ name, state, reason }) =>
    [name, state, reason?.code].filter((word) => word !== undefined).join(' '),
  );
const used = async () => (await owner.admin.call('GET /v1/exports')).map((each) => each.used?.state ?? null);

describe('two agents', () => {
  it('exchange a service from export to withdrawal, and each sees the other side', async () => {
    expect(await offered()).toEqual([]);
    await owner.admin.call('POST /v1/exports', {
      body: { service: 'info', to: ['a.example'], described: INFO },
    });
    expect(await offered()).toEqual(['info serving']);
    const imported = await asking(
      importer.admin.call('POST /v1/imports', { body: { service: 'info', from: 'b.example' } }),
    );
    expect(imported).toMatchObject({
      name: 'info.b.federated',
      state: 'serving',
      spiffe_ids: INFO.spiffe_ids,
      ports: [{ sni: 'info.b.example' }],
    });
    await until(async () => (await used())[0] === 'imported', 'the report about the import');
    await until(async () => (await imports())[0] === 'info.b.federated serving', 'the import');
    await owner.admin.call('POST /v1/withdrawn-exports', { body: { service: 'info' } });
    // The request that the owner holds is answered at once: the importer does not have to ask again.
    const withdrawnMs = importer.clock.monotonicMs();
    await until(
      async () => (await imports())[0] === 'info.b.federated draining service-draining',
      'the end of the import',
    );
    expect(importer.clock.monotonicMs() - withdrawnMs).toBeLessThan(3000);
    await until(
      async () => (await imports())[0] === 'info.b.federated absent service-withdrawn',
      'the withdrawal',
    );
    expect(await used()).toEqual([]);
  });

  it('lead callers through an egress gateway by a table of routes, until the import ends', async () => {
    await owner.admin.call('POST /v1/exports', {
      body: { service: 'info', to: ['a.example'], described: INFO },
    });
    await asking(importer.admin.call('POST /v1/imports', { body: { service: 'info', from: 'b.example' } }));
    const file = folder.file('routes.yaml');
    const routes = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    await until(async () => routes().includes('info.b.example'), 'the route');
    expect(routes()).toContain('15443');
    await asking(importer.admin.call('POST /v1/dropped-imports', { body: { name: 'info' } }));
    await until(async () => !routes().includes('info.b.example'), 'the end of the route');
    expect(await imports()).toEqual([]);
  });

  it('show their operators offers, the name to call, and the end of an import', async () => {
    const run = async (...words: readonly string[]) => {
      const reader = new TestReader();
      const socket = ['--socket', importer.folder.file('admin.sock')];
      const code = await asking(reader.run('service', ...words, ...socket));
      return { code, out: reader.out.join('\n'), err: reader.err.join('\n') };
    };
    const refused = await run('import', 'info', '--from', 'b.example');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('[service-not-offered]');
    await owner.admin.call('POST /v1/exports', {
      body: { service: 'info', to: ['a.example'], described: INFO },
    });
    expect((await run('offers')).out).toMatch(/info +serving +http 8080\/http +- +nobody/);
    const imported = await run('import', 'info', '--from', 'b.example');
    expect(imported.code).toBe(0);
    expect(imported.out).toContain('http://info.b.federated:8080');
    expect((await run('offers', 'b.example')).out).toContain('info.b.federated');
    expect((await run('review')).out).toBe('No list of services waits for your decision.');
    expect((await run('drop', 'info.b.federated')).out).toContain('drain until');
  });

  it('keep what is exported from a peer without an export', async () => {
    await owner.admin.call('POST /v1/exports', {
      body: { service: 'info', to: ['a.example'], described: INFO },
    });
    await asking(importer.admin.call('POST /v1/imports', { body: { service: 'info', from: 'b.example' } }));
    // The other direction: nothing is exported to the owner.
    const [offers] = await asking(owner.admin.call('GET /v1/service-offers'));
    expect(offers).toMatchObject({ services: [], last_answer: { outcome: 'nothing-offered' } });
  });
});
