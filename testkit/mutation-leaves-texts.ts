/** As much of a syntax tree's node as is looked at here. */
interface TextNode {
  readonly type: string;
  readonly value?: unknown;
  readonly quasis?: readonly { readonly value: { readonly raw: string } }[];
}

/**
 * A plugin of Stryker that leaves sentences alone: they are for people, and no test holds their wording. A string with
 * a space in it is a sentence; codes, object identifiers and patterns have none, and are mutated.
 */
export const strykerPlugins = [
  { kind: 'Ignore', name: 'sentences', value: { shouldIgnore: whyIgnored } },
] as const;

function whyIgnored({ node }: { readonly node: TextNode }): string | undefined {
  const isSentence =
    (node.type === 'StringLiteral' && typeof node.value === 'string' && node.value.includes(' ')) ||
    (node.type === 'TemplateLiteral' && node.quasis?.some(({ value }) => value.raw.includes(' ')));
  return isSentence ? 'a sentence for people' : undefined;
}
