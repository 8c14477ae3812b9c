import { afterEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { StandingDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** What `federate change` prints for an answer of the agent. */
async function printed(answer: Partial<StandingDocument>) {
  const folder = tempDir();
  const path = folder.file('admin.sock');
  const change = async () => ({
    trust_domain: 'b.example',
    outcome: 'failed',
    code: 'connect-failed',
    message: 'nobody answers',
    state: 'failing',
    left_out: [],
    warnings: [],
    ...answer,
  });
  const server = new AdminServer({
    path,
    ...stubAdmin(await openTestStore(), { 'PATCH /v1/relationships/{trust_domain}': change }),
  });
  await server.start();
  stops.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
  );
  const out: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => out.push(text) };
  const words = ['change', 'b.example', '--stale-after', '10s', '--socket', path];
  expect(await main(words, terminal)).toBe(0);
  return out.join('\n');
}

describe('federate change', () => {
  it('says that the last good bundle is in use only where it is', async () => {
    expect(await printed({})).toContain('The last good bundle is in use');
    const stale = await printed({ state: 'stale' });
    expect(stale).toContain('None of its identities is accepted until a poll succeeds');
    expect(stale).not.toContain('in use');
    expect(await printed({ state: 'needs-bootstrap' })).not.toContain('in use');
  });

  it('says what needs a hand after the change', async () => {
    const message = 'the trust ends 10s after each good poll';
    const warning = {
      trust_domain: 'b.example',
      code: 'stale-after-short',
      message,
      since: '2030-01-01T00:00:00.000Z',
    } as const;
    const text = await printed({ outcome: 'unchanged', code: null, message: null, warnings: [warning] });
    expect(text).toContain(`WARNING  ${message} [stale-after-short]`);
  });
});
