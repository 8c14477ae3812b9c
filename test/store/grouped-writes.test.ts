import { describe, expect, it } from 'vitest';
import { GroupedWrites } from '../../src/store/sql/grouped-writes.ts';

/** Transactions over a list. A transaction that fails removes its entries. */
function journal() {
  const written: string[] = [];
  let transactions = 0;
  const inTransaction = (work: () => unknown) => {
    transactions += 1;
    const before = [...written];
    try {
      return work();
    } catch (error) {
      written.splice(0, written.length, ...before);
      throw error;
    }
  };
  return { written, inTransaction, transactions: () => transactions };
}

describe('GroupedWrites', () => {
  it('performs the writes of one turn in one transaction, in order, and gives each its result', async () => {
    const { written, inTransaction, transactions } = journal();
    const writes = new GroupedWrites(inTransaction);
    const results = ['a', 'b', 'c'].map((name) => writes.add(() => written.push(name)));
    expect(written).toEqual([]);
    expect(await Promise.all(results)).toEqual([1, 2, 3]);
    expect(written).toEqual(['a', 'b', 'c']);
    expect(transactions()).toBe(1);
  });

  it('does not fail the other writes when one fails', async () => {
    const { written, inTransaction } = journal();
    const writes = new GroupedWrites(inTransaction);
    const good = writes.add(() => written.push('good'));
    const bad = writes.add(() => {
      written.push('half');
      throw new Error('refused');
    });
    const later = writes.add(() => written.push('later'));
    await expect(bad).rejects.toThrow('refused');
    expect(await good).toBe(1);
    expect(await later).toBe(2);
    expect(written).toEqual(['good', 'later']);
  });

  it('writes at once when flushed, and nothing twice', async () => {
    const { written, inTransaction, transactions } = journal();
    const writes = new GroupedWrites(inTransaction);
    const result = writes.add(() => written.push('a'));
    writes.flush();
    expect(written).toEqual(['a']);
    expect(await result).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    writes.flush();
    expect(written).toEqual(['a']);
    expect(transactions()).toBe(1);
  });
});
