import { createServer, type Server } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const AT = '2030-01-01T12:00:00.000Z';
const HEX = 'a'.repeat(64);
const key = { kind: 'x509', fingerprint: HEX, label: 'aaaaaa CN=Root' };
const offered = {
  kind: 'jwt',
  fingerprint: HEX,
  subject: 'CN=Root',
  key_id: 'k1',
  not_before: AT,
  not_after: AT,
};
const authority = {
  fingerprint: HEX,
  key_fingerprint: HEX,
  subject: 'CN=Root',
  not_before: AT,
  not_after: AT,
};
const version = {
  trust_domain: 'b.example',
  version: 2,
  sequence: '7',
  digest: HEX,
  received_at: AT,
  verdict: 'accepted',
  origin: 'https://b.example/',
  proved_by: 'leaf aa',
  added: [key],
  removed: [key],
};
const leftOut = { entry: 1, code: 'entry-use-unknown', message: 'entry 1 is not used' };
const bundle = {
  ...version,
  left_out: [leftOut],
  refresh_hint_seconds: 300,
  pin: `sha256:${HEX}`,
  x509_authorities: [authority],
  jwt_key_ids: ['k1'],
  document: '{"keys": []}',
};
const servicePort = { name: 'http', port: 80, protocol: 'http', server_first: false, sni: 'info.b.example' };
const serviceOffers = {
  trust_domain: 'b.example',
  sequence: 7,
  received_at: AT,
  expires_at: AT,
  services: [
    {
      service: 'info',
      state: 'serving',
      spiffe_ids: ['spiffe://b.example/info'],
      ports: [servicePort],
      may_call: ['spiffe://a.example/x'],
      imported_as: 'info.b.federated',
    },
  ],
  last_answer: { at: AT, outcome: 'refused', code: 'c', message: 'm' },
};
const imported = {
  name: 'info.b.federated',
  service: 'info',
  trust_domain: 'b.example',
  state: 'serving',
  reason: { code: 'c', message: 'm' },
  namespaces: ['x'],
  spiffe_ids: ['spiffe://b.example/info'],
  ports: [servicePort],
  since: AT,
  drain_until: AT,
  actor: 'operator:ann',
  in_mesh: { state: 'written', code: 'c', message: 'm' },
};
const waitingList = {
  trust_domain: 'b.example',
  status: 'waiting',
  changes: [{ code: 'identity-change', service: 'info', message: 'm' }],
  sequence: 8,
  digest: HEX,
  held_sequence: 7,
  since: AT,
  last_seen: AT,
  services: ['info'],
};
const incident = {
  began_at: AT,
  last_at: AT,
  ended_at: null,
  count: 2,
  kind: 'unreachable',
  code: 'c',
  message: 'm',
};
const event = {
  at: AT,
  kind: 'bundle-accepted',
  trust_domain: 'b.example',
  actor: 'operator:ann',
  code: 'c',
  message: 'took it',
};
const distrusted = {
  trust_domain: 'b.example',
  key_fingerprint: HEX,
  label: 'aaaaaa CN=Root',
  since: AT,
  until: null,
  actor: 'operator:ann',
  reason: 'lost',
};
const warning = { trust_domain: 'b.example', code: 'offer-waits', message: 'look at it', since: AT };
const inMesh = { state: 'refused', code: 'twin-root', message: 'two of a name' };
const poll = {
  trust_domain: 'b.example',
  outcome: 'refused',
  code: 'c',
  message: 'why',
  left_out: [leftOut],
};
const relationship = {
  trust_domain: 'b.example',
  endpoint_url: 'https://b.example/',
  more_endpoint_urls: ['https://c.example/'],
  endpoints: [
    {
      url: 'https://b.example/',
      in_use: true,
      last_success_at: AT,
      last_failure_at: AT,
      last_failure_code: 'c',
    },
  ].map((each) => ({ ...each, last_failure: 'broken' })),
  profile: 'https_spiffe',
  endpoint_id: 'spiffe://b.example/f',
  signer_id: null,
  their_side: { state: 'held', since: AT, last_heard_at: AT },
  policy: 'auto',
  stale_after_seconds: 60,
  state: 'failing',
  reason: { code: 'c', message: 'why' },
  bootstrap: 'pin',
  distrusted: [distrusted],
  created_at: AT,
  last_attempt_at: AT,
  last_success_at: AT,
  next_poll_at: AT,
  consecutive_failures: 2,
  sequence: '7',
  warnings: [warning],
  version: 2,
  authorities: 1,
  authorities_counting: 1,
  in_mesh: inMesh,
  peer_holds: {
    digest: HEX,
    sequence: '7',
    since: AT,
    signer: 'spiffe://b.example/f',
    seen_at: AT,
    in_mesh: { progress: 'written', since: AT },
  },
};
const status = {
  ready: true,
  trust_domain: 'a.example',
  started_at: AT,
  agent_id: 'spiffe://a.example/f',
  own: { sequence: '1', version: 1, authorities: 1, pin: `sha256:${HEX}` },
  endpoint: { url: 'https://a.example/', profile: 'https_web', endpoint_id: null, serving: true },
  identity: { source: 'files', from: '/svid.pem', id: null, not_after: AT, code: 'c', message: 'said so' },
  mesh: { kind: 'files', scope: 'merged', connected: false, code: 'c', message: 'away' },
  workload_api: {
    socket: '/w.sock',
    proxies: 1,
    secrets: 2,
    secrets_current: 1,
    workload_streams: 1,
    refused: [{ proxy: 'sidecar', secret: 'ALL', reason: 'bad' }],
  },
  warnings: [warning],
  relationships: { total: 1, by_state: { active: 1 } },
};
const offer = {
  trust_domain: 'b.example',
  status: 'quarantined',
  code: 'c',
  message: 'why',
  meaning: 'what',
  policy: 'auto',
  profile: 'https_web',
  origin: 'https://b.example/',
  since: AT,
  seen: 2,
  last_seen: AT,
  digest: HEX,
  sequence: '8',
  held_digest: HEX,
  held_sequence: '7',
  added: [offered],
  removed: [offered],
  kept: [offered],
};
const review = {
  waiting: [offer],
  rejected: [{ trust_domain: 'b.example', digest: HEX, since: AT, actor: 'operator:ann', reason: 'no' }],
};
const invitation = {
  id: '0123456789abcdef',
  role: 'inviter',
  state: 'burned',
  reason: { code: 'c', message: 'why' },
  peer: 'b.example',
  require_approval: false,
  failed_tries: 3,
  created_at: AT,
  created_by: 'operator:ann',
  expires_at: AT,
  ended_at: AT,
  words: 'maple tiger onion comet',
};
const gate = {
  safe: false,
  missing: [{ code: 'c', message: 'not yet', peer: 'b.example', poller: '192.0.2.1', safe_at: AT }],
  taken: [{ who: 'b.example', by: 'fetch' }],
};
const rotation = {
  trust_domain: 'a.example',
  sequence: '1',
  signing_known_by: 'mesh',
  refresh_hint_seconds: 60,
  lead_seconds: 60,
  leaf_lifetime_seconds: 60,
  settle_seconds: 60,
  roots: [
    {
      fingerprint: HEX,
      label: 'aaaaaa CN=Root',
      stage: 'published',
      since: AT,
      known_by: 'mesh',
      published_at: AT,
      in_use_at: AT,
      retiring_at: null,
      not_before: AT,
      not_after: AT,
      use: gate,
      retire: gate,
      unreadable: [],
    },
  ],
  peers: [
    {
      trust_domain: 'b.example',
      known: 'identified',
      sequence: '1',
      held_since: AT,
      seen_at: AT,
      address: '192.0.2.1',
      newest: true,
      in_mesh: { progress: 'written', since: AT },
    },
  ],
  pollers: [{ address: '192.0.2.1', sequence: '1', newest: true, last_seen_at: AT, requests: 3 }],
  findings: [{ level: 'risky', code: 'c', message: 'mind it' }],
};
const unrecorded = { trust_domain: 'b.example', where: 'a file', since: AT, roots: [authority] };
const head = {
  number: 3,
  hash: HEX,
  chain: HEX,
  signed_at: AT,
  signer: 'spiffe://a.example/f',
  statement: 's',
};

