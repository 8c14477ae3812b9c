import type { Database } from 'better-sqlite3';
import { StoreError } from '../model/errors.ts';
import type { Migration } from './migration.ts';
import { firstShape } from './migrations/0001-first-shape.ts';
import { relationshipTerms } from './migrations/0002-relationship-terms.ts';
import { operatorWords } from './migrations/0003-operator-words.ts';
import { invitations } from './migrations/0004-invitations.ts';
import { chain } from './migrations/0005-chain.ts';
import { rotation } from './migrations/0006-rotation.ts';
import { oneDocumentPerDigest } from './migrations/0009-one-document-per-digest.ts';
import { peerHeads } from './migrations/0007-peer-heads.ts';
import { priorTrust } from './migrations/0008-prior-trust.ts';
import { services } from './migrations/0010-services.ts';

/**
 * All steps, in order. The number of the last one is the shape that this version of Federate uses.
 */
export const migrations: readonly Migration[] = [
  firstShape,
  relationshipTerms,
  operatorWords,
  invitations,
  chain,
  rotation,
  peerHeads,
  priorTrust,
  oneDocumentPerDigest,
  services,
];

/** The shape that this version of Federate uses. */
export const SHAPE = migrations.length;

/**
 * `application_id` of a store in the file's header: "Fede". It distinguishes our files from other
 * SQLite files.
 */
export const APPLICATION_ID = 0x46656465;

/**
 * The shape of the file behind `database`; 0 is an empty one. Throws `StoreError`:
 * `store-not-a-store` when it belongs to another program, `store-newer` when a newer Federate wrote
 * it.
 */
export function readShape(database: Database, path: string): number {
  const applicationId = database.pragma('application_id', { simple: true });
  const shape = Number(database.pragma('user_version', { simple: true }));
  if (applicationId !== APPLICATION_ID) {
    const objects = database.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get();
    if (applicationId === 0 && shape === 0 && objects === 0) return 0;
    throw new StoreError('store-not-a-store', `${path} is a SQLite file of another program, not a store`);
  }
  if (shape > SHAPE) {
    throw new StoreError(
      'store-newer',
      `the store ${path} has shape ${shape}, written by a newer version of Federate; this version reads up to shape ${SHAPE}`,
    );
  }
  return shape;
}

/** Converts the file to the present shape in one transaction. Returns the steps that were taken. */
export function migrate(database: Database, path: string): readonly Migration[] {
  return database
    .transaction(() => {
      const shape = readShape(database, path);
      const steps = migrations.slice(shape);
      for (const step of steps) {
        database.exec(step.sql);
        step.fill?.(database);
      }
      if (steps.length > 0) {
        database.pragma(`application_id = ${APPLICATION_ID}`);
        database.pragma(`user_version = ${SHAPE}`);
      }
      return steps;
    })
    .immediate();
}
