import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/index.ts';
import { renderEnvoy } from '../../src/envoy/bootstrap/render.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The places of the mistakes in a sidecar config. */
function mistakes(text: string): readonly string[] {
  using folder = tempDir();
  writeFileSync(folder.file('sidecar.yaml'), text);
  try {
    checkConfig('sidecar', folder.file('sidecar.yaml'));
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('checkConfig() of a sidecar', () => {
  it('takes an SDS socket or a Workload API, and one of the two', () => {
    expect(mistakes('sds_socket: s.sock')).toEqual([]);
    expect(mistakes('workload_api: unix:///run/spire/agent.sock\nhint: internal')).toEqual([]);
    expect(mistakes('workload_api: SPIFFE_ENDPOINT_SOCKET')).toEqual([]);
    expect(mistakes('outbound: []')).toEqual(['sds_socket']);
    expect(mistakes('sds_socket: s.sock\nworkload_api: unix:///a')).toEqual(['workload_api']);
    expect(mistakes('sds_socket: s.sock\nhint: x\nspiffe_id: spiffe://a.example/x')).toEqual([
      'hint',
      'spiffe_id',
    ]);
    expect(mistakes('workload_api: /run/agent.sock')).toEqual(['workload_api']);
  });
});

describe('renderEnvoy() of a sidecar', () => {
  it('reports that an Envoy needs SDS where the config names a Workload API', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('sds.yaml'), 'sds_socket: s.sock');
    writeFileSync(folder.file('api.yaml'), 'workload_api: unix:///run/spire/agent.sock');
    expect((await renderEnvoy(folder.file('sds.yaml'), {})).stands_for).toBe('sidecar');
    await expect(renderEnvoy(folder.file('api.yaml'), {})).rejects.toMatchObject({
      code: 'config-invalid',
      mistakes: [{ path: 'workload_api', message: expect.stringContaining('sds_socket') }],
    });
  });
});