/** Each verb with the answers it asks for, by method and path without the query. */
const VERBS: readonly (readonly [words: readonly string[], answers: Readonly<Record<string, unknown>>])[] = [
  [['status'], { 'GET /v1/status': status }],
  [['list'], { 'GET /v1/relationships': [relationship] }],
  [['show', 'b.example'], { 'GET /v1/relationships/b.example': relationship }],
  [['bundle', 'show', 'b.example'], { 'GET /v1/bundles/b.example': bundle }],
  [
    ['bundle', 'history', 'b.example'],
    {
      'GET /v1/bundles/b.example/history': {
        trust_domain: 'b.example',
        versions: [version],
        incidents: [incident],
        events: [event],
      },
    },
  ],
  [
    ['bundle', 'diff', 'b.example'],
    {
      'GET /v1/bundles/b.example/diff': {
        trust_domain: 'b.example',
        from: 1,
        to: 2,
        added: [key],
        removed: [key],
        kept: [key],
      },
    },
  ],
  [['history'], { 'GET /v1/history': { events: [event], links: 3, head: HEX, newest_head: head } }],
  [
    ['history', '--at', AT],
    {
      'GET /v1/history/at': { instant: AT, trusted: [{ ...bundle, distrusted: [distrusted] }] },
    },
  ],
  [['history', 'heads', 'b.example'], { 'GET /v1/history/heads': [head] }],
  [['service', 'offers'], { 'GET /v1/service-offers': [serviceOffers] }],
  [['service', 'offers', 'b.example'], { 'GET /v1/service-offers/b.example': serviceOffers }],
  [['service', 'import', 'info', '--from', 'b.example'], { 'POST /v1/imports': imported }],
  [['service', 'drop', 'info'], { 'POST /v1/dropped-imports': imported }],
  [['service', 'review'], { 'GET /v1/waiting-lists': [waitingList] }],
  [['review'], { 'GET /v1/offers': review }],
  [['review', 'b.example'], { 'GET /v1/offers/b.example': review }],
  [
    ['review', 'b.example', '--accept', '--reason', 'r'],
    {
      'GET /v1/offers/b.example': review,
      'POST /v1/offers/b.example': { trust_domain: 'b.example', decision: 'accept', digest: HEX, poll },
    },
  ],
  [['distrust', 'list'], { 'GET /v1/distrusted': [distrusted] }],
  [
    ['distrust', 'b.example', HEX, '--reason', 'r'],
    {
      'POST /v1/distrusted': {
        ...distrusted,
        ours: false,
        was_trusted: true,
        x509_left: 0,
        jwt_left: 0,
        own_svid_refused: true,
        signs_now: true,
        in_mesh: inMesh,
        mesh_may_still_trust: true,
        note: null,
      },
    },
  ],
  [['invite', 'list'], { 'GET /v1/invitations': [invitation] }],
  [['rotation', 'status'], { 'GET /v1/rotation': rotation }],
  [['refresh'], { 'POST /v1/refresh': [poll] }],
  [
    ['remove', 'b.example'],
    {
      'DELETE /v1/relationships/b.example': {
        trust_domain: 'b.example',
        removed: true,
        in_mesh: inMesh,
        note: { code: 'c', message: 'also' },
      },
    },
  ],
  [['adopt'], { 'GET /v1/unrecorded-trust': [unrecorded] }],
  [
    ['adopt', 'b.example', '--drop'],
    {
      'DELETE /v1/unrecorded-trust/b.example': {
        trust_domain: 'b.example',
        removed: true,
        in_mesh: inMesh,
        note: null,
      },
    },
  ],
];

