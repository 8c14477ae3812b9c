import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { boundedList, readAnswer } from '../../src/mesh-adapters/contract/answer.ts';
import { parseConsulLeaf } from '../../src/mesh-adapters/consul/leaf.ts';
import { generatePeeringToken, listPeerings } from '../../src/mesh-adapters/consul/peerings.ts';
import { parsePeeringToken } from '../../src/mesh-adapters/consul/peering-token.ts';
import { parseOwnTrust } from '../../src/mesh-adapters/consul/read-own-trust.ts';
import { MANIFEST_FILE, parseManifest } from '../../src/mesh-adapters/files/manifest.ts';
import { parseConfigMap } from '../../src/mesh-adapters/kubernetes/config-map.ts';
import { parseKubernetesObject } from '../../src/mesh-adapters/kubernetes/kubernetes-object.ts';
import { parseWatchEvent } from '../../src/mesh-adapters/kubernetes/watch-events.ts';
import { parseMeshTrust } from '../../src/mesh-adapters/kuma/mesh-trust.ts';
import { parseLinkerdValues } from '../../src/mesh-adapters/linkerd/read-own-trust.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';

const { signal } = new AbortController();
const token = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
const metadata = { name: 'x', namespace: 'n', resourceVersion: '1' };
const event = (value: unknown) => parseWatchEvent(JSON.stringify(value), 'ConfigMap', 'the watch');
const values = (text: string) => parseLinkerdValues({ metadata, data: { values: text } });
const cluster = (value: unknown) => ({ send: async () => ({ value, headers: {} }) });

const PEERED = {
  CA: ['-----BEGIN CERTIFICATE-----'],
  ServerAddresses: ['a.example:8502'],
  ServerName: 'server.dc1.peering.a.example',
  PeerID: 'id',
  EstablishmentSecret: 'hush',
};

