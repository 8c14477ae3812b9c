import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import { printable } from '../../platform/index.ts';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { importNameTaken } from '../model/errors.ts';
import { cleanReason } from '../model/relationship.ts';
import type { NewEvent } from '../model/event.ts';
import {
  exportEnded,
  importEnded,
  type ImportState,
  type StoredAccessRule,
  type StoredExport,
  type StoredImport,
  type StoredOwnService,
} from '../model/service-rows.ts';
import { dateFrom } from './stored-instant.ts';

interface OwnServiceRow {
  readonly id: string;
  readonly document: string;
  readonly declared_at: string;
  readonly actor: string;
}

interface ExportRow {
  readonly service: string;
  readonly consumer: string;
  readonly since: string;
  readonly state: 'serving' | 'draining';
  readonly drain_until: string | null;
  readonly actor: string;
}

interface RuleRow {
  readonly service: string;
  readonly rule_id: string;
  readonly document: string;
  readonly since: string;
  readonly actor: string;
}

interface ImportRow {
  readonly trust_domain: string;
  readonly service: string;
  readonly name: string;
  readonly namespaces: string;
  readonly since: string;
  readonly state: ImportState;
  readonly state_code: string | null;
  readonly state_message: string | null;
  readonly drain_until: string | null;
  readonly offer: string | null;
  readonly actor: string;
}

/**
 * Exports, imports, access rules and declared services, in SQL. Call writing methods inside a
 * transaction. They return whether a row changed. `needRelationship` throws where there is none with
 * that peer.
 */
export function createServiceTables(
  database: Database,
  addEvent: (event: NewEvent) => void,
  needRelationship: (trustDomain: TrustDomain) => void,
) {
  const selectOwn = database.prepare<[], OwnServiceRow>('SELECT * FROM own_service ORDER BY id');
  // A row that differs in nothing but the instant stays, so `changes` counts real changes.
  const upsertOwn = database.prepare<[OwnServiceRow]>(
    `INSERT INTO own_service (id, document, declared_at, actor) VALUES ($id, $document, $declared_at, $actor)
     ON CONFLICT DO UPDATE SET document = excluded.document, declared_at = excluded.declared_at, actor = excluded.actor
     WHERE (document, actor) IS NOT (excluded.document, excluded.actor)`,
  );
  const deleteOwn = database.prepare<[string]>('DELETE FROM own_service WHERE id = ?');
  const selectExports = database.prepare<[], ExportRow>(
    'SELECT * FROM service_export ORDER BY service, consumer',
  );
  const upsertExport = database.prepare<[ExportRow]>(
    `INSERT INTO service_export (service, consumer, since, state, drain_until, actor)
     VALUES ($service, $consumer, $since, $state, $drain_until, $actor)
     ON CONFLICT DO UPDATE SET since = excluded.since, state = excluded.state, drain_until = excluded.drain_until,
       actor = excluded.actor
     WHERE (state, drain_until, actor) IS NOT (excluded.state, excluded.drain_until, excluded.actor)`,
  );
  const deleteExport = database.prepare<[string, string]>(
    'DELETE FROM service_export WHERE service = ? AND consumer = ?',
  );
  const selectRules = database.prepare<[], RuleRow>('SELECT * FROM access_rule ORDER BY service, rule_id');
  const upsertRule = database.prepare<[RuleRow]>(
    `INSERT INTO access_rule (service, rule_id, document, since, actor)
     VALUES ($service, $rule_id, $document, $since, $actor)
     ON CONFLICT DO UPDATE SET document = excluded.document, since = excluded.since, actor = excluded.actor
     WHERE (document, actor) IS NOT (excluded.document, excluded.actor)`,
  );
  const deleteRule = database.prepare<[string, string]>(
    'DELETE FROM access_rule WHERE service = ? AND rule_id = ?',
  );
  const selectImports = database.prepare<[], ImportRow>('SELECT * FROM service_import ORDER BY name');
  const selectByName = database.prepare<[string], ImportRow>('SELECT * FROM service_import WHERE name = ?');
  const upsertImport = database.prepare<[ImportRow]>(
    `INSERT INTO service_import (trust_domain, service, name, namespaces, since, state, state_code, state_message,
       drain_until, offer, actor)
     VALUES ($trust_domain, $service, $name, $namespaces, $since, $state, $state_code, $state_message, $drain_until,
       $offer, $actor)
     ON CONFLICT (trust_domain, service) DO UPDATE SET name = excluded.name, namespaces = excluded.namespaces,
       since = excluded.since, state = excluded.state, state_code = excluded.state_code,
       state_message = excluded.state_message, drain_until = excluded.drain_until, offer = excluded.offer,
       actor = excluded.actor
     WHERE (name, namespaces, state, state_code, state_message, drain_until, offer, actor) IS NOT (excluded.name,
       excluded.namespaces, excluded.state, excluded.state_code, excluded.state_message, excluded.drain_until,
       excluded.offer, excluded.actor)`,
  );
  const deleteImport = database.prepare<[string, string]>(
    'DELETE FROM service_import WHERE trust_domain = ? AND service = ?',
  );
  const serviceExports = (): StoredExport[] => selectExports.all().map(exportOf);
  const serviceImports = (): StoredImport[] => selectImports.all().map(importOf);
  const noting = ({ changes }: { readonly changes: number }, event: NewEvent | undefined): boolean => {
    if (changes === 1 && event) addEvent(event);
    return changes === 1;
  };

  return {
    reads: {
      ownServices: (): StoredOwnService[] => selectOwn.all().map(ownServiceOf),
      serviceExports,
      accessRules: (): StoredAccessRule[] => selectRules.all().map(ruleOf),
      serviceImports,
    },
    writes: {
      putOwnService: (service: StoredOwnService, event: NewEvent) =>
        noting(upsertOwn.run(rowOfOwnService(service)), event),
      removeOwnService: (id: string, event: NewEvent) => noting(deleteOwn.run(id), event),
      putServiceExport(serviceExport: StoredExport, event?: NewEvent): boolean {
        needRelationship(serviceExport.consumer);
        return noting(upsertExport.run(rowOfExport(serviceExport)), event);
      },
      removeServiceExport: (service: string, consumer: TrustDomain, event: NewEvent) =>
        noting(deleteExport.run(service, consumer), event),
      putAccessRule: (rule: StoredAccessRule, event: NewEvent) =>
        noting(upsertRule.run(rowOfRule(rule)), event),
      removeAccessRule: (service: string, ruleId: string, event: NewEvent) =>
        noting(deleteRule.run(service, ruleId), event),
      putServiceImport(serviceImport: StoredImport, event?: NewEvent): boolean {
        const { trustDomain, service, name } = serviceImport;
        needRelationship(trustDomain);
        const other = selectByName.get(name);
        if (other && (other.trust_domain !== trustDomain || other.service !== service))
          throw importNameTaken(name);
        return noting(upsertImport.run(rowOfImport(serviceImport)), event);
      },
      removeServiceImport: (trustDomain: TrustDomain, service: string, event: NewEvent) =>
        noting(deleteImport.run(trustDomain, service), event),
    },
    /**
     * Reads what ends with the relationship with this peer. Call it before the relationship is
     * removed, and its result after that: a trigger removes the rows, the result adds the events.
     */
    endWith(trustDomain: TrustDomain, at: Date, actor: string): () => void {
      const exports = serviceExports().filter(({ consumer }) => consumer === trustDomain);
      const imports = serviceImports().filter((each) => each.trustDomain === trustDomain);
      return () => {
        for (const each of exports) addEvent(exportEnded(each, at, actor));
        for (const each of imports) addEvent(importEnded(each, at, actor));
      };
    },
  };
}

