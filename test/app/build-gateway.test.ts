import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { buildGateway } from '../../src/app/build-gateway.ts';
import { gatewayConfigSchema } from '../../src/config/gateway-config.ts';
import { readConfig } from '../../src/config/read-config.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { systemRandom } from '../../src/platform/index.ts';
import { until } from '../../testkit/until.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('buildGateway()', () => {
  it('starts without routes where the agent has not written the file yet, and takes it then', async () => {
    using folder = tempDir();
    writeFileSync(
      folder.file('gateway.yaml'),
      `listen: 127.0.0.1:${await freePort()}\nroutes_file: routes.yaml\n`,
    );
    const [clock, log] = [new TestClock(new Date()), createRecordingLog()];
    const config = readConfig(folder.file('gateway.yaml'), gatewayConfigSchema);
    const gateway = await buildGateway(config, { clock, log, random: systemRandom, environment: {} });
    await gateway.start();
    try {
      expect(log.records.filter(({ level }) => level === 'warn')).toHaveLength(1);
      writeFileSync(folder.file('routes.yaml'), 'info.b.example: 127.0.0.1:1\n');
      await until(() => {
        void clock.advance(1000);
        return log.records.some(({ fields }) => fields['routes'] === 1);
      }, 'the routes were read');
      expect(log.records.filter(({ level }) => level === 'error')).toEqual([]);
    } finally {
      await gateway.stop();
    }
  });

  it('refuses a bad table at the start', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('gateway.yaml'), 'listen: 127.0.0.1:1\nroutes_file: routes.yaml\n');
    writeFileSync(folder.file('routes.yaml'), 'info.b.example: nowhere\n');
    const config = readConfig(folder.file('gateway.yaml'), gatewayConfigSchema);
    const parts = { clock: new TestClock(new Date()), log: createRecordingLog() };
    await expect(
      buildGateway(config, { ...parts, random: systemRandom, environment: {} }),
    ).rejects.toMatchObject({ code: 'config-invalid' });
  });
});
