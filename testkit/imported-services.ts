import { type ImportedPort, type ImportedService, parseServiceId } from '../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/spiffe/index.ts';

/** An import of one HTTP port over one gateway, which every mesh that imports can express. */
export function importedService(
  more: Partial<Omit<ImportedService, 'id'>> & { readonly id?: string } = {},
): ImportedService {
  const { id = 'info', trustDomain = parseTrustDomain('west.example'), ...others } = more;
  return {
    trustDomain,
    id: parseServiceId(id),
    name: `${id}.${trustDomain.split('.')[0]}.federated`,
    spiffeIds: [parseSpiffeId(`spiffe://${trustDomain}/ns/weather/sa/${id.replaceAll('.', '-')}`)],
    ports: [importedPort({ sni: `${id}.${trustDomain}` })],
    namespaces: ['shop'],
    state: 'serving',
    ...others,
  };
}

/** An HTTP port that one gateway with an IP address leads to. */
export function importedPort(more: Partial<ImportedPort> = {}): ImportedPort {
  return {
    name: 'http',
    port: 80,
    protocol: 'http',
    serverFirst: false,
    sni: 'info.west.example',
    endpoints: [{ host: '203.0.113.7', port: 15443, priority: 0, path: 'gateway' }],
    ...more,
  };
}
