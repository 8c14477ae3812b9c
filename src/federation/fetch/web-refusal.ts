import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { FetchError } from './errors.ts';

/** What an endpoint showed, and what it was checked with. */
interface ShownChain {
  /**
   * The certificates as they were sent, leaf first; empty where the handshake did not come so far.
   */
  readonly shown: readonly Uint8Array[];
  /** The only CAs that count, PEM; undefined: the public ones. */
  readonly caPem: string | undefined;
}

/**
 * Why a handshake over `https_web` failed. `web-certificate-refused` has the date, the names or the
 * issuer that is in the way. `tls-failed` is for everything that is not about the certificate. Only
 * a certificate with a SPIFFE ID is pointed to `https_spiffe`.
 */
export function webRefusal(url: URL, cause: Error, chain: ShownChain): FetchError {
  const code = 'code' in cause ? String(cause.code) : '';
  // OpenSSL's verdicts on a chain are bare words in capitals; protocol and socket failures begin
  // with ERR_SSL or E….
  const aboutCertificate = code === 'ERR_TLS_CERT_ALTNAME_INVALID' || VERIFY_CODES.test(code);
  if (!aboutCertificate)
    return new FetchError(
      'tls-failed',
      `the TLS handshake with ${url.host} failed: ${code || cause.message}`,
      { cause },
    );
  return new FetchError(
    'web-certificate-refused',
    `${url.host} showed a certificate that Web PKI does not vouch for (${code}): ${explain(url, code, chain)}`,
    { cause },
  );
}

const VERIFY_CODES =
  /CERT|CRL|SIGNATURE|ISSUER|PATH_LENGTH|PURPOSE|HOSTNAME_MISMATCH|SELF_SIGNED|VERIFY|KEY_TOO_SMALL|MD_TOO_WEAK|UNSUITABLE/;

const MAX_NAMES = 300;

function explain(url: URL, code: string, { shown, caPem }: ShownChain): string {
  const certificates = shown.map((der) => new X509Certificate(der));
  const [leaf] = certificates;
  const last = certificates.at(-1);
  if (!leaf || !last) return 'it could not be looked at';
  const spiffeId = /URI:(spiffe:\/\/[^,"]+)/.exec(leaf.subjectAltName ?? '')?.[1];
  if (spiffeId !== undefined)
    return `it is the X509-SVID ${shortened(spiffeId)}; an endpoint that shows an X509-SVID needs the profile https_spiffe`;
  const whose = (each: X509Certificate) =>
    each === leaf ? 'it' : `the CA certificate ${nameOf(each.subject)}`;
  if (code === 'CERT_HAS_EXPIRED') {
    // Which one OpenSSL meant shows in its date: of all that were sent, it is the one that ended
    // first.
    const ended = certificates.reduce((first, each) => (each.validToDate < first.validToDate ? each : first));
    return `${whose(ended)} expired on ${ended.validToDate.toISOString()}`;
  }
  if (code === 'CERT_NOT_YET_VALID') {
    const late = certificates.reduce((newest, each) =>
      each.validFromDate > newest.validFromDate ? each : newest,
    );
    return `${whose(late)} begins at ${late.validFromDate.toISOString()}: do the clocks agree?`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH')
    return `it is for ${namesOf(leaf)}, and the URL names ${url.hostname}`;
  return UNKNOWN_ISSUER.test(code) ? unknownIssuer(leaf, last, caPem) : 'it is not acceptable';
}

const UNKNOWN_ISSUER = /SELF_SIGNED|ISSUER|VERIFY_LEAF|CERT_UNTRUSTED|CHAIN_TOO_LONG/;

/**
 * Distinguishes what OpenSSL reports as one error: a CA that is unknown, one that has another key,
 * an intermediate that was not sent.
 */
function unknownIssuer(leaf: X509Certificate, last: X509Certificate, caPem: string | undefined): string {
  const trust = caPem === undefined ? 'a public CA' : 'one of the CAs that were given for this peer';
  const remedy = 'give the right CA with --ca-file';
  if (leaf.subject === leaf.issuer) return `it signed itself, and is not ${trust}; ${remedy}`;
  const issuer = nameOf(last.issuer);
  const namesake = trustedCas(caPem).find(({ subject }) => subject === last.issuer);
  if (namesake)
    return `its CA ${issuer} is known by name, but the certificate was signed with another key; ${remedy}`;
  if (last.subject === last.issuer) return `its CA ${issuer} is unknown: not ${trust}; ${remedy}`;
  return `its issuer ${issuer} was not sent, and is not ${trust}: the endpoint has to send the intermediate certificate ${issuer} as well, or this CA is unknown here, then ${remedy}`;
}

function trustedCas(caPem: string | undefined): readonly X509Certificate[] {
  const pems = caPem?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? rootCertificates;
  return pems.flatMap((pem) => {
    try {
      return [new X509Certificate(pem)];
    } catch {
      return [];
    }
  });
}

function namesOf({ subjectAltName = '', subject }: X509Certificate): string {
  const names = subjectAltName
    .split(', ')
    .map((name) => name.replace(/^(DNS|IP Address):/, ''))
    .join(', ');
  return names === '' ? `no host name (${nameOf(subject)})` : shortened(names);
}

/** A distinguished name of Node on one line, in quotes. */
function nameOf(name: string): string {
  return JSON.stringify(shortened(name.replaceAll('\n', ', ')));
}

function shortened(text: string): string {
  return text.length > MAX_NAMES ? `${text.slice(0, MAX_NAMES)}…` : text;
}
