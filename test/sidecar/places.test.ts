import { describe, expect, it } from 'vitest';
import { Places } from '../../src/demonstration/sidecar/places.ts';

describe('Places', () => {
  it('are limited, and given back once', () => {
    const places = new Places(2);
    const [first, second] = [places.take(), places.take()];
    expect(places.take()).toBeUndefined();
    first?.();
    first?.();
    expect(places.take()).toBeDefined();
    expect(places.take()).toBeUndefined();
    second?.();
    expect(places.take()).toBeDefined();
  });

  it('go to those who wait, in their order, and not to those who gave up', async () => {
    const places = new Places(1);
    const never = new AbortController().signal;
    const leave = await places.enter(never);
    const order: string[] = [];
    const impatient = new AbortController();
    const gone = places.enter(impatient.signal);
    const [a, b] = ['a', 'b'].map(async (name) => {
      const leaveAgain = await places.enter(never);
      order.push(name);
      leaveAgain();
    });
    impatient.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    leave();
    await Promise.all([a, b]);
    expect(order).toEqual(['a', 'b']);
    expect(places.take()).toBeDefined();
  });

  it('are not entered once the signal has aborted', async () => {
    const places = new Places(1);
    await expect(places.enter(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    expect(places.take()).toBeDefined();
  });
});
