import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { parseInvitation } from '../../src/invitation/line.ts';
import { InvitationSide } from './world.ts';

async function dial(port: number, maxVersion: SecureVersion = 'TLSv1.3'): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** One request on its own connection; the whole answer but its date. */
async function post(port: number, path: string, body: string, options: { version?: SecureVersion } = {}) {
  const socket = await dial(port, options.version);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'close');
  return text.replace(/date: .*\r\n/i, '');
}

const hello = JSON.stringify({ commitment: 'ab'.repeat(32), trust_domain: 'b.example' });
const pathOf = (id: string, step = 'hello') => `/federate/invitations/${id}/${step}`;

describe('the path of invitations', () => {
  it('does not exist, to the byte, for a caller that does not know an open invitation', async () => {
    await using a = await InvitationSide.start('a.example');
    const unknown = await post(a.port, '/no/such/path', hello);
    expect(unknown).toContain('HTTP/1.1 404');
    const none = await post(a.port, pathOf('00'.repeat(8)), hello);
    const id = parseInvitation(await a.give()).id;
    const others = await Promise.all([
      post(a.port, pathOf('00'.repeat(8)), hello),
      post(a.port, pathOf(id, 'redeem'), hello),
      post(a.port, pathOf(id, 'status'), JSON.stringify({ signature: 'x' })),
      post(a.port, pathOf(id, 'other'), hello),
      post(a.port, pathOf(id), '{}'),
      post(a.port, pathOf(id), 'no JSON'),
      post(a.port, `${pathOf(id)}?x`, hello),
      post(a.port, pathOf(id).replace(id, id.toUpperCase().padEnd(17, '0')), hello),
      post(a.port, pathOf(id), hello, { version: 'TLSv1.2' }),
    ]);
    for (const other of [none, ...others]) expect(other).toBe(unknown);
    expect(await post(a.port, pathOf(id), hello)).toContain('HTTP/1.1 200');
    expect(await a.newest()).toBe('inviter open');
    await a.invitations.desk.cancel(id, 'operator:ann');
    expect(await post(a.port, pathOf(id), hello)).toBe(unknown);
  });

  it('costs nothing when it is flooded: no word to the store or the log, no body read', async () => {
    await using a = await InvitationSide.start('a.example');
    await a.give();
    const before = (await a.store.events({ limit: 1000 })).length;
    const records = a.log.records.length;
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        post(a.port, pathOf(n.toString(16).padStart(16, '0'), n % 2 ? 'hello' : 'redeem'), hello),
      ),
    );
    expect(new Set(answers.map((answer) => answer.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 404']));
    expect((await a.store.events({ limit: 1000 })).length).toBe(before);
    expect(a.log.records.length).toBe(records);
    const endless = await dial(a.port);
    endless.write(
      `POST ${pathOf('ff'.repeat(8), 'redeem')} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n`,
    );
    const [answer] = (await once(endless, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('HTTP/1.1 404');
    endless.destroy();
  });

  it('answers so many requests about one invitation, and then so many a second', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    const { id } = parseInvitation(line);
    const knock = async (times: number) => {
      let answered = 0;
      for (let n = 0; n < times; n += 1)
        if ((await post(a.port, pathOf(id), hello)).includes('HTTP/1.1 200')) answered += 1;
      return answered;
    };
    expect(await knock(40)).toBe(12);
    await a.clock.advance(2000);
    expect(await knock(10)).toBe(4);
    await a.clock.advance(2000);
    expect(await b.take(line)).toBe('completed');
  });

  it('reads no more than such a message can have', async () => {
    await using a = await InvitationSide.start('a.example');
    const { id } = parseInvitation(await a.give());
    const socket = await dial(a.port);
    socket.write(`POST ${pathOf(id)} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('HTTP/1.1 404');
    socket.destroy();
  });
});
