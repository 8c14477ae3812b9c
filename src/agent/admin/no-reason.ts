/** The reason on record where the operator gave none. */
export const NO_REASON = 'no reason given';
