import { callerText, type ServiceId, writeRule } from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { CONFIG_ACTOR, type NewEvent, type Store } from '../../store/index.ts';
import type { ExportBook } from './export-book.ts';
import { type DeclaredExports, MESH_ACTOR } from './settings.ts';

/** An export that the config file or the mesh declares. */
interface DeclaredExport {
  readonly service: ServiceId;
  readonly consumer: TrustDomain;
  readonly actor: typeof CONFIG_ACTOR | typeof MESH_ACTOR;
}

export interface DeclaredEntriesParts {
  readonly store: Store;
  readonly book: ExportBook;
  readonly hasRelationship: (trustDomain: TrustDomain) => boolean;
  /** Begins the end of an export. */
  readonly drain: (service: string, consumer: TrustDomain, actor: string) => Promise<void>;
  readonly now: () => Date;
}

/**
 * Makes the stored exports and rules those that the config file and the mesh declare; what verbs
 * declared stays. Without a readable config the entries of the last one stay, and without a report of
 * the mesh those of its last report. Rejects with `StoreError`.
 */
export async function applyDeclared(
  declared: DeclaredExports | undefined,
  parts: DeclaredEntriesParts,
): Promise<void> {
  const wanted = declaredExports(declared, parts.book);
  for (const each of wanted) await addExport(each, parts);
  for (const { service, consumer, state, actor } of parts.book.exports) {
    const isKnown =
      actor === CONFIG_ACTOR ? declared !== undefined : actor === MESH_ACTOR && parts.book.services.wasRead;
    const isWanted = wanted.some((each) => each.service === service && each.consumer === consumer);
    if (isKnown && !isWanted && state === 'serving') await parts.drain(service, consumer, actor);
  }
  if (declared) await applyRules(declared, parts);
}

function declaredExports(declared: DeclaredExports | undefined, book: ExportBook): readonly DeclaredExport[] {
  const inConfig = (declared?.exports ?? []).flatMap(({ service, to }) =>
    to.map((consumer): DeclaredExport => ({ service, consumer, actor: CONFIG_ACTOR })),
  );
  const inMesh = book.services
    .list()
    .flatMap(({ id: service, exportedTo = [] }) =>
      exportedTo.map((consumer): DeclaredExport => ({ service, consumer, actor: MESH_ACTOR })),
    );
  const known = new Set(inConfig.map(({ service, consumer }) => `${service} ${consumer}`));
  return [...inConfig, ...inMesh.filter(({ service, consumer }) => !known.has(`${service} ${consumer}`))];
}

/** Waits for a peer and for a service that can be exported; a warning tells that it waits. */
async function addExport(
  { service, consumer, actor }: DeclaredExport,
  { store, book, hasRelationship, now }: DeclaredEntriesParts,
): Promise<void> {
  const row = book.exportOf(service, consumer);
  if (row?.state === 'serving' && (row.actor === actor || actor === MESH_ACTOR)) return;
  const found = book.services.find(service);
  if (!hasRelationship(consumer) || !found || book.obstacleOf(found)) return;
  const at = now();
  const by = actor === CONFIG_ACTOR ? 'the config file' : 'the mesh';
  await store.putServiceExport(
    { service, consumer, since: at, state: 'serving', actor },
    {
      at,
      kind: 'service-exported',
      trustDomain: consumer,
      actor,
      message: `${service} is exported to ${consumer}, because ${by} declares it`,
      detail: { service },
    },
  );
}

async function applyRules(
  declared: DeclaredExports,
  { store, book, now }: DeclaredEntriesParts,
): Promise<void> {
  const wanted = new Set<string>();
  for (const { service, rules } of declared.access)
    for (const rule of rules) {
      const ruleId = freeRuleId(rule.id, book.rulesOf(service));
      wanted.add(`${service} ${ruleId}`);
      const document = JSON.stringify(writeRule(rule));
      const at = now();
      const kept = book.rulesOf(service).find((each) => each.rule.id === ruleId);
      if (kept?.actor === CONFIG_ACTOR && JSON.stringify(writeRule(kept.rule)) === document) continue;
      await store.putAccessRule(
        { service, ruleId, document, since: at, actor: CONFIG_ACTOR },
        ruleEvent(rule.effect === 'allow' ? 'access-allowed' : 'access-denied', {
          at,
          service,
          ruleId,
          actor: CONFIG_ACTOR,
          message: `the config file ${rule.effect === 'allow' ? 'lets' : 'keeps'} ${rule.callers.map(callerText).join(', ')} ${rule.effect === 'allow' ? 'call' : 'from calling'} ${service}`,
        }),
      );
    }
  for (const service of book.ruled())
    for (const { rule, actor } of book.rulesOf(service)) {
      if (actor !== CONFIG_ACTOR || wanted.has(`${service} ${rule.id}`)) continue;
      const message = `the config file has no rule ${rule.id} about ${service} any more`;
      await store.removeAccessRule(
        service,
        rule.id,
        ruleEvent('access-revoked', { at: now(), service, ruleId: rule.id, actor, message }),
      );
    }
}

/** The audit line about a rule. */
export function ruleEvent(
  kind: 'access-allowed' | 'access-denied' | 'access-revoked',
  about: {
    readonly at: Date;
    readonly service: string;
    readonly ruleId: string;
    readonly actor: string;
    readonly message: string;
  },
): NewEvent {
  const { at, service, ruleId, actor, message } = about;
  return { at, kind, actor, message, detail: { service, rule: ruleId } };
}

/**
 * The ID under which a rule of the config file is kept. A rule of an operator keeps its own: it may
 * be the one that denies.
 */
function freeRuleId(
  id: string,
  kept: readonly { readonly rule: { readonly id: string }; readonly actor: string }[],
) {
  const isTaken = kept.some(({ rule, actor }) => rule.id === id && actor !== CONFIG_ACTOR);
  return isTaken ? `${id.slice(0, 56).replace(/-+$/, '')}-config` : id;
}
