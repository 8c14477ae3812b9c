import { describe, expect, it } from 'vitest';
import { WaitingClients } from '../../src/bundle-endpoint/waiting-clients.ts';
import { TestClock } from '../support/test-clock.ts';

const START = new Date('2030-01-01T12:00:00Z');
const stays = () => new AbortController().signal;

/** Counts the clients that were answered. */
function room(most = 10_000) {
  const clock = new TestClock(START);
  const clients = new WaitingClients(clock, most);
  let answered = 0;
  const wait = (seconds: number, gone = stays()) => {
    const waiting = clients.wait(seconds, gone);
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

  it('has room for so many, and takes the next when one has gone', async () => {
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

  it('answers everybody at once when the endpoint stops, also in the middle of waking them, and lets nobody wait any more', async () => {
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