function rowOfOwnService({ id, document, declaredAt, actor }: StoredOwnService): OwnServiceRow {
  return { id, document, declared_at: declaredAt.toISOString(), actor: printable(actor, 100) };
}

function ownServiceOf({ declared_at: declaredAt, ...row }: OwnServiceRow): StoredOwnService {
  return { ...row, declaredAt: new Date(declaredAt) };
}

function exportOf({ consumer, since, drain_until: drainUntil, ...row }: ExportRow): StoredExport {
  return {
    ...row,
    consumer: parseTrustDomain(consumer),
    since: new Date(since),
    ...defined({ drainUntil: given(drainUntil, dateFrom) }),
  };
}

function rowOfExport({ service, consumer, since, state, drainUntil, actor }: StoredExport): ExportRow {
  return {
    service,
    consumer,
    since: since.toISOString(),
    state,
    drain_until: drainUntil?.toISOString() ?? null,
    actor: printable(actor, 100),
  };
}

function rowOfRule({ service, ruleId, document, since, actor }: StoredAccessRule): RuleRow {
  return { service, rule_id: ruleId, document, since: since.toISOString(), actor: printable(actor, 100) };
}

function ruleOf({ rule_id: ruleId, since, ...row }: RuleRow): StoredAccessRule {
  return { ...row, ruleId, since: new Date(since) };
}

function rowOfImport(serviceImport: StoredImport): ImportRow {
  const { trustDomain, service, name, namespaces, since, state, drainUntil, offer, actor } = serviceImport;
  const reason = given(serviceImport.reason, cleanReason);
  return {
    trust_domain: trustDomain,
    service,
    name,
    namespaces: JSON.stringify(namespaces),
    since: since.toISOString(),
    state,
    state_code: reason?.code ?? null,
    state_message: reason?.message ?? null,
    drain_until: drainUntil?.toISOString() ?? null,
    offer: offer ?? null,
    actor: printable(actor, 100),
  };
}

function importOf(row: ImportRow): StoredImport {
  const { state_code: code, state_message: message } = row;
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    service: row.service,
    name: row.name,
    namespaces: JSON.parse(row.namespaces),
    since: new Date(row.since),
    state: row.state,
    ...(code === null || message === null ? {} : { reason: { code, message } }),
    ...defined({ drainUntil: given(row.drain_until, dateFrom), offer: row.offer ?? undefined }),
    actor: row.actor,
  };
}
