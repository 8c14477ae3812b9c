import {
  AdminError,
  type bundleRoutes,
  describeBundle,
  describeChanged,
  describeEvent,
  describeIncident,
  describeVersion,
  type DiffDocument,
  type HandlersOf,
} from '../../admin/index.ts';
import type { Federation } from '../../federation/index.ts';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import { describeLeftOut, describeOutcome } from './describe-outcome.ts';
import { NO_REASON } from './no-reason.ts';

/** Answers from present and past bundles, and replaces one with a bundle of the operator. */
export function bundleHandlers({
  store,
  federation,
}: {
  readonly store: Store;
  readonly federation: {
    readonly relationships: Pick<Federation['relationships'], 'setBundle'>;
    readonly leftOut: Pick<Federation['leftOut'], 'of'>;
  };
}): HandlersOf<keyof typeof bundleRoutes> {
  return {
    'GET /v1/bundles': async () => (await store.currentAll()).map(describeBundle),
    'GET /v1/bundles/{trust_domain}': async ({ params, query: { at } }) => {
      const name = parseTrustDomain(params.trust_domain);
      const version = at === undefined ? await store.current(name) : await store.bundleAt(name, new Date(at));
      if (!version)
        throw new AdminError(
          'no-bundle',
          `there ${at === undefined ? 'is' : 'was'} no bundle of ${name}${at === undefined ? '' : ` at ${at}`}`,
        );
      return {
        ...describeBundle(version),
        left_out: at === undefined ? describeLeftOut(federation.leftOut.of(name)) : [],
      };
    },
    'PUT /v1/bundles/{trust_domain}': async ({ params, body, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      const { document, name, reason = NO_REASON } = body;
      const { versionNumber, poll } = await federation.relationships.setBundle(trustDomain, {
        document: Buffer.from(document, 'utf8'),
        name,
        actor,
        reason,
      });
      return {
        trust_domain: trustDomain,
        version: versionNumber,
        poll: describeOutcome(trustDomain, poll, federation.leftOut.of(trustDomain)),
      };
    },
    'GET /v1/bundles/{trust_domain}/history': async ({ params, query: { limit } }) => {
      const name = parseTrustDomain(params.trust_domain);
      return {
        trust_domain: name,
        versions: (await store.versionLines(name, { limit })).map(describeVersion),
        incidents: (await store.incidents({ trustDomain: name, offers: false, limit })).map(describeIncident),
        events: (await store.events({ trustDomain: name, limit })).map(describeEvent),
      };
    },
    'GET /v1/bundles/{trust_domain}/diff': ({ params, query: { from, to } }) =>
      diffOf(store, parseTrustDomain(params.trust_domain), from, to),
  };
}

async function diffOf(
  store: Pick<Store, 'versionLines'>,
  name: TrustDomain,
  from: number | undefined,
  to: number | undefined,
): Promise<DiffDocument> {
  const [newest] = await store.versionLines(name, { limit: 1 });
  if (!newest) throw new AdminError('no-bundle', `there is no history of ${name}`);
  const lineAt = async (number: number) => {
    const [line] = await store.versionLines(name, { limit: 1, before: number + 1 });
    return line?.number === number ? line : undefined;
  };
  const find = async (number: number) => {
    const line = await lineAt(number);
    if (!line)
      throw new AdminError(
        'no-such-version',
        `there is no version ${number} of ${name}, the newest is ${newest.number}`,
      );
    return line;
  };
  const after = to === undefined ? newest : await find(to);
  const keysOf = (version: typeof newest) => [...version.diff.kept, ...version.diff.added];
  const before = from === undefined ? await lineAt(after.number - 1) : await find(from);
  const had = new Map((before ? keysOf(before) : []).map((key) => [key.fingerprint, key]));
  const has = new Map(keysOf(after).map((key) => [key.fingerprint, key]));
  return {
    trust_domain: name,
    from: before?.number ?? null,
    to: after.number,
    added: [...has.values()].filter((key) => !had.has(key.fingerprint)).map(describeChanged),
    removed: [...had.values()].filter((key) => !has.has(key.fingerprint)).map(describeChanged),
    kept: [...has.values()].filter((key) => had.has(key.fingerprint)).map(describeChanged),
  };
}
