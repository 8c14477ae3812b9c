/**
 * The base of every room's error: something outside us failed. `code` is a stable word that
 * operators and tests go by; the message is one sentence for people, without a full stop; `cause`
 * keeps what lies underneath.
 */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
