import { createHash } from 'node:crypto';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa } from '../e2e/agent-process.ts';
import { FakeKumaControlPlane, refuse } from '../mesh-adapters/kuma/fake-control-plane.ts';

/** `kuma-cp run` with the stand-in in the place of the product: one identity, one token, everything in memory. */
const TRUST_DOMAIN = 'default.default.mesh.local';
if (process.argv[2] === 'version') {
  process.stdout.write('stand-in\n');
  process.exit(0);
}
const ca = await presentCa(TRUST_DOMAIN, 'CN=identity');
const token = createHash('sha256').update(ca.root).digest('hex');
const kuma = new FakeKumaControlPlane();
kuma.answer = (request, response) => {
  if (request.token !== '' && request.token !== token)
    refuse(response, 401, 'Invalid authentication data', 'invalid token');
  else if (request.path === '/meshes/default') response.end('{"type":"Mesh","name":"default"}');
  else if (request.path === '/global-secrets/admin-user-token')
    response.end(JSON.stringify({ data: Buffer.from(token).toString('base64') }));
  else if (request.path.startsWith('/meshes/default/meshidentities/')) {
    kuma.putOwn(TRUST_DOMAIN, [pemFromCertificates([ca.root])]);
    response.writeHead(201).end('{"warnings":[]}');
  } else return false;
  return true;
};
await kuma.start(Number(process.env['KUMA_API_SERVER_HTTP_PORT']));
