import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import { parseTrustDomain, serializeBundle, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import {
  cleanEvent,
  type EventFilter,
  type EventKind,
  type NewEvent,
  type StoredEvent,
} from '../model/event.ts';
import {
  cleanIncident,
  type IncidentFilter,
  type IncidentKind,
  incidentBegan,
  incidentEnded,
  INCIDENT_WINDOW_MS,
  mayEnd,
  offerSeen,
  type NewIncident,
  type StoredIncident,
} from '../model/incident.ts';
import { checkPage } from '../model/arguments.ts';
import { eventRow, incidentRow } from '../model/history-rows.ts';
import type { RecordedEvent } from '../model/observer.ts';
import type { AddLink } from './sqlite-chain.ts';
import { readStoredDocument } from './stored-document.ts';
import { dateFrom } from './stored-instant.ts';

interface EventParameters {
  readonly name: string | null;
  readonly since: string | null;
  readonly until: string | null;
  /** A JSON list. */
  readonly kinds: string | null;
  readonly after: number | null;
  readonly limit: number;
}

interface EventRow {
  readonly id: number;
  readonly at: string;
  readonly kind: EventKind;
  readonly trust_domain: string | null;
  readonly actor: string;
  readonly code: string | null;
  readonly message: string;
  readonly version_number: number | null;
  readonly detail: string | null;
}

interface IncidentRow {
  readonly id: number;
  readonly began_at: string;
  readonly last_at: string;
  readonly ended_at: string | null;
  readonly times: number;
  readonly kind: IncidentKind;
  readonly trust_domain: string;
  readonly code: string;
  readonly message: string;
  readonly origin: string;
  readonly actor: string;
  readonly sequence: string | null;
  readonly offered_document: string | null;
  readonly offered_digest: string | null;
  readonly offered_since: string | null;
  readonly offered_times: number | null;
}

type OfferedColumn = 'offered_document' | 'offered_digest' | 'offered_since' | 'offered_times';

const EVENT_COLUMNS = 'id, at, kind, trust_domain, actor, code, message, version_number, detail';
const INCIDENT_COLUMNS =
  'id, began_at, last_at, ended_at, times, kind, trust_domain, code, message, origin, actor, sequence, offered_document, offered_digest, offered_since, offered_times';

/**
 * The audit log and the incidents, in SQL. `addEvent` and `endIncidents` are for other transactions.
 * `noteEvent` receives each event of the transaction.
 */
export function createAuditTables(
  database: Database,
  addLink: AddLink,
  noteEvent: (event: RecordedEvent) => void,
) {
  const insertEvent = database.prepare<[ReturnType<typeof eventRow>]>(
    `INSERT INTO event (at, kind, trust_domain, actor, code, message, version_number, detail)
     VALUES ($at, $kind, $trust_domain, $actor, $code, $message, $version_number, $detail)`,
  );
  const selectEvents = database.prepare<[number], EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM event ORDER BY id DESC LIMIT ?`,
  );
  const selectEventsOf = database.prepare<[string, number], EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM event WHERE trust_domain = ? ORDER BY id DESC LIMIT ?`,
  );
  const selectFiltered = (order: 'ASC' | 'DESC') =>
    database.prepare<EventParameters, EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM event
       WHERE ($name IS NULL OR trust_domain = $name) AND ($since IS NULL OR at >= $since)
         AND ($until IS NULL OR at < $until) AND ($after IS NULL OR id > $after)
         AND ($kinds IS NULL OR kind IN (SELECT value FROM json_each($kinds)))
       ORDER BY id ${order} LIMIT $limit`,
    );
  const [selectNewest, selectNext] = [selectFiltered('DESC'), selectFiltered('ASC')];
  const selectOpen = database.prepare<[string], IncidentRow>(
    `SELECT ${INCIDENT_COLUMNS} FROM incident WHERE trust_domain = ? AND ended_at IS NULL ORDER BY id`,
  );
  const selectIncidents = database.prepare<
    { name: string | null; open: number | null; offers: number; limit: number },
    IncidentRow
  >(
    `SELECT ${INCIDENT_COLUMNS.replace('offered_document', 'iif($offers, offered_document, NULL) AS offered_document')}
     FROM incident
     WHERE ($name IS NULL OR trust_domain = $name) AND ($open IS NULL OR (ended_at IS NULL) = $open)
     ORDER BY id DESC LIMIT $limit`,
  );
  const insertIncident = database.prepare<[Omit<IncidentRow, 'id' | 'ended_at' | 'last_at' | 'times'>]>(
    `INSERT INTO incident (began_at, last_at, times, kind, trust_domain, code, message, origin, actor, sequence,
       offered_document, offered_digest, offered_since, offered_times)
     VALUES ($began_at, $began_at, 1, $kind, $trust_domain, $code, $message, $origin, $actor, $sequence,
       $offered_document, $offered_digest, $offered_since, $offered_times)`,
  );
  const repeatIncident = database.prepare<
    [
      Pick<IncidentRow, 'id' | 'last_at' | 'message' | 'origin' | 'actor' | 'sequence' | OfferedColumn> & {
        readonly has_offer: number;
      },
    ]
  >(
    `UPDATE incident SET times = times + 1, last_at = $last_at, message = $message, origin = $origin, actor = $actor,
       sequence = iif($has_offer, $sequence, coalesce($sequence, sequence)), offered_document = coalesce($offered_document, offered_document),
       offered_digest = $offered_digest, offered_since = $offered_since, offered_times = $offered_times
     WHERE id = $id`,
  );
  const countBegun = database
    .prepare<[string, IncidentKind, string], number>(
      'SELECT count(*) FROM incident WHERE trust_domain = ? AND kind = ? AND began_at > ?',
    )
    .pluck();
  const endIncident = database.prepare<[string, number]>('UPDATE incident SET ended_at = ? WHERE id = ?');

  const addEvent = (newEvent: NewEvent, versionNumber?: number): void => {
    const event = { ...cleanEvent(newEvent), ...defined({ versionNumber }) };
    const row = eventRow(event);
    addLink('event', insertEvent.run(row).lastInsertRowid, row);
    noteEvent(event);
  };

  return {
    addEvent,
    hasOpenIncident: (trustDomain: TrustDomain): boolean => selectOpen.get(trustDomain) !== undefined,
    /**
     * Ends the open incidents, of these kinds or all. An intermittent one stays open for a while,
     * unless `forGood`.
     */
    endIncidents(
      trustDomain: TrustDomain,
      at: Date,
      actor: string,
      {
        kinds,
        forGood = false,
      }: { readonly kinds?: readonly IncidentKind[] | undefined; readonly forGood?: boolean },
    ): number {
      const since = new Date(at.getTime() - INCIDENT_WINDOW_MS).toISOString();
      const ending = selectOpen
        .all(trustDomain)
        .filter(({ kind }) => !kinds || kinds.includes(kind))
        .filter(({ kind }) => forGood || mayEnd(countBegun.get(trustDomain, kind, since) ?? 0));
      for (const row of ending) {
        endIncident.run(at.toISOString(), row.id);
        const incident = incidentOf(row);
        addLink('incident', row.id, incidentRow({ ...incident, endedAt: at }));
        addEvent(incidentEnded(incident, at, actor));
      }
      return ending.length;
    },
    reads: {
      events: ({ limit: most, trustDomain, ...filter }: EventFilter = {}): StoredEvent[] => {
        const { limit } = checkPage(defined({ limit: most }));
        if (Object.keys(filter).length === 0)
          return (
            trustDomain === undefined ? selectEvents.all(limit) : selectEventsOf.all(trustDomain, limit)
          ).map(eventOf);
        const { since, until, kinds, after = null } = filter;
        const select = after === null ? selectNewest : selectNext;
        const parameters = {
          name: trustDomain ?? null,
          since: since?.toISOString() ?? null,
          until: until?.toISOString() ?? null,
          kinds: kinds === undefined ? null : JSON.stringify(kinds),
          after,
          limit,
        };
        return select.all(parameters).map(eventOf);
      },
      incidents: ({ trustDomain, open, offers = true, ...page }: IncidentFilter = {}): StoredIncident[] =>
        selectIncidents
          .all({
            name: trustDomain ?? null,
            open: open === undefined ? null : Number(open),
            offers: Number(offers),
            limit: checkPage(page).limit,
          })
          .map(incidentOf),
    },
    writes: {
      recordEvent: (event: NewEvent): void => addEvent(event),
      recordIncident(reported: NewIncident): 'began' | 'ongoing' {
        const incident = cleanIncident(reported);
        const { at, kind, trustDomain, code, message, origin, actor, offered } = incident;
        const sequence = incident.sequence?.toString() ?? null;
        const open = selectOpen.all(trustDomain).find((each) => each.kind === kind && each.code === code);
        if (open) {
          const now = offeredColumns(offerOf(open), offered, at);
          // A document that is already stored is not written again.
          const isKept = now.offered_digest === open.offered_digest && sequence === open.sequence;
          const seen = isKept ? { ...now, offered_document: null } : now;
          const last_at = at.toISOString();
          const has_offer = Number(offered !== undefined);
          repeatIncident.run({ id: open.id, last_at, message, origin, actor, sequence, has_offer, ...seen });
          return 'ongoing';
        }
        insertIncident.run({
          began_at: at.toISOString(),
          kind,
          trust_domain: trustDomain,
          code,
          message,
          origin,
          actor,
          sequence,
          ...offeredColumns(undefined, offered, at),
        });
        addEvent(incidentBegan(incident));
        return 'began';
      },
    },
  };
}

/** The offer of an incident, without its document. */
function offerOf(row: IncidentRow): StoredIncident['offer'] {
  const { offered_digest: digest, offered_since: since, offered_times: times } = row;
  return digest === null || since === null || times === null
    ? undefined
    : { digest, since: new Date(since), times };
}

/** The offer of an incident after it was seen once more. */
function offeredColumns(
  before: StoredIncident['offer'],
  offered: TrustBundle | undefined,
  at: Date,
): Pick<IncidentRow, OfferedColumn> {
  const seen = offerSeen(before, offered, at);
  return {
    offered_document: offered ? Buffer.from(serializeBundle(offered)).toString() : null,
    offered_digest: seen?.digest ?? null,
    offered_since: seen?.since.toISOString() ?? null,
    offered_times: seen?.times ?? null,
  };
}

function eventOf(row: EventRow): StoredEvent {
  return {
    id: row.id,
    at: new Date(row.at),
    kind: row.kind,
    ...defined({ trustDomain: given(row.trust_domain, parseTrustDomain) }),
    actor: row.actor,
    ...defined({ code: row.code ?? undefined }),
    message: row.message,
    ...defined({
      detail: given(row.detail, (text) => JSON.parse(text)),
      versionNumber: row.version_number ?? undefined,
    }),
  };
}

function incidentOf(row: IncidentRow): StoredIncident {
  const trustDomain = parseTrustDomain(row.trust_domain);
  const offer = offerOf(row);
  return {
    id: row.id,
    at: new Date(row.began_at),
    lastAt: new Date(row.last_at),
    count: row.times,
    ...defined({ endedAt: given(row.ended_at, dateFrom) }),
    kind: row.kind,
    trustDomain,
    code: row.code,
    message: row.message,
    origin: row.origin,
    actor: row.actor,
    ...defined({ sequence: given(row.sequence, BigInt), offer }),
    ...(row.offered_document === null
      ? {}
      : {
          offered: readStoredDocument(
            trustDomain,
            Buffer.from(row.offered_document),
            `the offer of incident ${row.id}`,
          ),
        }),
  };
}
