import { expect, it } from 'vitest';
import type { RelationshipDocument } from '../../src/admin-client/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { FederateProcess, until } from '../../testkit/agent-process.ts';

it('two folders of "federate init" run at once, and federate with one line', async () => {
  using home = tempDir();
  const names = ['a', 'b'] as const;
  for (const name of names)
    expect(await runVerb('init', home.file(name), '--yes')).toMatchObject({ code: 0 });
  const agents = names.map(
    (name) => new FederateProcess(['agent', '--config', home.file(`${name}/agent.yaml`)]),
  );
  try {
    await Promise.all(agents.map((agent) => agent.untilLogged('own bundle published')));
    const socketOf = (name: string) => ['--socket', home.file(`${name}/admin.sock`)];
    const { out: line } = await runVerb('invite', ...socketOf('a'));
    const added = await runVerb('add', '--peer', line.trim(), ...socketOf('b'));
    expect(added).toMatchObject({ code: 0 });
    for (const name of names)
      await until(`the relationship of ${name} is fresh`, async () => {
        const { out } = await runVerb('list', ...socketOf(name), '--output', 'json');
        const [only] = JSON.parse(out) as RelationshipDocument[];
        return only?.state === 'active' && only.in_mesh !== null;
      });
  } finally {
    for (const agent of agents) await agent.end('SIGTERM');
  }
});
