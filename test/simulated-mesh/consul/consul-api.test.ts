import { readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificatesFromPem, parseCertificate } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { CLUSTER_ID, startConsul } from '../support/meshes.ts';
import { until } from '../../../testkit/until.ts';

let folder: ReturnType<typeof tempDir>;
let started: Awaited<ReturnType<typeof startConsul>>;

beforeEach(async () => {
  folder = tempDir();
  started = await startConsul(folder.path);
});
afterEach(async () => {
  await started.mesh.stop();
  folder[Symbol.dispose]();
});

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(started.url + path, { headers });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const body = isJson ? JSON.parse(text) : text;
  return { status: response.status, index: Number(response.headers.get('x-consul-index')), body };
}

/** A request that is under way. */
function pending(path: string) {
  const state: { answer?: Awaited<ReturnType<typeof get>> } = {};
  const done = get(path).then((answer) => {
    state.answer = answer;
  });
  return { state, done };
}

const ROOTS = '/v1/connect/ca/roots';

describe('GET /v1/connect/ca/roots', () => {
  it('lists the roots of the trust domain as the product does', async () => {
    const { status, index, body } = await get(ROOTS);
    expect(status).toBe(200);
    expect(index).toBeGreaterThan(0);
    expect(body.TrustDomain).toBe(`${CLUSTER_ID}.consul`);
    expect(body.Roots).toHaveLength(1);
    const [root] = body.Roots;
    expect(root).toMatchObject({
      Active: true,
      PrivateKeyType: 'ec',
      PrivateKeyBits: 256,
      ExternalTrustDomain: '',
    });
    expect(body.ActiveRootID).toBe(root.ID);
    const [der = new Uint8Array()] = certificatesFromPem(root.RootCert);
    expect(parseCertificate(der).fingerprint).toBe(started.mesh.status().roots[0]?.fingerprint);
    expect(root.NotAfter).toBe(`${parseCertificate(der).notAfter.toISOString().slice(0, 19)}Z`);
    const [intermediate = new Uint8Array()] = certificatesFromPem(root.IntermediateCerts[0]);
    expect(root.SigningKeyID.replaceAll(':', '')).toBe(parseCertificate(intermediate).subjectKeyId);
  });

  it('puts intermediates into the PEM form, which is why that is not a list of roots', async () => {
    const { body } = await get(`${ROOTS}?pem=true`);
    expect(certificatesFromPem(body)).toHaveLength(2);
  });
});

describe('a blocking query', () => {
  it('returns when the roots change, and not before', async () => {
    const { index } = await get(ROOTS);
    const query = pending(`${ROOTS}?index=${index}&wait=5m`);
    await until(() => started.clock.waits().some((wait) => wait >= 300_000 && wait <= 318_750), 'the wait');
    await fetch(`${started.url}/v1/peering/token`, { method: 'POST', body: '{"PeerName":"west"}' });
    expect(query.state.answer).toBeUndefined();
    await started.mesh.rotate('publish');
    await query.done;
    expect(query.state.answer?.index).toBeGreaterThan(index);
    expect(query.state.answer?.body.Roots).toHaveLength(2);
  });

  it('returns at once when the index is behind, and without one', async () => {
    const { index } = await get(ROOTS);
    expect((await get(`${ROOTS}?index=${index - 1}&wait=5m`)).index).toBe(index);
    expect((await get(`${ROOTS}?index=0&wait=5m`)).index).toBe(index);
  });

  it('returns unchanged after the wait, jitter included', async () => {
    const { index } = await get(ROOTS);
    const query = pending(`${ROOTS}?index=${index}&wait=10s`);
    await until(() => started.clock.waits().some((wait) => wait >= 10_000 && wait <= 10_625), 'the wait');
    await started.clock.advance(10_625);
    await query.done;
    expect(query.state.answer).toMatchObject({ status: 200, index });
  });

  it('returns with a lower index after a reset, from which the client begins again', async () => {
    const { index } = await get(ROOTS);
    const query = pending(`${ROOTS}?index=${index}&wait=5m`);
    await until(() => started.clock.waits().some((wait) => wait >= 300_000 && wait <= 318_750), 'the wait');
    started.mesh.resetIndexes();
    await query.done;
    expect(query.state.answer?.index).toBeLessThan(index);
  });

  it('is refused for an index or a wait that is none', async () => {
    expect((await get(`${ROOTS}?index=x`)).status).toBe(400);
    expect((await get(`${ROOTS}?index=1&wait=soon`)).status).toBe(400);
  });
});

