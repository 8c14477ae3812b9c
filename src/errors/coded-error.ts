/**
 * The base of every room's error: something outside the program failed. `code` is a stable
 * identifier for operators and tests. The message is one sentence for people, without a full stop.
 * `cause` keeps the underlying error.
 */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
