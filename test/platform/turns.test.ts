import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/platform/index.ts';

describe('Turns', () => {
  it('begins each piece of work when the one before has ended, and gives its result', async () => {
    const turns = new Turns();
    const first = Promise.withResolvers<string>();
    const seen: string[] = [];
    const results = [
      turns.run(() => first.promise),
      turns.run(async () => {
        seen.push('second begins');
        return 'second';
      }),
    ];
    await Promise.resolve();
    expect(seen).toEqual([]);
    first.resolve('first');
    expect(await Promise.all(results)).toEqual(['first', 'second']);
  });

  it('goes on after work that fails, and rejects only for its caller', async () => {
    const turns = new Turns();
    const failing = turns.run(async () => Promise.reject(new Error('it failed')));
    const next = turns.run(async () => 'done');
    await expect(failing).rejects.toThrow('it failed');
    expect(await next).toBe('done');
    await turns.settled();
  });

  it('is settled after all that was given', async () => {
    const turns = new Turns();
    const work = Promise.withResolvers<void>();
    let isOver = false;
    void turns.run(async () => {
      await work.promise;
      isOver = true;
    });
    work.resolve();
    await turns.settled();
    expect(isOver).toBe(true);
  });
});
