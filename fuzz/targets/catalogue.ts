import {
  catalogueContent,
  CatalogueError,
  isHostName,
  readCatalogueContent,
} from '../../src/services/index.ts';
import { JsonError, parseStrictJson, parseTrustDomain, trustDomainOf } from '../../src/spiffe/index.ts';
import { must } from '../must.ts';

const owner = parseTrustDomain('owner.example');
const reading = { owner, audience: parseTrustDomain('importer.example'), refuseHost: () => undefined };

/** A content is refused with a `CatalogueError`, or read as one with identities of its owner and legal SNIs, which reads back as the same text. */
export function fuzz(data: Uint8Array): void {
  let content: ReturnType<typeof readCatalogueContent>;
  try {
    const claims = parseStrictJson(data, { maxBytes: 1024 * 1024, maxDepth: 16 });
    if (!(claims instanceof Map)) return;
    content = readCatalogueContent(claims, reading);
  } catch (error) {
    if (error instanceof CatalogueError || error instanceof JsonError) return;
    throw error;
  }
  for (const { spiffeIds, ports } of content.services) {
    must(spiffeIds.length > 0, 'a service has an identity');
    must(
      spiffeIds.every((id) => trustDomainOf(id) === owner),
      'every identity is of the owner',
    );
    must(
      ports.every(({ sni }) => isHostName(sni)),
      'every SNI is a legal host name',
    );
  }
  const text = catalogueContent(content);
  const claims = parseStrictJson(Buffer.from(text), { maxBytes: 8 * 1024 * 1024, maxDepth: 16 });
  must(claims instanceof Map, 'our own text is an object');
  must(catalogueContent(readCatalogueContent(claims, reading)) === text, 'and reads back as the same text');
}
