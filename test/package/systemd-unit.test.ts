import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const UNIT = resolve(import.meta.dirname, '../../deploy/systemd/federate.service');
const PAGE = join(resolve(import.meta.dirname, '../..'), 'docs/install.md');

function analyze(...words: readonly string[]) {
  return spawnSync('systemd-analyze', [...words, UNIT], { encoding: 'utf8' });
}

const isHere = analyze('--version').error === undefined;

describe.skipIf(!isHere)('the systemd unit (needs systemd-analyze)', () => {
  it('passes systemd-analyze verify without a word', () => {
    const { status, stdout, stderr } = analyze('verify');
    expect([status, stdout + stderr]).toEqual([0, '']);
  });

  it('has the exposure level that docs/install.md names', () => {
    const { stdout } = analyze('security', '--offline=true', '--no-pager');
    const level = /Overall exposure level for federate\.service: ([\d.]+)/.exec(stdout)?.[1];
    expect(level).toBe('1.7');
    expect(readFileSync(PAGE, 'utf8')).toContain(`exposure level is ${level}`);
  });
});

describe('the systemd unit', () => {
  it('waits for the notification of the agent, and checks a config before a reload', () => {
    const text = readFileSync(UNIT, 'utf8');
    expect(text).toMatch(/^Type=notify$/m);
    expect(text).toMatch(/^NotifyAccess=all$/m);
    const reload = [...text.matchAll(/^ExecReload=(.*)$/gm)].map(([, command]) => command);
    expect(reload).toEqual([
      expect.stringContaining('check-config /etc/federate/agent.yaml'),
      '/bin/kill -HUP $MAINPID',
    ]);
  });
});
