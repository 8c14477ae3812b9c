/** Where the bundle endpoint of an owner serves a peer the catalogue of its exports. */
export const EXPORTS_PATH = '/federate/v1/exports';
/** The `typ` of the signed statement that carries a catalogue. */
export const EXPORTS_TYPE = 'federate-exports+jws';
