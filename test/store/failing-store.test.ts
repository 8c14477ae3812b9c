import { describe, expect, it } from 'vitest';
import { createFailingStore } from '../../testkit/failing-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';

describe('createFailingStore()', () => {
  it('fails the next call only, and does not pass it to the store', async () => {
    const store = createFailingStore(await openTestStore());
    await store.setMeta('a', '1');
    store.failNext();
    await expect(store.setMeta('a', '2')).rejects.toMatchObject({ code: 'store-full' });
    expect(await store.getMeta('a')).toBe('1');
    store.failNext({ method: 'getMeta', error: new Error('broken') });
    await store.setMeta('a', '3');
    await expect(store.getMeta('a')).rejects.toThrow('broken');
    expect(await store.getMeta('a')).toBe('3');
  });
});
