import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { hasCode } from '../../../errors/index.ts';
import { type Clock, writeDurably } from '../../../platform/index.ts';
import {
  certificatesFromPem,
  generateKeyPair,
  issueCertificate,
  parseCertificate,
  pemFromCertificates,
} from '../../../spiffe/index.ts';

/**
 * The serving certificate of the API server, and the CA that kubeconfigs name for it. It is
 * independent of the mesh's CA.
 */
export interface ServingCertificate {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

const DAY_MS = 86_400_000;

/**
 * Returns the serving certificate for `hosts` from the CA in `folder`, which is made where there is
 * none. Throws the system's error.
 */
export async function openServingCertificate(options: {
  readonly folder: string;
  readonly hosts: readonly string[];
  readonly clock: Clock;
}): Promise<ServingCertificate> {
  const ca = (await readCa(options.folder)) ?? (await makeCa(options.folder, options.clock));
  const pair = await generateKeyPair('P-256');
  const now = options.clock.now().getTime();
  const certificate = await issueCertificate({
    subject: 'CN=kube-apiserver',
    publicKey: pair.publicKey,
    issuer: { certificate: ca.certificate, key: ca.key },
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(Math.min(now + 365 * DAY_MS, parseCertificate(ca.certificate).notAfter.getTime())),
    isCa: false,
    keyUsage: ['digitalSignature', 'keyEncipherment'],
    extendedKeyUsage: ['serverAuth'],
    extensions: [{ oid: '2.5.29.17', critical: false, value: subjectAltNames([...new Set(options.hosts)]) }],
  });
  return {
    caPem: pemFromCertificates([ca.certificate]),
    certificatePem: pemFromCertificates([certificate]),
    keyPem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

async function readCa(folder: string) {
  try {
    const [certificate] = certificatesFromPem(await readFile(join(folder, 'serving-ca.pem'), 'utf8'));
    const key = createPrivateKey(await readFile(join(folder, 'serving-ca.key'), 'utf8'));
    return certificate && { certificate, key };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function makeCa(folder: string, clock: Clock) {
  const pair = await generateKeyPair('P-256');
  const now = clock.now().getTime();
  const certificate = await issueCertificate({
    subject: 'CN=kubernetes',
    publicKey: pair.publicKey,
    signingKey: pair.privateKey,
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + 3650 * DAY_MS),
    isCa: true,
    keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
  });
  await writeDurably(
    join(folder, 'serving-ca.key'),
    pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    0o600,
  );
  await writeDurably(join(folder, 'serving-ca.pem'), pemFromCertificates([certificate]));
  return { certificate, key: pair.privateKey };
}

/**
 * GeneralNames with DNS names (tag 2) and addresses (tag 7); the issuing room only supports URI and
 * DNS names.
 */
function subjectAltNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) => {
    const family = isIP(host);
    if (family === 0) return element(0x82, Buffer.from(host, 'latin1'));
    return element(0x87, family === 4 ? Buffer.from(host.split('.').map(Number)) : ipv6Bytes(host));
  });
  return element(0x30, Buffer.concat(names));
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length > 0xffff) throw new RangeError('too many host names for one certificate');
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function ipv6Bytes(host: string): Buffer {
  // The URL parser writes every form of an IPv6 address in hexadecimal groups.
  const [head = '', tail] = new URL(`http://[${host}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const left = groups(head);
  const right = groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
