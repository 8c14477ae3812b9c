import { z } from 'zod';
import {
  CertificateError,
  certificatesFromPem,
  parseCertificate,
  parseLeafIdentity,
  PemError,
  type SpiffeId,
  trustDomainOf,
  X509SvidError,
} from '../../spiffe/index.ts';
import { readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { consulServiceIdOf } from './consul-id.ts';

/** The certificate of a Consul service, with its private key. PEM throughout. */
export interface ConsulLeaf {
  readonly id: SpiffeId;
  /** Leaf first, then intermediates. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly notAfter: Date;
}

const LEAF = z.object({ CertPEM: z.string(), PrivateKeyPEM: z.string().includes('PRIVATE KEY-----') });

/**
 * The leaf from the body of `/v1/agent/connect/ca/leaf/<service>`. Throws
 * `MeshAdapterError` `mesh-answer-malformed`, also where the certificate is not of `service`.
 */
export function parseConsulLeaf(service: string, value: unknown): ConsulLeaf {
  const what = `the leaf of Consul service ${JSON.stringify(service)}`;
  const { CertPEM: chainPem, PrivateKeyPEM: keyPem } = readAnswer(LEAF, value, what);
  try {
    const [leaf] = certificatesFromPem(chainPem);
    if (!leaf) throw malformed(service, 'it holds no certificate');
    const id = parseLeafIdentity(leaf);
    const found = consulServiceIdOf(id);
    if (found?.service !== service)
      throw malformed(service, `its certificate is that of ${id} in ${trustDomainOf(id)}`);
    return { id, chainPem, keyPem, notAfter: parseCertificate(leaf).notAfter };
  } catch (cause) {
    if (cause instanceof PemError || cause instanceof CertificateError || cause instanceof X509SvidError)
      throw malformed(service, cause.message, cause);
    throw cause;
  }
}

function malformed(service: string, why: string, cause?: unknown): MeshAdapterError {
  return new MeshAdapterError(
    'mesh-answer-malformed',
    `the leaf of Consul service ${JSON.stringify(service)} cannot be used: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
