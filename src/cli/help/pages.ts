import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { didYouMean, installation } from '../../platform/index.ts';
import { UsageError } from '../usage-error.ts';

/** A page of docs/ that `federate help` can show. */
export interface Topic {
  /** Its path below docs/ without `.md`; the README of a folder is the name of the folder. */
  readonly name: string;
  readonly file: URL;
}

/** The pages of docs/, which a package has inside; none where they were left out. */
export function helpTopics(folder: URL = new URL('docs/', installation.folder)): readonly Topic[] {
  return globSync('**/*.md', { cwd: fileURLToPath(folder) })
    .filter((path) => path !== 'README.md')
    .map((path) => ({
      name: path.replace(/(?:\/README)?\.md$/, ''),
      file: new URL(path, folder),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The topic that a word means: its name, its file or the last part of its name. Throws `UsageError`
 * `topic-unknown`.
 */
export function topicNamed(word: string, topics: readonly Topic[], verbs: readonly string[]): Topic {
  const name = word.replace(/^(?:\.?\/)?docs\//, '').replace(/(?:\/README)?\.md$/, '');
  const found =
    topics.find((each) => each.name === name) ?? topics.find((each) => each.name.endsWith(`/${name}`));
  if (found) return found;
  const names = [...verbs, ...topics.map((each) => each.name)];
  throw new UsageError(
    `${JSON.stringify(word)} is neither a verb nor a page of the documentation${didYouMean(word, names)}`,
    { code: 'topic-unknown', hint: '"federate help topics" lists the pages' },
  );
}

/** The first heading of a page. */
export function titleOf({ file }: Topic): string {
  return /^# (.*)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
}
