import { decodeBase64 } from './base64.ts';
import { CodedError } from '../../errors/index.ts';

export type PemErrorCode =
  | 'pem-malformed'
  | 'pem-private-key'
  | 'pem-unexpected-label'
  | 'pem-too-large'
  | 'pem-empty';

/** A PEM text is refused. */
export class PemError extends CodedError<PemErrorCode> {}

const MAX_PEM_CHARACTERS = 4 * 1024 * 1024;
const MAX_CERTIFICATES = 1000;
/** The line ends that RFC 7468 names. */
const LINE_END = /\r\n|\n|\r/;
const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----$/;

/**
 * The certificates of a PEM text (RFC 7468), in order, as unchecked DER. Text around the blocks is
 * skipped. Throws `PemError`: `pem-private-key` for a key, which does not belong in a file of
 * certificates, `pem-unexpected-label`, `pem-malformed`, `pem-too-large`, `pem-empty`.
 */
export function certificatesFromPem(pem: string): Uint8Array[] {
  if (pem.length > MAX_PEM_CHARACTERS) {
    throw new PemError(
      'pem-too-large',
      `a PEM text has at most ${MAX_PEM_CHARACTERS} characters, this one has ${pem.length}`,
    );
  }
  refuseOtherForms(pem);
  const certificates: Uint8Array[] = [];
  let body: string[] | undefined;
  for (const [index, rawLine] of pem.split(LINE_END).entries()) {
    const line = rawLine.trim();
    const [, edge, label = ''] = BOUNDARY.exec(line) ?? [];
    if (edge === undefined) {
      if (GLUED.test(line))
        throw new PemError(
          'pem-malformed',
          `in line ${index + 1} two blocks are glued together: a line end is missing between END and BEGIN`,
        );
      body?.push(line);
      continue;
    }
    if (label.endsWith('PRIVATE KEY')) {
      throw new PemError(
        'pem-private-key',
        `line ${index + 1} holds a private key where only certificates belong`,
      );
    }
    if (label !== 'CERTIFICATE') {
      throw new PemError(
        'pem-unexpected-label',
        `line ${index + 1} holds a block of kind ${label} where only certificates belong`,
      );
    }
    if ((edge === 'BEGIN') === (body !== undefined)) {
      throw new PemError(
        'pem-malformed',
        `line ${index + 1} ${edge === 'BEGIN' ? 'begins a block inside another' : 'ends a block that never began'}`,
      );
    }
    if (edge === 'BEGIN') {
      body = [];
      continue;
    }
    const der = decodeBase64((body ?? []).join(''));
    if (!der || der.length === 0)
      throw new PemError('pem-malformed', `the block that ends in line ${index + 1} is not base64`);
    if (certificates.length === MAX_CERTIFICATES) {
      throw new PemError('pem-too-large', `a PEM text has at most ${MAX_CERTIFICATES} certificates`);
    }
    certificates.push(der);
    body = undefined;
  }
  if (body) throw new PemError('pem-malformed', 'the last block has no end');
  if (certificates.length === 0) throw new PemError('pem-empty', 'the PEM text holds no certificate');
  return certificates;
}

const GLUED = /-----END [A-Z0-9 ]+-----.*-----BEGIN [A-Z0-9 ]+-----/;

/**
 * Recognises common wrong formats. Because the text was read as UTF-8, invalid bytes appear as
 * replacement characters.
 */
function refuseOtherForms(text: string): void {
  if (text.includes('\0') && text.replaceAll('\0', '').includes('-----BEGIN'))
    throw new PemError('pem-malformed', 'the text is UTF-16: save it as ASCII or UTF-8');
  // A DER certificate is a sequence with a length of two bytes: 30 82 …
  if (text.startsWith('0\uFFFD') && !text.includes('-----BEGIN'))
    throw new PemError(
      'pem-malformed',
      'this is DER, not PEM: convert it with "openssl x509 -inform der -in FILE"',
    );
}

/** These certificates as one PEM text, 64 characters a line, with a line end after each block. */
export function pemFromCertificates(ders: Iterable<Uint8Array>): string {
  let pem = '';
  for (const der of ders) {
    const lines =
      Buffer.from(der)
        .toString('base64')
        .match(/.{1,64}/g) ?? [];
    pem += `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  }
  return pem;
}
