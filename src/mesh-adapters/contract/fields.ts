import { isMapping } from '../../objects/index.ts';
/** A part of an object with fields that are not checked yet. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields of a mapping; none for anything else. For an examination, because that must not fail
 * on a malformed answer.
 */
export function fieldsOf(value: unknown): Fields {
  return isMapping(value) ? value : {};
}

/** The mappings of a list; none for anything else. */
export function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

/** The texts of a list; none for anything else. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
