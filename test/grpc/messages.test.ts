import { describe, expect, it } from 'vitest';
import {
  type AnyMessage,
  peeringTrustBundleMessage,
  peerStreamService,
  SECRET_TYPE_URL,
  secretDiscoveryService,
  secretMessage,
  spiffeValidatorMessage,
} from '../../src/grpc/index.ts';

const any: AnyMessage = { type_url: SECRET_TYPE_URL, value: Buffer.from([1, 2, 3]) };

describe('secretMessage', () => {
  it('carries a certificate with its key and nothing else', () => {
    const secret = {
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_bytes: Buffer.from('chain') },
        private_key: { inline_bytes: Buffer.from('key') },
      },
    };
    expect(secretMessage.decode(secretMessage.encode(secret))).toEqual(secret);
  });

  it('uses the field numbers that Envoy reads', () => {
    const bytes = secretMessage.encode({
      name: 'a',
      validation_context: {
        trusted_ca: { inline_string: 'b' },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'c' } }],
      },
    });
    // name=1 "a"; validation_context=4 { trusted_ca=1 { inline_string=3 "b" } ; 15 { san_type=1
    // URI(3) ; matcher=2 { prefix=2 "c" } } }
    expect(bytes.toString('hex')).toBe('0a0161220e0a031a01627a0708031203120163');
  });
});

describe('spiffeValidatorMessage', () => {
  it('keeps one bundle per trust domain', () => {
    const config = { trust_domains: [{ name: 'a.example', trust_bundle: { inline_string: 'PEM' } }] };
    expect(spiffeValidatorMessage.decode(spiffeValidatorMessage.encode(config))).toEqual(config);
  });
});

describe('secretDiscoveryService', () => {
  it('reads an absent error as absent, so that an ACK is not a NACK', () => {
    const { requestSerialize, requestDeserialize } = secretDiscoveryService.StreamSecrets;
    const request = {
      version_info: '7',
      node: { id: 'n', cluster: 'c' },
      resource_names: ['default'],
      type_url: SECRET_TYPE_URL,
      response_nonce: '1',
    };
    const read = requestDeserialize(requestSerialize(request));
    expect(read).toEqual(request);
    expect(read.error_detail).toBeUndefined();
  });

  it('carries resources as Any', () => {
    const { responseSerialize, responseDeserialize } = secretDiscoveryService.StreamSecrets;
    const response = { version_info: '1', resources: [any], type_url: SECRET_TYPE_URL, nonce: 'x' };
    expect(responseDeserialize(responseSerialize(response))).toEqual(response);
  });
});

describe('peerStreamService', () => {
  it('sets exactly one member of the oneof', () => {
    const { requestSerialize, requestDeserialize } = peerStreamService.StreamResources;
    const heartbeat = requestDeserialize(requestSerialize({ heartbeat: {} }));
    expect(Object.keys(heartbeat)).toEqual(['heartbeat']);
    const ack = { request: { peer_id: 'p', response_nonce: '1', resource_url: 'u' } };
    expect(requestDeserialize(requestSerialize(ack))).toEqual(ack);
  });

  it('uses the field numbers that Consul reads for a trust bundle', () => {
    const bytes = peeringTrustBundleMessage.encode({
      trust_domain: 'a',
      peer_name: 'b',
      partition: 'c',
      root_pems: ['d', 'e'],
      exported_partition: 'f',
    });
    expect(bytes.toString('hex')).toBe('0a01611201621a01632201642201652a0166');
  });
});
