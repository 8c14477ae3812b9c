import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  RelationshipDocument,
  SignedBundleDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { AgentHome, type FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';

const SIGNER = 'spiffe://a.example/federate';

/** A publishes, B takes A's bundle from a file, and C takes it from B, who only carries it. */
let folder: ReturnType<typeof tempDir>;
let homes: AgentHome[];
let agents: FederateProcess[];
let rootA: TestCa;

beforeAll(async () => {
  folder = tempDir();
  const ports = await freePorts(3);
  homes = ['a', 'b', 'c'].map(
    (name, index) =>
      new AgentHome({
        folder: folder.file(name),
        trustDomain: `${name}.example`,
        port: ports[index] ?? 0,
        profile: 'https_spiffe',
      }),
  );
  const roots = await Promise.all(homes.map(({ trustDomain }) => presentCa(trustDomain)));
  rootA = roots[0] as TestCa;
  for (const [index, home] of homes.entries()) {
    home.writeRoots(roots[index] as TestCa);
    await home.writeEndpointCertificate(roots[index] as TestCa);
    // B carries what came to it signed; the others keep to themselves with whom they federate.
    if (home.trustDomain === 'b.example')
      home.writeConfig(home.configFile, {}, { carry_signed_bundles: true });
  }
  agents = homes.map((home) => home.start());
  await Promise.all(agents.map((agent) => agent.untilLogged('own bundle published')));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.end('SIGKILL')));
  folder[Symbol.dispose]();
});

describe('a signed bundle and the federate command', () => {
  it('travels by a file, and from there by another agent, and each time proves itself', async () => {
    const [a, b, c] = homes as [AgentHome, AgentHome, AgentHome];
    const file = folder.file('a.jws');
    const signed = await a.ask<SignedBundleDocument>('bundle', 'sign', '--file', file);
    expect(signed).toMatchObject({ code: 0, answer: { trust_domain: 'a.example', signer_id: SIGNER } });
    const pin = (await a.ask<StatusDocument>('status')).answer.own?.pin ?? '';
    const take = (home: AgentHome, peer: string) =>
      home.ask(
        'add',
        '--peer',
        peer,
        '--trust-domain',
        'a.example',
        '--signed',
        '--signer',
        SIGNER,
        '--pin',
        pin,
      );

    expect((await take(b, file)).code).toBe(0);
    expect((await take(c, `${b.url}federate/v1/signed-bundle/a.example`)).code).toBe(0);
    const shown = await c.ask<RelationshipDocument>('show', 'a.example');
    expect(shown.answer).toMatchObject({ state: 'active', profile: 'signed_bundle', signer_id: SIGNER });

    // A rotates: a new file, and both have it; nobody but A could have written it.
    a.writeRoots(rootA, await presentCa('a.example', 'CN=A2'));
    await until('the new root in the own bundle', async () => {
      const { answer } = await a.ask<StatusDocument>('status');
      return answer.own?.authorities === 2;
    });
    await a.ask('bundle', 'sign', '--file', file);
    const rootsAt = async (home: AgentHome) =>
      (await home.ask<RelationshipDocument>('show', 'a.example')).answer.authorities;
    for (const home of [b, c]) await until('both roots', async () => (await rootsAt(home)) === 2);
  });

  it('is served by its own agent, and not there for a stranger', async () => {
    const [a, b, c] = homes as [AgentHome, AgentHome, AgentHome];
    const moved = await c.ask(
      'change',
      'a.example',
      '--peer',
      `${a.url}federate/v1/signed-bundle`,
      '--signed',
      '--signer',
      SIGNER,
    );
    expect(moved).toMatchObject({ code: 0, answer: { code: null } });
    const gone = await c.ask(
      'change',
      'a.example',
      '--peer',
      `${b.url}federate/v1/signed-bundle/c.example`,
      '--signed',
      '--signer',
      SIGNER,
    );
    expect(gone).toMatchObject({ answer: { code: 'status-refused' } });
    // C holds a signed bundle of A, and does not serve it.
    const kept = await b.ask(
      'change',
      'a.example',
      '--peer',
      `${c.url}federate/v1/signed-bundle/a.example`,
      '--signed',
      '--signer',
      SIGNER,
    );
    expect(kept).toMatchObject({ answer: { code: 'status-refused' } });
  });
});
