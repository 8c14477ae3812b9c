import type { WorkloadX509Svid, X509SvidResponse } from '../src/grpc/index.ts';
import type { TestCa } from './test-ca.ts';

type Leaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

/** One SVID of a message, with whatever is to be another. */
export function entry(leaf: Leaf, ca: TestCa, more: Partial<WorkloadX509Svid> = {}): WorkloadX509Svid {
  return {
    spiffe_id: leaf.id,
    x509_svid: Buffer.concat(leaf.chain),
    x509_svid_key: leaf.key.export({ type: 'pkcs8', format: 'der' }),
    bundle: Buffer.from(ca.root),
    hint: '',
    ...more,
  };
}

/** A message of `FetchX509SVID`. */
export function message(
  svids: readonly WorkloadX509Svid[],
  federated: Readonly<Record<string, Uint8Array>> = {},
): X509SvidResponse {
  const bundles = Object.entries(federated).map(([key, bytes]) => [key, Buffer.from(bytes)]);
  return { svids, crl: [], federated_bundles: Object.fromEntries(bundles) };
}