describe('a malformed answer of a mesh', () => {
  it.each<[of: string, code: string, message: string, read: () => unknown]>([
    [
      'the roots of Consul',
      'mesh-answer-malformed',
      'expected object, received null',
      () => parseOwnTrust(null),
    ],
    [
      'the roots of Consul',
      'mesh-answer-malformed',
      'TrustDomain: expected string, and it is missing',
      () => parseOwnTrust({ Roots: [] }),
    ],
    [
      'the roots of Consul',
      'mesh-answer-malformed',
      'Roots: expected array, received object',
      () => parseOwnTrust({ TrustDomain: 'a.consul', Roots: {} }),
    ],
    [
      'a root of Consul',
      'own-roots-malformed',
      'RootCert: expected string, received number',
      () => parseOwnTrust({ TrustDomain: 'a.consul', Roots: [{ RootCert: 7 }] }),
    ],
    [
      'a leaf of Consul',
      'mesh-answer-malformed',
      'PrivateKeyPEM: must include "PRIVATE KEY-----"',
      () => parseConsulLeaf('web', { CertPEM: 'hush', PrivateKeyPEM: 'hush' }),
    ],
    [
      'a peering token',
      'peering-token-malformed',
      'PeerID: expected string, received array',
      () => parsePeeringToken(token({ ...PEERED, PeerID: ['hush'] })),
    ],
    [
      'a peering token',
      'peering-token-malformed',
      'EstablishmentSecret: it is empty',
      () => parsePeeringToken(token({ ...PEERED, EstablishmentSecret: '' })),
    ],
    [
      'an object of Kubernetes',
      'mesh-answer-malformed',
      'a Bundle cannot be used: metadata.resourceVersion: expected string, received number',
      () => parseKubernetesObject({ metadata: { ...metadata, resourceVersion: 1 } }, 'Bundle'),
    ],
    [
      'the labels of an object',
      'mesh-answer-malformed',
      'metadata.labels["a/b"]: expected string, received number',
      () => parseKubernetesObject({ metadata: { ...metadata, labels: { 'a/b': 1 } } }, 'Bundle'),
    ],
    [
      'a ConfigMap',
      'mesh-answer-malformed',
      'metadata.namespace: expected string, and it is missing',
      () => parseConfigMap({ metadata: { name: 'x', resourceVersion: '1' } }),
    ],
    [
      'a ConfigMap',
      'mesh-answer-malformed',
      'data.mesh: expected string, received object',
      () => parseConfigMap({ metadata, data: { mesh: {} } }),
    ],
    ['an event of a watch', 'mesh-answer-malformed', 'expected object, received number', () => event(7)],
    [
      'an event of a watch',
      'mesh-answer-malformed',
      'type: expected string, and it is missing',
      () => event({ object: {} }),
    ],
    [
      'a bookmark of a watch',
      'mesh-answer-malformed',
      'metadata: expected object, and it is missing',
      () => event({ type: 'BOOKMARK', object: {} }),
    ],
    [
      'an error in a watch',
      'mesh-unavailable',
      'answered with 500',
      () => event({ type: 'ERROR', object: 'x' }),
    ],
    [
      'a MeshTrust of Kuma',
      'mesh-answer-malformed',
      'the spec of MeshTrust t cannot be used: expected object, received string',
      () => parseMeshTrust('t', {}, { spec: 'hush' }),
    ],
    [
      'the values of Linkerd',
      'mesh-config-malformed',
      'identityTrustDomain: expected string, received number',
      () => values('identityTrustDomain: 7\nclusterDomain: cluster.local'),
    ],
    [
      'the values of Linkerd',
      'mesh-config-malformed',
      'expected object, received string',
      () => values('hush'),
    ],
    [
      'the list of our files',
      'file-not-ours',
      `${MANIFEST_FILE}, which is not a list that we wrote, cannot be used: files[1]: must match pattern`,
      () => parseManifest(Buffer.from('{"files":["a.pem","../hush"]}')),
    ],
  ])('%s: %s, and the sentence names the field (%#)', (_, code, message, read) => {
    const found = errorOf(read);
    expect(found).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(found.message).not.toContain('hush');
  });

  it.each([
    [{}, 'expected array, received object'],
    [[{ Name: 'x', State: 'ACTIVE' }, { Name: 7 }], '[1].Name: expected string, received number'],
  ])('the peerings of Consul name the field: %j', async (value, message) => {
    await expect(listPeerings(cluster(value), 'federate-', signal)).rejects.toMatchObject({
      code: 'mesh-answer-malformed',
      message: expect.stringContaining(`/v1/peerings cannot be used: ${message}`),
    });
  });

  it('a new peering without a token names the field', async () => {
    const made = generatePeeringToken(cluster({}), 'x', parseTrustDomain('b.example'), signal);
    await expect(made).rejects.toMatchObject({
      code: 'mesh-answer-malformed',
      message: expect.stringContaining('PeeringToken: expected string, and it is missing'),
    });
  });

  it('reads what a MeshTrust of another owner lacks as empty', () => {
    const spec = { trustDomain: 7, caBundles: [null, { pem: { value: 'PEM' } }, { pem: 'x' }] };
    expect(parseMeshTrust('t', {}, { spec, status: { origin: 'x' } })).toEqual({
      name: 't',
      labels: {},
      trustDomain: '',
      pems: ['', 'PEM', ''],
    });
  });

  it('counts a list before it reads the elements, and says once that it is too long', () => {
    const count = { calls: 0 };
    const element = z.string().refine(() => (count.calls += 1) > 0);
    const read = () => readAnswer(boundedList(element, 2), ['a', 'b', 'c'], 'the list');
    expect(errorOf(read).message).toBe('the list cannot be used: it has more than 2 elements');
    expect(count.calls).toBe(0);
  });

  it('cuts the name of a field that the mesh chose', () => {
    const wrong = { ['k'.repeat(5000)]: 7 };
    const { message } = errorOf(() => readAnswer(z.record(z.string(), z.string()), wrong, 'the map'));
    expect(message.length).toBeLessThan(300);
  });
});

function errorOf(read: () => unknown): Error {
  try {
    read();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was read');
}
