/** What the mesh has of a foreign trust domain, as far as the adapter can see. */
export interface InMeshDocument {
  /** `pending`, `written`, `accepted`, `in-effect`, `refused` or `failed`. */
  readonly state: string;
  readonly code: string | null;
  readonly message: string | null;
}
