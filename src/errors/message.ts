const MOST_CAUSES = 5;
const MOST_CHARACTERS = 500;

/** The message of an error; anything else that was thrown as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether this is an error with this code, such as `ENOENT` of the operating system. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * The message of an error and those of its causes as one sentence: `what failed: why: why`. Leaves
 * out a cause that an earlier message quotes. Leaves out a cause of several lines, because that is a
 * document and belongs into the log. An error without a message is named by its code: Node.js
 * reports a connection that failed at several addresses so.
 */
export function sentenceOf(error: unknown): string {
  const parts = [textOf(error)];
  let cause = causeOf(error);
  for (let depth = 0; cause !== undefined && depth < MOST_CAUSES; depth += 1, cause = causeOf(cause)) {
    const text = textOf(cause).slice(0, MOST_CHARACTERS);
    if (!text.includes('\n') && !parts.some((part) => part.includes(text))) parts.push(text);
  }
  return parts.join(': ');
}

/** Messages of OpenSSL end with a line end. */
function textOf(error: unknown): string {
  const text = messageOf(error).trimEnd();
  return text === '' && error instanceof Error && 'code' in error ? String(error.code) : text;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