describe('GET /v1/agent/connect/ca/leaf/<service>', () => {
  it('gives the SVID of a service with its key', async () => {
    const { body } = await get('/v1/agent/connect/ca/leaf/info');
    const uri = `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/info`;
    expect(body).toMatchObject({ Service: 'info', ServiceURI: uri });
    const [leaf = new Uint8Array()] = certificatesFromPem(body.CertPEM);
    expect(parseCertificate(leaf).subjectAltNames.uris).toEqual([uri]);
    expect(body.PrivateKeyPEM).toContain('EC PRIVATE KEY');
    expect((await get('/v1/agent/connect/ca/leaf/none')).status).toBe(404);
  });

  it('blocks until the leaf is renewed', async () => {
    const { index } = await get('/v1/agent/connect/ca/leaf/info');
    const query = pending(`/v1/agent/connect/ca/leaf/info?index=${index}&wait=10m`);
    await until(() => started.clock.waits().some((wait) => wait >= 600_000 && wait <= 637_500), 'the wait');
    await started.mesh.rotate('publish');
    expect(query.state.answer).toBeUndefined();
    await started.mesh.rotate('activate');
    await query.done;
    expect(query.state.answer?.index).toBeGreaterThan(index);
  });
});

describe('config entries', () => {
  const put = async (body: object, query = '') =>
    (await fetch(`${started.url}/v1/config${query}`, { method: 'PUT', body: JSON.stringify(body) })).text();
  const NAME = '/v1/config/exported-services/default';
  const entry = (service: string) => ({
    Kind: 'exported-services',
    Name: 'default',
    Services: [{ Name: service, Consumers: [{ Peer: 'west' }] }],
  });

  it('are written by compare-and-set', async () => {
    expect((await get(NAME)).status).toBe(404);
    expect(await put(entry('a'), '?cas=0')).toBe('true');
    const { body } = await get(NAME);
    expect(body).toMatchObject({ ...entry('a'), ModifyIndex: expect.any(Number) });
    expect(await put(entry('b'), '?cas=0')).toBe('false');
    expect(await put(entry('b'), `?cas=${body.ModifyIndex + 100}`)).toBe('false');
    expect(await put(entry('b'), `?cas=${body.ModifyIndex}`)).toBe('true');
    expect((await get(NAME)).body.Services).toEqual(entry('b').Services);
    expect((await get('/v1/config/exported-services')).body).toHaveLength(1);
  });

  it('are deleted, and refused for a kind that is not simulated', async () => {
    await put(entry('a'));
    expect((await fetch(started.url + NAME, { method: 'DELETE' })).status).toBe(200);
    expect((await get(NAME)).status).toBe(404);
    expect(await put({ Kind: 'mesh', Name: 'mesh' })).toContain('invalid config entry kind');
  });

  it('are refused in the words of the product where services and callers are named wrongly', async () => {
    const exports = (service: object) => put({ ...entry('a'), Services: [service] });
    expect(await exports({ Name: 'a', Consumers: [] })).toContain('at least one consumer');
    expect(await exports({ Name: 'consul', Consumers: [{ Peer: 'west' }] })).toContain('not supported');
    expect(await exports({ Name: 'a', Consumers: [{ Peer: '*' }] })).toContain('wildcard');
    const intentions = (...Sources: object[]) => put({ Kind: 'service-intentions', Name: 'info', Sources });
    expect(await intentions()).toContain('At least one source');
    expect(await intentions({ Name: 'a', Action: 'maybe' })).toContain("'allow' or 'deny'");
    const allowed = { Name: 'a', Peer: 'west', Action: 'allow' };
    expect(await intentions(allowed, allowed)).toContain('more than once');
    const http = (HTTP: object) => intentions({ Name: 'a', Permissions: [{ Action: 'allow', HTTP }] });
    expect(await http({ PathExact: 'a' })).toContain("does not start with '/'");
    expect(await http({ PathExact: '/a', PathPrefix: '/a' })).toContain('only contain one');
    expect(await http({ Methods: ['get'] })).toContain('invalid method');
    expect(await http({ PathExact: '/a', Methods: ['GET'] })).toBe('true');
  });
});

