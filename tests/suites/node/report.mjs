// Reporter for node:test: a line "ok TEST" or "not ok TEST" for each test, with the error behind it.
import { basename } from 'node:path';

const WORDS = { 'test:pass': 'ok', 'test:fail': 'not ok' };

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic') yield `# ${data.message}\n`;
    if (!(type in WORDS) || data.details.type === 'suite') continue;
    const error = data.details.error;
    // A file that failed only because a test in it did.
    if (error?.failureType === 'subtestsFailed') continue;
    const word = data.skip !== undefined ? 'skipped' : WORDS[type];
    // The file itself is a test as well: it fails where something outside its tests did.
    const file = basename(data.file ?? data.name);
    yield data.name.endsWith(file) ? `${word} ${file}\n` : `${word} ${file}::${data.name}\n`;
    if (error) yield `    ${error.cause?.stack ?? error.message}`.replaceAll('\n', '\n    ') + '\n';
  }
}
