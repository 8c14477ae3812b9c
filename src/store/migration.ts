/** One step from an older shape of the store to the next. Never edited once released: a change is a new step. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}
