import { RolloutPlan, type RolloutPlanInput } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import type { Answer } from './rollout-state.js';
import { at, done, good, look, phase, play, resume, start, written } from './rollout-play.js';

const check = { type: 'webhook', name: 'qa', url: 'http://qa.test/' } as const;
const asking = (change: object = {}, more: Partial<RolloutPlanInput> = {}) =>
  RolloutPlan.parse({ ...written, ...more, checks: [{ ...check, ...change }] });
const answers = (second: number, verdict: Answer['verdict'], times = 1, detail = 'as it is'): Answer => ({
  stage: 0,
  name: 'qa',
  verdict,
  detail,
  times,
  at: at(second),
});
/** A look at a stage whose devices and gates are well. */
const seen = (second: number, answer?: Answer) => {
  const event = look(second, [[done, good]]);
  if (event.type !== 'observed') return event;
  return { ...event, observation: { ...event.observation, ...(answer && { answers: [answer] }) } };
};
const soaked = [start, seen(1), seen(7)];

describe('a check outside', () => {
  it('is waited for until it has said yes to a stage that has soaked', () => {
    expect(phase([...soaked, seen(8)], asking())).toEqual(['running', 'analysing', 'offer 0']);
    expect(phase([...soaked, seen(8, answers(6, 'pass'))], asking())).toEqual(['running', 'analysing', 'offer 0']);
    expect(phase([...soaked, seen(8, answers(7, 'wait'))], asking())).toEqual(['running', 'analysing', 'offer 0']);
    expect(phase([...soaked, seen(8, answers(7, 'pass'))], asking())).toEqual(['running', 'activating', 'offer 0', 'offer 1']);
  });
  it('that never does makes the stage inconclusive, and somebody may go on without it', () => {
    const late = [...soaked, seen(61, answers(60, 'wait', 2, ''))];
    expect(play(late, asking()).state).toMatchObject({
      reason: 'inconclusive',
      detail: 'webhook "qa" is not sure yet, 2 times in a row',
    });
    expect(play([...soaked, seen(61)], asking()).state).toMatchObject({ detail: 'webhook "qa" has not been asked yet' });
    expect(phase([...late, resume(62, 'they are on leave'), seen(63)], asking())).toEqual([
      'running',
      'activating',
      'offer 0',
      'offer 1',
    ]);
  });
  it('that says no more often than it may takes the release back, whenever it does', () => {
    const no = (times: number) => [start, seen(1, answers(1, 'fail', times))];
    expect(phase(no(2), asking({ failureLimit: 2 }))).toEqual(['running', 'soaking', 'offer 0']);
    expect(play(no(3), asking({ failureLimit: 2 })).state).toMatchObject({
      phase: 'rolling-back',
      detail: 'webhook "qa" says no, 3 times in a row: as it is',
    });
  });
  it('whose no somebody accepted decides nothing more in that stage', () =>
    expect(
      phase(
        [start, seen(1, answers(1, 'fail')), resume(2, 'it looks at the wrong line'), seen(3, answers(3, 'fail', 2))],
        asking({}, { onBreach: 'pause' }),
      ),
    ).toEqual(['running', 'soaking', 'offer 0']));
  it('that gives no answer holds the rollout up, until it does', () => {
    const down = [start, seen(1, answers(1, 'error', 4, 'ECONNREFUSED'))];
    expect(play(down, asking()).state).toMatchObject({
      phase: 'paused',
      reason: 'metrics',
      detail: 'webhook "qa" gives no answer, 4 times in a row: ECONNREFUSED',
    });
    expect(phase([...down, { type: 'release', at: at(2), reason: 'metrics' }, seen(3)], asking())).toEqual([
      'running',
      'soaking',
      'offer 0',
    ]);
    expect(phase([start, seen(1, answers(1, 'error', 3))], asking())).toEqual(['running', 'soaking', 'offer 0']);
  });
  it('in a dry run, or about another stage, decides nothing', () => {
    expect(phase([...soaked, seen(8, answers(7, 'fail'))], asking({ dryRun: true }))).toEqual([
      'running',
      'activating',
      'offer 0',
      'offer 1',
    ]);
    const other = { ...answers(1, 'fail'), stage: 1 };
    expect(phase([start, seen(1, other)], asking())).toEqual(['running', 'soaking', 'offer 0']);
  });
  it('needs a name of its own, and a limit that means something', () => {
    const two = (checks: RolloutPlanInput['checks']) => RolloutPlan.safeParse({ ...written, checks }).error?.issues[0]?.message;
    expect(two([check, check])).toBe('two checks have one name');
    expect(two([{ ...check, type: 'prometheus', query: 'up' }])).toBe('needs exactly one of max and min');
  });
});
