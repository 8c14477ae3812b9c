import { createPrivateKey } from 'node:crypto';
import { messageOf } from '../../errors/index.ts';
import { readRegularFileSync, type Clock } from '../../platform/index.ts';
import {
  certificatesFromPem,
  generateKeyPair,
  issueCertificate,
  parseCertificate,
  pemFromCertificates,
  spiffeIdOf,
  parseTrustDomain,
} from '../../spiffe/index.ts';
import { InitError } from './answers.ts';

const HOUR_MS = 3_600_000;
const ROOT_LIFE_MS = 10 * 365 * 24 * HOUR_MS;
/** The trial CA renews nothing by itself. `federate init --force` issues the next SVID. */
const SVID_LIFE_MS = 90 * 24 * HOUR_MS;

/** A CA and an SVID of the agent, as PEM. */
export interface TrialIdentity {
  readonly rootPem: string;
  readonly rootKeyPem: string;
  readonly svidPem: string;
  readonly svidKeyPem: string;
}

/** The files of a CA that is there already. */
export interface TrialCaFiles {
  readonly root: string;
  readonly key: string;
}

/**
 * Makes an SVID for the agent of a trust domain, under a new CA or the one in `before`. For a trial:
 * a mesh has a CA of its own. Throws `InitError` `init-exists` where that CA is of another trust
 * domain or cannot be read, because a second one would end the trust that peers have.
 */
export async function makeTrialIdentity(
  name: string,
  before: TrialCaFiles | undefined,
  clock: Clock,
): Promise<TrialIdentity> {
  const trustDomain = parseTrustDomain(name);
  const now = clock.now().getTime();
  // A peer whose clock is a little behind accepts it too.
  const notBefore = new Date(now - HOUR_MS);
  const ca = before ? readCa(name, before) : await newCa(name, notBefore, now);
  const keys = await generateKeyPair('P-256');
  const svid = await issueCertificate({
    subject: '',
    publicKey: keys.publicKey,
    issuer: { certificate: ca.root, key: createPrivateKey(ca.keyPem) },
    notBefore,
    notAfter: new Date(now + SVID_LIFE_MS),
    isCa: false,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['serverAuth', 'clientAuth'],
    uriSans: [spiffeIdOf(trustDomain, '/federate')],
  });
  return {
    rootPem: pemFromCertificates([ca.root]),
    rootKeyPem: ca.keyPem,
    svidPem: pemFromCertificates([svid]),
    svidKeyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

interface Ca {
  readonly root: Uint8Array;
  readonly keyPem: string;
}

async function newCa(name: string, notBefore: Date, nowMs: number): Promise<Ca> {
  const keys = await generateKeyPair('P-256');
  const root = await issueCertificate({
    subject: `O=${name},CN=Trial root`,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    notBefore,
    notAfter: new Date(nowMs + ROOT_LIFE_MS),
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    uriSans: [`spiffe://${name}`],
  });
  return { root, keyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function readCa(name: string, files: TrialCaFiles): Ca {
  try {
    const [root] = certificatesFromPem(readRegularFileSync(files.root).toString('utf8'));
    const keyPem = readRegularFileSync(files.key).toString('utf8');
    if (!root) throw new TypeError('it has no certificate');
    const uris = parseCertificate(root).subjectAltNames.uris;
    if (!uris.includes(`spiffe://${name}`)) throw new TypeError(`it is not the root of ${name}`);
    createPrivateKey(keyPem);
    return { root, keyPem };
  } catch (cause) {
    const why = messageOf(cause);
    throw new InitError(
      'init-exists',
      `${JSON.stringify(files.root)} stays, because peers may trust it, but it cannot be used: ${why}`,
      { cause },
    );
  }
}
