import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import {
  cleanIncident,
  INCIDENT_WINDOW_MS,
  incidentBegan,
  incidentEnded,
  mayEnd,
  type NewIncident,
  offerSeen,
  type StoredIncident,
} from '../model/incident.ts';

/** The incidents of a store, in memory. */
export function createMemoryIncidents(tell: {
  readonly addEvent: (event: NewEvent) => void;
  /** Chains one that is over. */
  readonly addIncident: (over: StoredIncident) => void;
}) {
  const incidents: StoredIncident[] = [];
  return {
    record(reported: NewIncident): 'began' | 'ongoing' {
      const incident = cleanIncident(reported);
      const { at, trustDomain, kind, code } = incident;
      const index = incidents.findIndex(
        (open) =>
          !open.endedAt && open.trustDomain === trustDomain && open.kind === kind && open.code === code,
      );
      const open = incidents[index];
      if (open) {
        const offer = offerSeen(open.offer, incident.offered, at);
        const { sequence, ...before } = open;
        incidents[index] = {
          ...before,
          // The number belongs to the newest offer, also where that has none.
          ...(incident.offered || sequence === undefined ? {} : { sequence }),
          ...incident,
          at: open.at,
          lastAt: at,
          count: open.count + 1,
          ...(offer ? { offer } : {}),
        };
        return 'ongoing';
      }
      const offer = offerSeen(undefined, incident.offered, at);
      incidents.push({
        ...incident,
        id: incidents.length + 1,
        lastAt: at,
        count: 1,
        ...(offer ? { offer } : {}),
      });
      tell.addEvent(incidentBegan(incident));
      return 'began';
    },
    /**
     * Ends what is open, of these kinds or all; what comes and goes stays open for a while, unless
     * `forGood`.
     */
    end(
      trustDomain: TrustDomain,
      at: Date,
      actor: string,
      {
        kinds,
        forGood = false,
      }: { readonly kinds?: readonly string[] | undefined; readonly forGood?: boolean },
    ): number {
      let ended = 0;
      const begun = (kind: string) =>
        incidents.filter(
          (each) =>
            each.trustDomain === trustDomain &&
            each.kind === kind &&
            at.getTime() - each.at.getTime() < INCIDENT_WINDOW_MS,
        ).length;
      for (const [index, incident] of incidents.entries()) {
        if (incident.trustDomain !== trustDomain || incident.endedAt) continue;
        if (kinds && !kinds.includes(incident.kind)) continue;
        if (!forGood && !mayEnd(begun(incident.kind))) continue;
        const over = { ...incident, endedAt: at };
        incidents[index] = over;
        tell.addIncident(over);
        tell.addEvent(incidentEnded(incident, at, actor));
        ended += 1;
      }
      return ended;
    },
    list({
      trustDomain,
      open,
      offers,
      limit,
    }: {
      readonly trustDomain: TrustDomain | undefined;
      readonly open: boolean | undefined;
      readonly offers: boolean;
      readonly limit: number;
    }): StoredIncident[] {
      const bare = (each: StoredIncident): StoredIncident => {
        const { offered: _, ...rest } = each;
        return rest;
      };
      return incidents
        .filter((each) => trustDomain === undefined || each.trustDomain === trustDomain)
        .filter((each) => open === undefined || open === (each.endedAt === undefined))
        .toReversed()
        .slice(0, limit)
        .map((each) => (offers ? each : bare(each)));
    },
  };
}
