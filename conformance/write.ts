import { writeFileSync } from 'node:fs';
import { conformanceList, LIST_PATH } from './list.ts';

const { text, wrong } = conformanceList();
writeFileSync(LIST_PATH, text);
for (const sentence of wrong) process.stderr.write(`${sentence}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
