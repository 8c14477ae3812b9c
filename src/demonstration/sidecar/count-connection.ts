/** Counts an mTLS connection: `accepted`, or the code of what stood in the way. */
export type CountConnection = (direction: 'inbound' | 'outbound', outcome: string) => void;
