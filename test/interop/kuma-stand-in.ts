import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { FakeKumaControlPlane, refuse } from '../mesh-adapters/kuma/fake-control-plane.ts';

/**
 * `kuma-cp run` with the stand-in in the place of the product: one identity, everything in memory. As kuma-cp 2.14.3 it takes every
 * request from its own machine for the administrator's, whatever its token, unless it is told otherwise, and it makes a MeshTrust of
 * a MeshIdentity only where the Mesh has `meshServices.mode: Exclusive`.
 */
const TRUST_DOMAIN = 'default.default.mesh.local';
if (process.argv[2] === 'version') {
  process.stdout.write('stand-in\n');
  process.exit(0);
}
const isLocalhostAdmin = process.env['KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN'] !== 'false';
const keys = publicKeysIn(process.argv[process.argv.indexOf('--config-file') + 1] ?? '');
const ca = await presentCa(TRUST_DOMAIN, 'CN=identity');
const kuma = new FakeKumaControlPlane();
let isExclusive = false;
kuma.answer = (request, response) => {
  const isAdmin = isLocalhostAdmin || isSigned(request.token);
  if (!isAdmin && request.token !== '') refuse(response, 401, 'Invalid authentication data', 'invalid token');
  else if (request.path === '/meshes/default') {
    if (request.method === 'PUT') isExclusive = true;
    response.end('{"type":"Mesh","name":"default"}');
  } else if (request.path.startsWith('/meshes/default/meshidentities/')) {
    if (isExclusive) kuma.putOwn(TRUST_DOMAIN, [pemFromCertificates([ca.root])]);
    response.writeHead(201).end('{"warnings":[]}');
  } else return false;
  return true;
};
await kuma.start(Number(process.env['KUMA_API_SERVER_HTTP_PORT']));

/** The keys that may sign user tokens, by their IDs. */
function publicKeysIn(configFile: string): ReadonlyMap<string, KeyObject> {
  const config = JSON.parse(readFileSync(configFile, 'utf8')) as {
    apiServer: { authn: { tokens: { validator: { publicKeys: { kid: string; keyFile: string }[] } } } };
  };
  const { publicKeys } = config.apiServer.authn.tokens.validator;
  return new Map(publicKeys.map(({ kid, keyFile }) => [kid, createPublicKey(readFileSync(keyFile))]));
}

function isSigned(token: string): boolean {
  const [header = '', claims = '', signature = ''] = token.split('.');
  if (signature === '') return false;
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid?: string };
  const key = keys.get(kid ?? '');
  return (
    key !== undefined &&
    createVerify('sha256').update(`${header}.${claims}`).verify(key, signature, 'base64url')
  );
}
