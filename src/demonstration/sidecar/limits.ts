/** How long a request in flight may go on after the trust it rests on was removed. */
export const CLOSE_WITHIN_MS = 1000;
/** Bytes of headers in one message, on every side. */
export const MAX_HEADER_BYTES = 16 * 1024;
