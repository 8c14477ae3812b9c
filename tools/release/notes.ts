/** The section of one version in a changelog, without its heading. Throws where there is none, or where it is empty. */
export function notesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`[${version}]`));
  if (section === undefined) throw new Error(`CHANGELOG.md has no section "## [${version}]"`);
  const notes = section
    .slice(section.indexOf('\n'))
    .replace(/^\[[^\]]+\]: .*$/gm, '')
    .trim();
  if (notes === '') throw new Error(`the section "## [${version}]" of CHANGELOG.md is empty`);
  return `${notes}\n`;
}
