import { readFileSync } from 'node:fs';
import { ReleaseFile, feedsProblem, madeInputs, postprocessProblem, preprocessProblem } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const text = readFileSync(new URL('../../../../../docs/signals.md', import.meta.url), 'utf8');
const releases = [...text.matchAll(/```yaml\n([^`]*)```/g)].map(([, yaml]) => ReleaseFile.parse(parse(yaml!)));

test.each(releases)('the documented $model makes what its model takes', (release) => {
  const { preprocess, postprocess, inputs, outputs } = release;
  const problems = [
    preprocessProblem(preprocess, madeInputs({ inputs })),
    feedsProblem(release),
    postprocessProblem(postprocess, outputs),
  ];
  expect(problems).toEqual([undefined, undefined, undefined]);
});

test('there are three', () => expect(releases.map(({ model }) => model)).toEqual(['machine-sounds', 'bearing', 'oven-forecast']));
