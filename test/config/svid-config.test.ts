import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The mistakes in a config with this SVID source: place and message. */
function mistakes(svid: unknown): readonly string[] {
  using folder = tempDir();
  const mesh = { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign' };
  const config = { ...plainAgentConfig(), trust_domain: 'a.example', mesh, identity: svid };
  writeFileSync(folder.file('agent.yaml'), stringify(config));
  try {
    checkConfig('agent', folder.file('agent.yaml'));
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe('checkConfig() of an SVID source', () => {
  it('takes a Workload API by its address or by the environment, files, and an SDS socket (WLAPI-06, WLAPI-07)', () => {
    expect(mistakes({ workload_api: 'unix:///run/spire/agent.sock' })).toEqual([]);
    expect(mistakes({ workload_api: 'tcp://127.0.0.1:8000', hint: 'external' })).toEqual([]);
    expect(mistakes({ workload_api: 'SPIFFE_ENDPOINT_SOCKET', spiffe_id: 'spiffe://a.example/x' })).toEqual(
      [],
    );
    expect(mistakes({ sds_socket: 's.sock' })).toEqual([]);
    expect(mistakes({ certificate_file: 'svid.pem', key_file: 'svid.key' })).toEqual([]);
  });

  it('reports what is wrong with the intended source', () => {
    expect(mistakes({ workload_api: '/run/spire/agent.sock' })).toEqual([
      expect.stringMatching(/^identity\.workload_api: .*unix:\/\/\//),
    ]);
    expect(mistakes({ workload_api: 'unix:///a', spiffe_id: 'x' })).toEqual([
      expect.stringMatching(/^identity\.spiffe_id: /),
    ]);
    expect(mistakes({ workload_api: 'unix:///a', hint: '' })).toEqual([
      expect.stringMatching(/^identity\.hint: /),
    ]);
    expect(mistakes({ certificate_file: 'svid.pem' })).toEqual(['identity.key_file: is missing']);
  });

  it('requires one source where none or two are given', () => {
    for (const svid of [
      {},
      { workload_api: 'unix:///a', sds_socket: 's.sock' },
      { socket: 'x' },
      'unix:///a',
    ])
      expect(mistakes(svid)).toEqual([expect.stringMatching(/^identity: an SVID comes either from/)]);
  });
});
