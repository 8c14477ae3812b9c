import { describe, expect, it } from 'vitest';
import { type WaitingClient, WaitingClients } from '../../src/bundle-endpoint/waiting-clients.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const START = new Date('2030-01-01T12:00:00Z');
const stays = () => new AbortController().signal;

/** Counts the clients that were answered. */
function room(most = 10_000, mostPerAddress = 10_000) {
  const clock = new TestClock(START);
  const clients = new WaitingClients(clock, { most, mostPerAddress });
  let answered = 0;
  const wait = (seconds: number, gone = stays(), client: Partial<WaitingClient> = {}) => {
    const waiting = clients.wait(seconds, gone, { connection: {}, address: '192.0.2.1', ...client });
    void waiting?.then(() => {
      answered += 1;
    });
    return waiting !== undefined;
  };
  return { clock, clients, wait, answered: () => answered };
}

describe('WaitingClients', () => {
  it('answers each when its time is up, within a second', async () => {
    const { clock, clients, wait, answered } = room();
    wait(5);
    wait(10);
    await clock.advance(4999);
    expect(answered()).toBe(0);
    await clock.advance(1001);
    expect(answered()).toBe(1);
    await clock.advance(5000);
    expect(answered()).toBe(2);
    expect(clients.count).toBe(0);
    expect(clock.waits()).toEqual([]);
    expect(wait(1)).toBe(true);
    await clock.advance(2000);
    expect(answered()).toBe(3);
  });

  it('answers a few at once when the bundle has changed, and thousands one batch after the other', async () => {
    const { clock, clients, wait, answered } = room();
    for (let index = 0; index < 3; index += 1) wait(300);
    void clients.wakeAll();
    await clock.advance(0);
    expect(answered()).toBe(3);
    for (let index = 0; index < 3200; index += 1) wait(300);
    void clients.wakeAll();
    await clock.advance(0);
    expect(answered()).toBe(3 + 32);
    await clock.advance(16 * 49);
    expect(answered()).toBe(3 + 32 * 50);
    await clock.advance(16 * 50);
    expect(answered()).toBe(3203);
    expect(clients.count).toBe(0);
  });

  it('holds one request per connection: a further one causes the answer to the one before it', async () => {
    const { clock, clients, wait, answered } = room();
    const connection = {};
    for (let request = 0; request < 1000; request += 1) expect(wait(300, stays(), { connection })).toBe(true);
    expect(clients.count).toBe(1);
    await clock.advance(0);
    expect(answered()).toBe(999);
    clients.release(connection);
    await clock.advance(0);
    expect([clients.count, answered()]).toEqual([0, 1000]);
  });

  it('has few places for one address, of which a /64 of IPv6 is one, and a few more for a /48', () => {
    const { wait } = room(10_000, 2);
    const from = (address: string) => wait(300, stays(), { address });
    expect([from('192.0.2.9'), from('::ffff:192.0.2.9'), from('192.0.2.9')]).toEqual([true, true, false]);
    expect([from('2001:db8::1'), from('2001:db8::2'), from('2001:db8:0:0:ffff::3')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(from('2001:db8:0:1::1')).toBe(true);
    const others = Array.from({ length: 100 }, (_, index) =>
      from(`2001:db8:0:${(index + 2).toString(16)}::1`),
    );
    expect(others.filter(Boolean)).toHaveLength(5);
    expect(from('2001:db8:1::1')).toBe(true);
  });

  it('keeps a quarter of its places for peers that prove who they are, and few places for each of them', () => {
    const { wait } = room(40, 1000);
    const unproved = Array.from({ length: 100 }, (_, index) =>
      wait(300, stays(), { address: `2001:db8:${index.toString(16)}::1` }),
    );
    expect(unproved.filter(Boolean)).toHaveLength(30);
    const proved = (peer: string) => wait(300, stays(), { peer });
    expect(Array.from({ length: 20 }, () => proved('greedy.example')).filter(Boolean)).toHaveLength(8);
    expect([proved('b.example'), proved('c.example'), proved('d.example')]).toEqual([true, true, false]);
  });

  it('frees every place', async () => {
    const { wait, clients, clock } = room(4, 1);
    for (let round = 0; round < 10; round += 1) {
      const gone = new AbortController();
      expect(wait(300, gone.signal)).toBe(true);
      expect(wait(300, gone.signal)).toBe(false);
      expect(wait(300, gone.signal, { peer: 'b.example' })).toBe(true);
      gone.abort();
      gone.abort();
      await clock.advance(0);
      expect(clients.count).toBe(0);
    }
  });

  it('has a fixed number of places, and accepts the next client when one is free', async () => {
    const { clients, wait, clock } = room(2);
    const leaving = new AbortController();
    expect([wait(300), wait(300, leaving.signal), wait(300)]).toEqual([true, true, false]);
    leaving.abort();
    expect(clients.count).toBe(1);
    expect(wait(300)).toBe(true);
    clients.close();
    await clock.advance(0);
    expect(clock.waits()).toEqual([]);
  });

  it('answers all clients at once when the endpoint stops, also during a wake-up, and holds no client after that', async () => {
    const { clock, clients, wait, answered } = room();
    for (let index = 0; index < 100; index += 1) wait(300);
    void clients.wakeAll();
    await clock.advance(0);
    clients.close();
    await clock.advance(0);
    expect(answered()).toBe(100);
    expect(wait(300)).toBe(false);
    expect(clock.waits()).toEqual([]);
  });
});
