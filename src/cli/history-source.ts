import { CodedError } from '../spiffe/index.ts';
import type { AdminClient, HeadDocument, LinkDocument } from '../dashboard/index.ts';
import { type ChainLink, type ChainReader, isChainedTable, type SignedHead } from '../store/index.ts';

/** The chain of a running agent, page by page. */
export function chainOfAgent(agent: AdminClient): ChainReader {
  return {
    chainLinks: async ({ after = 0, limit = 500 } = {}) =>
      (await agent.historyLinks(after, limit)).map(linkFrom),
    signedHeads: async () => (await agent.historyHeads()).map(headFrom),
  };
}

function linkFrom({ number, table, row_id: rowId, hash, row }: LinkDocument): ChainLink {
  if (!isChainedTable(table))
    throw new CodedError(
      'answer-not-understood',
      `the agent has rows of ${table} in its history, which are unknown here`,
    );
  return { number, table, rowId, hash, ...(row === null ? {} : { text: row }) };
}

function headFrom({ number, hash, chain, signed_at: at, signer, statement }: HeadDocument): SignedHead {
  return {
    at: new Date(at),
    number,
    hash,
    chain,
    ...(signer === null || statement === null ? {} : { signer, statement }),
  };
}
