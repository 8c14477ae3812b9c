import type { Database } from 'better-sqlite3';

/**
 * One step from an older shape of the store to the next. Never edited once released: a change is a
 * new step.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /**
   * What SQL alone cannot do with the rows that are there already; runs right after `sql`, and
   * changes no shape.
   */
  fill?(database: Database): void;
}
