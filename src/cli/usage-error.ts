import { CodedError } from '../errors/index.ts';

/** What can be wrong with the words of a call. */
export const USAGE_ERROR_CODES = [
  'usage',
  'verb-unknown',
  'topic-unknown',
  'option-unknown',
  'option-missing',
  'option-value-missing',
  'option-invalid',
  'options-conflict',
  'argument-missing',
  'argument-unexpected',
  'argument-invalid',
  'duration-invalid',
  'duration-too-long',
] as const;

export type UsageErrorCode = (typeof USAGE_ERROR_CODES)[number];

/** The command was called with words that do not go together; exit code 2. */
export class UsageError extends CodedError<UsageErrorCode> {
  /** What the reader can type next. */
  readonly hint: string | undefined;

  constructor(
    message: string,
    {
      code = 'usage',
      hint,
      ...options
    }: ErrorOptions & { readonly code?: UsageErrorCode; readonly hint?: string } = {},
  ) {
    super(code, message, options);
    this.hint = hint;
  }
}
