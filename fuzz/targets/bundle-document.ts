import {
  BundleError,
  bundlesEqual,
  parseBundle,
  parseTrustDomain,
  serializeBundle,
} from '../../src/spiffe/index.ts';
import { must } from '../must.ts';

const trustDomain = parseTrustDomain('td.example');

/** A document is refused with a `BundleError`, or read as a bundle whose own document reads back as the same bundle and the same bytes. */
export function fuzz(data: Uint8Array): void {
  let bundle: ReturnType<typeof parseBundle>['bundle'];
  try {
    ({ bundle } = parseBundle(trustDomain, data));
  } catch (error) {
    if (error instanceof BundleError) return;
    throw error;
  }
  const document = serializeBundle(bundle);
  const again = parseBundle(trustDomain, document);
  must(bundlesEqual(bundle, again.bundle), 'our own document reads back as the same keys');
  must(bundle.sequence === again.bundle.sequence, 'and as the same sequence');
  must(bundle.refreshHintSeconds === again.bundle.refreshHintSeconds, 'and as the same hint');
  must(Buffer.from(document).equals(serializeBundle(again.bundle)), 'and as the same bytes');
}
