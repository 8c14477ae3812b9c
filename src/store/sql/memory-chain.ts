import {
  CHAIN_START,
  type ChainedRow,
  type ChainedTable,
  type ChainHead,
  type ChainLink,
  linkHash,
  rowText,
  type SignedHead,
} from '../model/chain.ts';
import { StoreError } from '../model/errors.ts';
import { incidentRow } from '../model/history-rows.ts';
import type { StoredIncident } from '../model/incident.ts';

/** Adds a row, without its `id`, to its table and to the chain. */
export type RememberRow = (table: ChainedTable, row: ChainedRow) => void;

/** The chain and its heads, in memory. */
export function createMemoryChain() {
  const links: ChainLink[] = [];
  const heads: SignedHead[] = [];
  const lastIds = new Map<ChainedTable, number>();
  const head = (): ChainHead | undefined => {
    const last = links.at(-1);
    return last && { number: last.number, hash: last.hash };
  };
  const add = (table: ChainedTable, rowId: number, row: ChainedRow): void => {
    const text = rowText(table, { ...row, id: rowId });
    const number = links.length + 1;
    links.push({ number, table, rowId, text, hash: linkHash(number, head()?.hash ?? CHAIN_START, text) });
  };
  return {
    remember: ((table, row) => {
      const rowId = (lastIds.get(table) ?? 0) + 1;
      lastIds.set(table, rowId);
      add(table, rowId, row);
    }) satisfies RememberRow,
    /** An incident that is over; it has had its ID since it began. */
    addIncident: (incident: StoredIncident): void => add('incident', incident.id, incidentRow(incident)),
    head,
    links: (after: number, limit: number): ChainLink[] => links.slice(after, after + limit),
    heads: (limit: number): SignedHead[] => heads.toReversed().slice(0, limit),
    recordHead(signed: SignedHead): void {
      if (links[signed.number - 1]?.hash !== signed.hash)
        throw new StoreError(
          'store-corrupt',
          `link ${signed.number} of the history is not the one that was signed`,
        );
      heads.push({ ...signed, chain: links[0]?.hash ?? signed.hash });
    },
  };
}
