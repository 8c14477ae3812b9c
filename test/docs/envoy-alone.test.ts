import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderEnvoy } from '../../src/envoy/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The block of docs/meshes/envoy.md that begins with the comment `# NAME`. */
function block(name: string): string {
  const text = readFileSync(new URL('../../docs/meshes/envoy.md', import.meta.url), 'utf8');
  const found = new RegExp(`\`\`\`yaml\\n# ${name.replace('.', '\\.')}\\n([^]*?)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/meshes/envoy.md has no block "# ${name}"`);
  return found;
}

describe('docs/meshes/envoy.md', () => {
  it('has an agent config and an Envoy that work as pasted', async () => {
    using folder = tempDir();
    for (const name of ['agent.yaml', 'envoy.yaml']) writeFileSync(folder.file(name), block(name));
    const checked = await runVerb('check-config', folder.file('agent.yaml'), '--without-files');
    expect(checked.err).toBe('');
    expect(checked.code).toBe(0);
    const { bootstrap, stands_for: standsFor } = await renderEnvoy(folder.file('envoy.yaml'), {});
    expect(standsFor).toBe('sidecar');
    const text = JSON.stringify(bootstrap);
    // Trust and identity come from the socket that the agent opens, and the identity under the name that the jq line looks for.
    expect(block('agent.yaml')).toContain('socket: /run/federate/workload.sock');
    expect(text).toContain('"path":"/run/federate/workload.sock"');
    expect(text).toContain('{"name":"default","sds_config":');
    expect(text).toContain('{"name":"ALL","sds_config":');
  });
});
