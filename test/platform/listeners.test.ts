import { describe, expect, it } from 'vitest';
import { Listeners } from '../../src/platform/index.ts';

describe('Listeners', () => {
  it('calls each listener with each change, in the order of adding', () => {
    const listeners = new Listeners<[name: string, size: number]>();
    const seen: string[] = [];
    listeners.add((name, size) => seen.push(`first ${name} ${size}`));
    listeners.add((name, size) => seen.push(`second ${name} ${size}`));
    listeners.notify('a', 1);
    listeners.notify('b', 2);
    expect(seen).toEqual(['first a 1', 'second a 1', 'first b 2', 'second b 2']);
  });

  it('calls a listener no more after its end', () => {
    const listeners = new Listeners();
    let calls = 0;
    const end = listeners.add(() => {
      calls += 1;
    });
    listeners.notify();
    end();
    listeners.notify();
    expect(calls).toBe(1);
  });

  it('lets a listener end itself while it is called', () => {
    const listeners = new Listeners();
    const seen: string[] = [];
    const end = listeners.add(() => {
      seen.push('once');
      end();
    });
    listeners.add(() => seen.push('each time'));
    listeners.notify();
    listeners.notify();
    expect(seen).toEqual(['once', 'each time', 'each time']);
  });

  it('gives what a listener throws to onError, and calls the others', () => {
    const errors: unknown[] = [];
    const listeners = new Listeners<[string]>((error, name) => errors.push([error, name]));
    const broken = new Error('broken');
    const seen: string[] = [];
    listeners.add(() => {
      throw broken;
    });
    listeners.add((name) => seen.push(name));
    listeners.notify('b.example');
    expect(seen).toEqual(['b.example']);
    expect(errors).toEqual([[broken, 'b.example']]);
  });

  it('throws what a listener throws where nothing takes the errors', () => {
    const listeners = new Listeners();
    listeners.add(() => {
      throw new Error('broken');
    });
    expect(() => listeners.notify()).toThrow('broken');
  });
});
