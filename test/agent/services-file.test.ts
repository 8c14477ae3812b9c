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
    await clock.untilSleeping();
    write();
    await clock.advance(2100);
    write('info', 'web', 'db');
    await clock.advance(450);
    expect(now()).toEqual(['info', 'web']);
    expect(changes).toBe(0);
    await clock.advance(3000);
    expect(now()).toEqual(['info', 'web', 'db']);
    expect(changes).toBe(1);
    write('info');
    await clock.advance(6000);
    expect(now()).toEqual(['info']);
    await live.stop();
  });
});
