import { afterEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { WarningDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import type { PeersSeen } from '../../src/agent/admin/peers-seen.ts';
import { type Relationship } from '../../src/store/index.ts';
import { added, bundle, istio, relationship, version } from '../store/sample-bundles.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** What `federate list` and `federate show` print of one peer with two roots that an agent knows so. */
async function printed(seen: Partial<PeersSeen>, warnings?: readonly WarningDocument[]) {
  const folder = tempDir();
  const store = await openTestStore();
  await store.addRelationship(relationship(), version(bundle([1, 2], 7n)), added());
  const path = folder.file('admin.sock');
  const server = new AdminServer({ path, ...stubAdmin(store, {}, { seen, ...(warnings && { warnings }) }) });
  await server.start();
  stops.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
  );
  const run = async (...words: string[]) => {
    const out: string[] = [];
    const terminal = { out: (text: string) => out.push(text), err: (text: string) => out.push(text) };
    expect(await main([...words, '--socket', path], terminal)).toBe(0);
    return out.join('\n');
  };
  return { list: await run('list'), show: await run('show', istio) };
}

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const standing = (rest: Partial<Relationship>) => ({ standing: () => ({ ...relationship(), ...rest }) });

describe('federate list and show', () => {
  it('goes by what the agent knows, which is newer than the store: the next poll after an add', async () => {
    const nextPollAt = new Date(Date.now() + 240_000);
    const { list, show } = await printed(standing({ nextPollAt }));
    expect(list).toMatch(/next poll in \d/);
    expect(show).toMatch(/next poll +in \d/);
    expect((await printed({})).list).toContain('next poll not planned');
  });

  it('says that nothing counts where every key is distrusted', async () => {
    const { list, show } = await printed({ countingAuthorities: () => 0 });
    for (const text of [list, show]) {
      expect(text).toContain('2 authorities, of which none counts');
      expect(text).toContain('nothing, because no key of the peer counts');
    }
    expect((await printed({ countingAuthorities: () => 1 })).list).toContain('of which 1 count');
    expect((await printed({ countingAuthorities: () => 2 })).list).toContain('2 authorities ·');
  });

  it('does not say "not yet" of a stale peer, and does not say its reason twice', async () => {
    const message = 'no poll has succeeded for too long';
    const warning: WarningDocument = {
      trust_domain: istio,
      code: 'trust-stale',
      message,
      since: ago(5),
    };
    const stale = standing({ state: 'stale', stateReason: { code: 'trust-stale', message } });
    const { list, show } = await printed({ ...stale, countingAuthorities: () => 0 }, [warning]);
    expect(list).not.toContain('not yet');
    expect(list).toContain('nothing, because the peer is stale');
    expect(list.split(message)).toHaveLength(2);
    expect(show).toContain(`WARNING  ${message} [trust-stale]`);
  });

  it('names the peer in what it says to do, so that the command can be run', async () => {
    const stateReason = { code: 'endpoint-bundle-missing', message: 'no root is left' };
    const { show } = await printed(standing({ state: 'needs-bootstrap', stateReason }));
    expect(show).toContain(`"federate bundle set ${istio} FILE"`);
    expect(show).not.toContain('<trust domain>');
  });

  it('says how old the report of the other side is, and that it is silent since', async () => {
    const heard = (minutes: number | null) =>
      printed({
        theirSide: () => ({
          state: 'held',
          since: ago(7200),
          last_heard_at: minutes === null ? null : ago(minutes),
        }),
      });
    expect((await heard(2)).show).toMatch(/first reported this 5d.* ago \(.*\), last \S+ ago$/m);
    expect((await heard(120)).show).toContain(
      'it has reported nothing since, so the relationship may have ended',
    );
    expect((await heard(null)).show).not.toContain('nothing since');
  });
});