let folder: ReturnType<typeof tempDir>;
let server: Server;
let answer: (request: string) => { readonly status: number; readonly body: unknown };
beforeAll(async () => {
  folder = tempDir();
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://agent/').pathname;
    const { status: code, body } = answer(`${request.method} ${path}`);
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(folder.file('admin.sock'), resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  folder[Symbol.dispose]();
});

async function run(words: readonly string[], ...more: readonly string[]) {
  const printed: string[] = [];
  const out: string[] = [];
  await main([...words, '--socket', folder.file('admin.sock'), ...more], {
    out: (text) => {
      printed.push(text);
      out.push(text);
    },
    err: (text) => printed.push(text),
  });
  return { text: printed.join('\n'), out: out.join('\n') };
}

/** Every text of an answer that is free text, which is every one but instants and hashes, with something hostile behind it. */
function poisoned(data: unknown, poison: string): unknown {
  if (typeof data === 'string') return /^\d{4}-|^[0-9a-f]{64}$/.test(data) ? data : data + poison;
  if (Array.isArray(data)) return data.map((each) => poisoned(each, poison));
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, poisoned(value, poison)]));
}

const STEERING = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Breaks lines, steers the terminal or turns text around. */
const hostile = fc
  .array(
    fc.constantFrom(
      '\n',
      '\r',
      '\u0085',
      '\u2028',
      '\u2029',
      '\v',
      '\f',
      '\u001b[2K',
      '\u009b2K',
      '\u202e',
      '\u2066',
      '\u200f',
      '\u0000',
      '\u007f',
      '\ud800',
      '\u{E0001}',
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) => `${parts.join('')}FORGED`);

