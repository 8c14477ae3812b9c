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
   * Changes to existing rows that SQL alone cannot make. Runs right after `sql`, and changes no
   * shape.
   */
  fill?(database: Database): void;
}
