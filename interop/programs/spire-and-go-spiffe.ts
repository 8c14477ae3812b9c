import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import type { VerifyDocument } from '../../src/admin-client/index.ts';
import {
  authorizeId,
  createConnector,
  createHttpsServer,
  peerOf,
  verifyJwtSvid,
} from '../../src/library/spiffe.ts';
import { BundleSource, JwtSource, X509Source } from '../../src/library/workload-api.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import type { Agents, RunningAgent } from '../../testkit/running-agents.ts';
import { Child } from '../support/child.ts';
import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';
import { OURS, spireTrustsUs, THEIRS, weTrustSpire, withOurs } from '../support/spire-peers.ts';
import { startFederatedAgent } from '../support/spire-workload-checks.ts';
import { Spire } from '../support/spire.ts';
import { goSpiffe } from './go-spiffe.ts';

/** A program made with go-spiffe as a workload of SPIRE, which has SVID and bundles from SPIRE's agent alone. */
export const spireAndGoSpiffe: InteropProgram = {
  name: 'spire and go-spiffe',
  variable: 'FEDERATE_SPIRE_SERVER',
  command: 'spire-server',
  version: (executable) => firstLineOf(executable, ['-version']),
  install: 'a SPIRE release; spire-agent beside spire-server; and Go as for go-spiffe',
  prepare: (found) => (builtProgram() === undefined ? undefined : found),
  checks: [
    {
      name: 'our SVIDs are proven to a workload of SPIRE, its to us, and no forged one to either',
      run: proveEachOther,
    },
    {
      name: 'our library is a workload of SPIRE: mTLS with a Go workload in both directions, and JWT-SVIDs',
      run: libraryInSpire,
    },
  ],
};

let built: { readonly executable: string | undefined } | undefined;

/** The small program, built once; undefined where Go or its modules are not there. */
function builtProgram(): string | undefined {
  if (built === undefined) {
    const go = findExecutable(goSpiffe);
    built = { executable: go === undefined ? undefined : goSpiffe.prepare?.(go) };
  }
  return built.executable;
}

interface FederatedSpire {
  /** The small program, for a workload of SPIRE. */
  readonly program: string;
  readonly ours: RunningAgent;
  readonly agents: Agents;
  /** SPIRE's agent, whose workloads have both bundles. */
  readonly agent: Awaited<ReturnType<typeof startFederatedAgent>>;
}

/** Runs a check with a SPIRE and an agent of ours that trust each other. */
async function withFederatedSpire(
  server: string,
  run: (world: FederatedSpire) => Promise<void>,
): Promise<void> {
  const program = builtProgram();
  assert(program);
  await using spire = await Spire.start(server);
  await withOurs(async (ours, agents) => {
    await weTrustSpire(spire, ours);
    await spireTrustsUs(spire, ours, agents);
    await using agent = await startFederatedAgent(spire);
    await run({ program, ours, agents, agent });
  });
}

function proveEachOther(server: string): Promise<void> {
  return withFederatedSpire(server, async ({ program, ours, agents, agent }) => {
    const asked = async (...words: readonly string[]) => {
      const child = new Child(program, words);
      await child.ended();
      return child.lines[0] ?? {};
    };
    const file = agents.file('chain.pem');
    const theirVerdict = async (pem: string) => {
      writeFileSync(file, pem);
      return await asked('workload', 'verify', agent.socket, file);
    };
    const genuine = await ours.ca.issueLeaf({ path: '/x', ...presentTimes() });
    assert.deepEqual(await theirVerdict(genuine.certPem), { id: `spiffe://${OURS}/x` });
    const forger = await presentCa(OURS, `CN=${OURS} root`);
    const forged = await forger.issueLeaf({ path: '/x', ...presentTimes() });
    assert.match(String((await theirVerdict(forged.certPem))['error']), /verify/);
    // Our root is genuine and may not speak for SPIRE's trust domain.
    const crossing = await ours.ca.issueLeaf({ ...presentTimes(), uriSans: [`spiffe://${THEIRS}/x`] });
    assert.match(String((await theirVerdict(crossing.certPem))['error']), /verify/);

    const folder = agents.folder;
    agent.run('api', 'fetch', 'x509', '-write', folder);
    const { answer } = await ours.home.ask<VerifyDocument>('verify', `${folder}/svid.0.pem`);
    const { id } = await asked('workload', 'source', agent.socket);
    assert.deepEqual([answer.accepted, answer.spiffe_id], [true, id]);
  });
}

function libraryInSpire(server: string): Promise<void> {
  return withFederatedSpire(server, async ({ program, agent }) => {
    const address = `unix://${agent.socket}`;
    await using source = await X509Source.create({ address, signal: AbortSignal.timeout(30_000) });
    const id = source.current()?.id;
    assert(id);
    const trust = { svid: source, bundles: source, authorize: authorizeId(id) };

    await using theirs = new Child(program, ['source-serve', agent.socket, id]);
    await theirs.until('its port', () => theirs.lines.length > 0);
    const dispatcher = new Agent({ connect: createConnector(trust) });
    const url = `https://127.0.0.1:${String(theirs.lines[0]?.['port'])}/`;
    assert.equal(await (await request(url, { dispatcher })).body.text(), `hello ${id}`);
    await dispatcher.destroy();

    const listening = createHttpsServer(trust, (incoming, response) =>
      response.end(`hello ${peerOf(incoming.socket).id}`),
    );
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    const { port } = listening.address() as AddressInfo;
    await using caller = new Child(program, ['source-call', agent.socket, `https://127.0.0.1:${port}/`, id]);
    await caller.until('an answer', () => caller.lines.some(({ body }) => body === `hello ${id}`));
    listening.closeAllConnections();
    listening.close();

    await using jwt = await JwtSource.create({ address, signal: AbortSignal.timeout(30_000) });
    const { token, id: subject } = await jwt.fetchJwtSvid({ audiences: ['us'] });
    const proof = { now: new Date(), audiences: ['us'] };
    assert.deepEqual([subject, (await verifyJwtSvid(token, jwt, proof)).id], [id, id]);
    await assert.rejects(verifyJwtSvid(token, jwt, { ...proof, audiences: ['them'] }), {
      code: 'audience-mismatch',
    });

    await using bundles = await BundleSource.create({ address, signal: AbortSignal.timeout(30_000) });
    assert.deepEqual(
      bundles.list().map(({ trustDomain, x509Authorities }) => [trustDomain, x509Authorities.length]),
      [OURS, THEIRS].sort().map((name) => [name, 1]),
    );
  });
}
