import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type InvitationChange, type Store, type StoredInvitation } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { added, at, bundle, istio, relationship, start, version } from './sample-bundles.ts';

const given: StoredInvitation = {
  id: '00112233445566ff',
  role: 'inviter',
  state: 'open',
  publicKey: 'ab'.repeat(32),
  requireApproval: true,
  failedTries: 0,
  createdAt: at(1),
  createdBy: 'operator:ann',
  expiresAt: at(16),
};
const taken: StoredInvitation = {
  id: given.id,
  role: 'newcomer',
  state: 'redeeming',
  peer: istio,
  requireApproval: false,
  failedTries: 0,
  createdAt: at(2),
  createdBy: 'operator:bob',
  expiresAt: at(16),
  transcript: 'cd'.repeat(32),
  words: 'one two three four',
  rootPins: ['01'.repeat(16), '02'.repeat(16)],
  peerStatement: '{}',
};
const eventOf = (kind: 'invitation-given' | 'invitation-taken' | 'invitation-ended') =>
  ({ at: at(2), kind, actor: 'agent', message: kind }) as const;
const redeem: InvitationChange = {
  id: given.id,
  role: 'inviter',
  from: ['open'],
  patch: { state: 'completed', endedAt: at(3), peer: istio },
};

describe('invitations in a store', () => {
  let store: Store;
  beforeEach(async () => {
    store = await openTestStore();
  });
  afterEach(() => store.close());

  it('are listed as they were issued and redeemed, newest first, each with its event', async () => {
    await store.addInvitation(given, eventOf('invitation-given'));
    await store.addInvitation(taken, eventOf('invitation-taken'));
    expect(await store.invitations()).toEqual([taken, given]);
    expect(await store.invitations({ limit: 1 })).toEqual([taken]);
    expect(await store.invitation('inviter', given.id)).toEqual(given);
    expect(await store.invitation('inviter', 'ff'.repeat(8))).toBeUndefined();
    expect((await store.events()).map(({ kind }) => kind)).toEqual(['invitation-taken', 'invitation-given']);
    await expect(store.addInvitation(given, eventOf('invitation-given'))).rejects.toMatchObject({
      code: 'invitation-exists',
    });
    await expect(
      store.addInvitation({ ...given, id: 'x' }, eventOf('invitation-given')),
    ).rejects.toBeInstanceOf(TypeError);
  });

  it('change only from a state that the change names: of many at once, one succeeds', async () => {
    await store.addInvitation(given, eventOf('invitation-given'));
    const done = await Promise.all(
      Array.from({ length: 20 }, () => store.changeInvitation(redeem, eventOf('invitation-ended'))),
    );
    expect(done.filter((each) => each)).toHaveLength(1);
    expect(await store.invitation('inviter', given.id)).toEqual({ ...given, ...redeem.patch });
    expect((await store.events()).filter(({ kind }) => kind === 'invitation-ended')).toHaveLength(1);
    expect(await store.changeInvitation({ ...redeem, id: 'ff'.repeat(8) })).toBe(false);
  });

  it('stay ended, except for a failed attempt of a newcomer, which is open again', async () => {
    await store.addInvitation(given, eventOf('invitation-given'));
    await store.addInvitation(taken, eventOf('invitation-taken'));
    expect(await store.changeInvitation(redeem)).toBe(true);
    await expect(
      store.changeInvitation({ ...redeem, from: ['completed'], patch: { state: 'open' } }),
    ).rejects.toBeInstanceOf(TypeError);
    const failed = { state: 'failed' as const, endedAt: at(4), reason: { code: 'gone', message: 'gone' } };
    const change = { id: taken.id, role: 'newcomer' as const };
    expect(await store.changeInvitation({ ...change, from: ['redeeming'], patch: failed })).toBe(true);
    expect(await store.invitation('newcomer', taken.id)).toEqual({ ...taken, ...failed });
    expect(await store.changeInvitation({ ...change, from: ['failed'], patch: { state: 'redeeming' } })).toBe(
      true,
    );
    expect(await store.invitation('newcomer', taken.id)).toEqual(taken);
  });

  it('are spent in the transaction of their relationship, or neither is written', async () => {
    await store.addInvitation(given, eventOf('invitation-given'));
    const add = () =>
      store.addRelationship(relationship(), version(bundle([1], 5n), start, 'bootstrap'), added(), redeem);
    await add();
    expect(await store.invitation('inviter', given.id)).toMatchObject({ state: 'completed', peer: istio });
    await store.removeRelationship(istio, { at: at(9), actor: 'operator:ann', reason: 'over' });
    await expect(add()).rejects.toMatchObject({ code: 'invitation-spent' });
    expect(await store.relationships()).toEqual([]);
    expect(await store.current(istio)).toBeUndefined();
  });
});

describe('invitations at the sqlite3 prompt', () => {
  it('cannot be opened again, deleted or replaced, and have no column for a secret', async () => {
    using folder = tempDir();
    const path = folder.file('store.db');
    const store = await openTestStore({ path });
    await store.addInvitation(given, eventOf('invitation-given'));
    await store.changeInvitation(redeem);
    await store.close();
    const database = new Sqlite(path);
    for (const sql of [
      "UPDATE invitation SET state = 'open', ended_at = NULL",
      'DELETE FROM invitation',
      'INSERT OR REPLACE INTO invitation SELECT * FROM invitation',
    ])
      expect(() => database.exec(sql)).toThrow(/invitation/);
    const columns = database.prepare<[], { name: string }>('PRAGMA table_info(invitation)').all();
    expect(columns.map(({ name }) => name).filter((name) => /secret|line|private/.test(name))).toEqual([]);
    database.close();
  });
});
