import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ServicesFile } from '../../src/agent/services-file.ts';
import { agentConfigSchema, readConfig } from '../../src/config/index.ts';
import { silentLog } from '../../src/platform/index.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const exported = (service: string) => ({ service, to: ['b.example'] });

describe('the services of a config file', () => {
  it('count when the file is the same half a second later, so a half-written one withdraws nothing', async () => {
    using folder = tempDir();
    const file = folder.file('agent.yaml');
    const write = (...services: readonly string[]) =>
      writeFileSync(
        file,
        stringify({
          ...plainAgentConfig(),
          trust_domain: 'a.example',
          mesh: { kind: 'files', own_pem_files: ['root.pem'], foreign_folder: 'foreign' },
          services: { exports: services.map(exported) },
        }),
      );
    write('info', 'web');
    const { services: initial } = readConfig(file, agentConfigSchema).config;
    if (!initial) throw new Error('the file has services');
    const clock = new TestClock(TEST_INSTANT);
    const live = new ServicesFile({ file, initial, clock, log: silentLog });
    const now = () => live.current.exports.map(({ service }) => service);
    let changes = 0;
    live.onChange(() => (changes += 1));
    live.start();
    /** Moves the clock until the lists are these. */
    const become = (...services: readonly string[]) =>
      until(async () => {
        await clock.advance(500);
        return now().join() === services.join();
      }, services.join());
    await clock.untilSleeping();
    write();
    await until(async () => {
      if (!clock.waits().includes(500)) await clock.advance(100);
      return clock.waits().includes(500);
    }, 'the half-written file to be seen');
    write('info', 'web', 'db');
    await become('info', 'web', 'db');
    expect(changes).toBe(1);
    write('info');
    await become('info');
    expect(changes).toBe(2);
    await live.stop();
  });
});
