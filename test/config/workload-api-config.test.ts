import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The mistakes in a config with that `workload_api`, as their places. */
function mistakes(workloadApi: string, endpoint = 'svid: { sds_socket: s.sock }'): readonly string[] {
  using folder = tempDir();
  const spiffe = endpoint.startsWith('svid');
  writeFileSync(
    folder.file('agent.yaml'),
    `
trust_domain: a.example
store: federate.db
endpoint:
  profile: ${spiffe ? 'https_spiffe' : 'https_web'}
  listen: 127.0.0.1:8443
  url: https://a.example/
  ${endpoint}
mesh: { kind: files, own_pem_files: [roots.pem], foreign_folder: foreign }
workload_api: ${workloadApi}
`,
  );
  try {
    checkConfig('agent', folder.file('agent.yaml'));
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('checkConfig() of workload_api', () => {
  it('accepts a socket, its access, and whether the own SVID is given', () => {
    expect(mistakes('{ socket: w.sock }')).toEqual([]);
    expect(mistakes('{ socket: w.sock, access: everyone, max_streams: 10 }')).toEqual([]);
    expect(mistakes('{ socket: w.sock, access: group, give_own_svid: true }')).toEqual([]);
  });

  it('refuses to give a private key to everyone, or an SVID that does not exist', () => {
    const place = ['workload_api.give_own_svid'];
    expect(mistakes('{ socket: w.sock, access: everyone, give_own_svid: true }')).toEqual(place);
    const web = 'certificate_file: tls.crt\n  key_file: tls.key';
    expect(mistakes('{ socket: w.sock }', web)).toEqual([]);
    expect(mistakes('{ socket: w.sock, give_own_svid: true }', web)).toEqual(place);
  });

  it('refuses unknown keys', () => {
    expect(mistakes('{ socket: w.sock, access: all }')).toEqual(['workload_api.access']);
    expect(mistakes('{ socket: w.sock, max_streams: 0 }')).toEqual(['workload_api.max_streams']);
    expect(mistakes('{}')).toEqual(['workload_api.socket']);
  });
});