describe('What a peer can put into an answer', () => {
  it.each(VERBS)('makes no line and steers no terminal: %j', async (words, answers) => {
    answer = (request) => ({ status: 200, body: answers[request] ?? { missing: request } });
    const harmless = await run(words);
    expect(harmless.text).not.toMatch(/undefined|\[object|missing/);
    await fc.assert(
      fc.asyncProperty(hostile, async (poison) => {
        answer = (request) => ({ status: 200, body: poisoned(answers[request], poison) });
        const { text } = await run(words);
        expect(text).not.toMatch(STEERING);
        expect(text).not.toMatch(/^FORGED/m);
        const { out } = await run(words, '--output', 'json');
        expect(out).not.toMatch(STEERING);
        expect(() => JSON.parse(out) as unknown).not.toThrow();
      }),
      { numRuns: 10 },
    );
  });

  it('comes through JSON as it is', async () => {
    const body = poisoned(bundle, '\n\u0085\u202e');
    answer = () => ({ status: 200, body });
    const { out } = await run(['bundle', 'show', 'b.example'], '--output', 'json');
    expect(JSON.parse(out)).toEqual(body);
  });

  it('makes no line in an error either, and is the same in JSON', async () => {
    const message = 'refused\nFORGED \u202e\u0085';
    answer = () => ({ status: 409, body: { code: 'own-root-offered', message } });
    const { text } = await run(['show', 'b.example']);
    expect(text).not.toMatch(STEERING);
    expect(text).not.toMatch(/^FORGED/m);
    const { out } = await run(['show', 'b.example'], '--output', 'json');
    expect(out).not.toMatch(STEERING);
    expect(JSON.parse(out)).toMatchObject({ error: { message } });
  });

  it('is printed as JSON that means the same where the document itself is asked for', async () => {
    const document = '{"keys": [], "x": "a\u0085\u202eb"}';
    answer = () => ({ status: 200, body: { ...bundle, document } });
    const { out } = await run(['bundle', 'show', 'b.example'], '--document');
    expect(out).not.toMatch(STEERING);
    expect(JSON.parse(out)).toEqual(JSON.parse(document));
  });
});