describe('ACL', () => {
  it('requires the token when a token file is named, except for the roots', async () => {
    await started.mesh.stop();
    const aclTokenFile = folder.file('token');
    started = await startConsul(folder.path, { aclTokenFile });
    const token = readFileSync(aclTokenFile, 'utf8').trim();
    expect(statSync(aclTokenFile).mode & 0o777).toBe(0o600);
    expect((await get('/v1/peerings', { 'x-consul-token': token })).body).toEqual([]);
    expect(await get('/v1/peerings')).toMatchObject({
      status: 403,
      body: expect.stringContaining("'peering:read'"),
    });
    expect(await get('/v1/peerings', { 'x-consul-token': 'wrong' })).toMatchObject({
      status: 403,
      body: 'ACL not found',
    });
    expect((await get('/v1/agent/connect/ca/leaf/info')).status).toBe(403);
    expect((await get(ROOTS)).status).toBe(200);
  });
});

describe('bad requests', () => {
  it('are refused with a sentence', async () => {
    const post = async (body: string) => {
      const response = await fetch(`${started.url}/v1/peering/token`, { method: 'POST', body });
      return response.status;
    };
    expect(await post('{"PeerName":"west"}')).toBe(200);
    expect(await post('{')).toBe(400);
    expect(await post('[]')).toBe(400);
    expect(await post('x'.repeat(600 * 1024))).toBe(413);
    expect((await get('/v1/none')).status).toBe(404);
    expect((await get('/v1/peering/none')).status).toBe(404);
  });
});

describe('a restart', () => {
  it('keeps the CA, the peerings, the config entries and the index', async () => {
    await fetch(`${started.url}/v1/peering/token`, { method: 'POST', body: '{"PeerName":"west"}' });
    const before = [
      (await get('/v1/peering/west')).body,
      started.mesh.status().roots,
      (await get(ROOTS)).index,
    ];
    await started.mesh.stop();
    started = await startConsul(folder.path);
    const after = [
      (await get('/v1/peering/west')).body,
      started.mesh.status().roots,
      (await get(ROOTS)).index,
    ];
    expect(after).toEqual(before);
  });

  it('finishes the deletion of a peering that was under way', async () => {
    await fetch(`${started.url}/v1/peering/token`, { method: 'POST', body: '{"PeerName":"west"}' });
    await fetch(`${started.url}/v1/peering/west`, { method: 'DELETE' });
    expect((await get('/v1/peering/west')).body.State).toBe('DELETING');
    await started.mesh.stop();
    started = await startConsul(folder.path);
    expect((await get('/v1/peering/west')).status).toBe(404);
  });
});

describe('start()', () => {
  it('leaves nothing open when a port is taken', async () => {
    const second = () =>
      startConsul(`${folder.path}/second`, {
        http: { host: '127.0.0.1', port: started.mesh.httpAddress().port },
      });
    await expect(second()).rejects.toMatchObject({ code: 'port-in-use' });
    const third = await startConsul(`${folder.path}/second`);
    await third.mesh.stop();
  });
});
