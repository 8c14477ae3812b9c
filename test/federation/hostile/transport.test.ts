import { beforeAll, describe, expect, it } from 'vitest';
import { answers } from '../../../testkit/fake-peer.ts';
import { hostileAnswers } from '../../../testkit/hostile-answers.ts';
import type { Surroundings } from '../../../testkit/hostile-identities.ts';
import { receptions } from '../../../testkit/hostile-receptions.ts';
import { BlockedPort } from '../blocked-port.ts';
import { aftermathOf, harmless, type HostileCase } from './hostile-case.ts';
import { createSurroundings, documentOf } from './hostile-world.ts';

let around: Surroundings;
let good: string;
let blocked: BlockedPort;

beforeAll(async () => {
  around = await createSurroundings();
  good = documentOf(around.peerCa.bundle(6n));
  blocked = await BlockedPort.open();
  return () => blocked[Symbol.asyncDispose]();
});

const cases: readonly HostileCase[] = [
  // Silence, at each stage.
  {
    does: 'leads to a name that no name server answers for',
    deed: () => ({ answer: answers.redirect(302, 'https://silent.example/') }),
    endedBy: 'connectMs',
    code: 'connect-timeout',
  },
  {
    does: 'leads to a port where nobody accepts',
    deed: () => ({ answer: answers.redirect(302, `https://127.0.0.1:${blocked.port}/`) }),
    endedBy: 'connectMs',
    connections: 2,
    code: 'connect-timeout',
  },
  {
    does: 'accepts the connection and says nothing',
    deed: () => ({ reception: receptions.silence() }),
    endedBy: 'tlsMs',
    code: 'tls-timeout',
  },
  {
    does: 'sends half a ServerHello and nothing more',
    deed: () => ({ reception: receptions.hangDuringTls() }),
    endedBy: 'tlsMs',
    code: 'tls-timeout',
  },
  {
    does: 'reads the request and says nothing',
    deed: () => ({ answer: answers.silence() }),
    endedBy: 'firstByteMs',
    code: 'first-byte-timeout',
  },
  {
    does: 'sends half a head and nothing more',
    deed: () => ({ answer: hostileAnswers.breakInHead('hang') }),
    endedBy: 'firstByteMs',
    code: 'first-byte-timeout',
  },
  {
    does: 'sends half a body and nothing more',
    deed: () => ({ answer: hostileAnswers.hangInBody(good) }),
    endedBy: 'totalMs',
    code: 'total-timeout',
  },
  // A byte a second, at each stage.
  {
    does: 'drips the handshake',
    deed: ({ agents }) => ({ reception: receptions.dripTls(agents.clock) }),
    endedBy: 'tlsMs',
    code: 'tls-timeout',
  },
  {
    does: 'drips the head',
    deed: ({ agents }) => ({ answer: hostileAnswers.dripHead(agents.clock, good) }),
    endedBy: 'firstByteMs',
    code: 'first-byte-timeout',
  },
  {
    does: 'drips the body',
    deed: ({ agents }) => ({ answer: hostileAnswers.dripBody(agents.clock, good) }),
    endedBy: 'totalMs',
    code: 'total-timeout',
  },
  // Broken off, at each stage.
  {
    does: 'resets the connection during the handshake',
    deed: () => ({ reception: receptions.resetDuringTls() }),
    code: 'tls-failed',
  },
  {
    does: 'closes the connection at once',
    deed: () => ({ reception: receptions.closeAtOnce() }),
    code: 'tls-failed',
  },
  {
    does: 'closes the connection during the handshake',
    deed: () => ({ reception: receptions.closeDuringTls() }),
    code: 'tls-failed',
  },
  {
    does: 'resets the connection instead of answering',
    deed: () => ({ answer: (_socket, _request, reset) => reset() }),
    code: 'response-broken',
  },
  {
    does: 'closes the connection instead of answering',
    deed: () => ({ answer: (socket) => void socket.end() }),
    code: 'response-broken',
  },
  {
    does: 'resets the connection in the head',
    deed: () => ({ answer: hostileAnswers.breakInHead('reset') }),
    code: 'response-broken',
  },
  {
    does: 'closes the connection in the head',
    deed: () => ({ answer: hostileAnswers.breakInHead('close') }),
    code: 'response-broken',
  },
  {
    does: 'resets the connection in the body',
    deed: () => ({ answer: answers.reset(good) }),
    code: 'response-broken',
  },
  {
    does: 'closes the connection in the body',
    deed: () => ({ answer: answers.truncated(good) }),
    code: 'response-broken',
  },
  // No TLS, or not the one we speak.
  {
    does: 'speaks plain HTTP',
    deed: () => ({ reception: receptions.plainHttp() }),
    code: 'tls-failed',
  },
  {
    does: 'answers the ClientHello with an alert',
    deed: () => ({ reception: receptions.alert() }),
    code: 'tls-failed',
  },
  {
    does: 'sends a handshake without an end',
    deed: () => ({ reception: receptions.endlessTls() }),
    code: 'tls-failed',
  },
  {
    does: 'speaks TLS 1.1 only',
    deed: () => ({ tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } }),
    code: 'tls-failed',
  },
  {
    does: 'knows no suite with forward secrecy',
    deed: () => ({ tls: { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256:AES256-SHA' } }),
    code: 'tls-failed',
  },
];

describe('Federation is not harmed by an endpoint that (FED-41, TDB-44, invariants 2 and 7)', () => {
  it.each(cases)('$does: $code', async (row) => {
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});
