import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { VerifyDocument } from '../../src/admin-client/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
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

async function proveEachOther(server: string): Promise<void> {
  const program = builtProgram();
  assert(program);
  await using spire = await Spire.start(server);
  await withOurs(async (ours, agents) => {
    await weTrustSpire(spire, ours);
    await spireTrustsUs(spire, ours, agents);
    await using agent = await startFederatedAgent(spire);
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
