import { describe, expect, it } from 'vitest';
import { noCounts } from './counts.js';
import { type RolloutEvent } from './rollout.js';
import { counts, done, good, look, passes, pause, pausing, phase, play, resume, slow, start } from './rollout-play.js';

describe('a rollout', () => {
  it.each<[string, RolloutEvent[], string[]]>([
    ['offers its first stage when started', [start], ['running', 'activating', 'offer 0']],
    ['starts only once', [start, start], ['running', 'activating', 'offer 0', 'cannot start a rollout that is running']],
    ['waits while devices are open', [start, look(1, [[counts({ open: 2 })]])], ['running', 'activating', 'offer 0']],
    ['soaks when enough devices decided', [start, look(1, [[done]])], ['running', 'soaking', 'offer 0']],
    ['goes on soaking', [start, look(1, [[done]]), look(5, [[done, good]])], ['running', 'soaking', 'offer 0']],
    ['then looks at the evidence', [start, look(1, [[done]]), look(6, [[done]])], ['running', 'analysing', 'offer 0']],
    [
      'waits for the evidence',
      [start, look(1, [[done]]), look(6, [[done]]), look(9, [[done]])],
      ['running', 'analysing', 'offer 0'],
    ],
    ['offers the next stage on evidence', [start, ...passes(0, 0)], ['running', 'activating', 'offer 0', 'offer 1']],
    [
      'is complete after its last stage',
      [start, ...passes(0, 0), ...passes(10, 1, [[done, good]])],
      ['completed', 'offer 0', 'offer 1'],
    ],
    [
      'is inconclusive when the evidence does not come',
      [start, look(1, [[done]]), look(6, [[done]]), look(61, [[done]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    ['never advances on an empty stage', [start, look(1, [[noCounts]])], ['paused', 'inconclusive', 'offer 0']],
    [
      'passes a stage whose devices all had the release',
      [start, look(1, [[counts({ already: 2 })]])],
      ['running', 'activating', 'offer 0', 'offer 1'],
    ],
    [
      'does not advance because all are terminal',
      [start, look(1, [[counts({ failedPlace: 1 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'is inconclusive at the deadline with open devices',
      [start, look(61, [[counts({ open: 2 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'bears a deferred device within maxDeferred',
      [start, look(1, [[counts({ committed: 3, deferred: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'does not bear more deferred devices',
      [start, look(1, [[counts({ committed: 2, deferred: 1 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'does not count an unproven device as decided',
      [start, look(1, [[counts({ committed: 1, unproven: 1 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'advances at the coverage threshold exactly',
      [start, look(1, [[counts({ committed: 4, failedPlace: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'rolls back when success is out of reach',
      [start, look(1, [[counts({ committed: 1, failedArtifact: 1 })]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'rolls back at the first certain failure, others still open',
      [start, look(1, [[counts({ open: 1, failedArtifact: 1 })]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'stands a failure that success can bear',
      [start, look(1, [[counts({ open: 1, committed: 18, failedArtifact: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'rolls back on a breached gate while activating',
      [start, look(1, [[counts({ open: 2 }), slow]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'counts failures that came after their stage passed',
      [start, ...passes(0, 0), look(11, [[counts({ committed: 1, failedArtifact: 1 })], [counts({ open: 2 })]])],
      ['rolling-back', 'offer 0', 'offer 1', 'roll-back'],
    ],
    [
      'is rolled back when every device has confirmed',
      [start, look(1, [[done, slow]]), look(2, [], 1), look(3, [], 0)],
      ['rolled-back', 'offer 0', 'roll-back'],
    ],
    [
      'says which roll back is incomplete',
      [start, look(1, [[done, slow]]), look(32, [], 1)],
      ['rollback-incomplete', 'offer 0', 'roll-back'],
    ],
    [
      'notices the late return',
      [start, look(1, [[done, slow]]), look(32, [], 1), look(33, [], 1), look(90, [], 0)],
      ['rolled-back', 'offer 0', 'roll-back'],
    ],
    ['pauses and resumes', [start, pause(1), resume(2)], ['running', 'activating', 'offer 0']],
    [
      'is opened again in its last stage for devices that come late, and completes again',
      [
        start,
        ...passes(0, 0),
        ...passes(10, 1, [[done, good]]),
        { type: 'reopen', at: 99_000, detail: 'late' } as const,
        ...passes(100, 1, [[done, good]]),
      ],
      ['completed', 'offer 0', 'offer 1', 'offer 1'],
    ],
    [
      'is not opened again while it runs',
      [start, { type: 'reopen', at: 1, detail: 'late' } as const],
      ['running', 'activating', 'offer 0', 'cannot reopen a rollout that is running'],
    ],
    ['pauses only when running', [pause(1)], ['draft', 'cannot pause a rollout that is draft']],
    [
      'resumes only when paused',
      [start, resume(1)],
      ['running', 'activating', 'offer 0', 'cannot resume a rollout that is running'],
    ],
    ['looks at nothing while paused', [start, pause(1), look(2, [[done, slow]])], ['paused', 'manual', 'offer 0']],
    [
      'begins its soak anew after a pause',
      [start, look(1, [[done]]), pause(2), resume(60), look(62, [[done, good]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'asks why before an inconclusive stage goes on',
      [start, look(61, [[counts({ open: 2 })]]), resume(62)],
      [
        'paused',
        'inconclusive',
        'offer 0',
        'an inconclusive stage is resumed only with a reason (0 of 2 devices decided (2 open, 0 unproven, 0 failed for reasons of the place, 0 timed out, 0 rejected, 0 offline))',
      ],
    ],
    [
      'goes on with thin coverage when somebody says why',
      [
        start,
        look(1, [[counts({ committed: 1, failedPlace: 1 })]]),
        resume(2, 'cable is cut'),
        look(3, [[counts({ committed: 1, failedPlace: 1 })]]),
      ],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'still waits for open devices then',
      [start, look(61, [[counts({ open: 2 })]]), resume(62, 'let it try'), look(63, [[counts({ open: 2 })]])],
      ['running', 'activating', 'offer 0'],
    ],
    [
      'goes on without evidence when somebody says why',
      [start, look(1, [[done]]), look(6, [[done]]), look(61, [[done]]), resume(62, 'camera is off'), look(63, [[done]])],
      ['running', 'activating', 'offer 0', 'offer 1'],
    ],
    ['can be cancelled', [start, { type: 'cancel', at: 1 }], ['cancelled', 'offer 0']],
    ['can be cancelled as a draft', [{ type: 'cancel', at: 1 }], ['cancelled']],
    [
      'is cancelled only once',
      [
        { type: 'cancel', at: 1 },
        { type: 'cancel', at: 1 },
      ],
      ['cancelled', 'cannot cancel a rollout that is cancelled'],
    ],
    [
      'can be taken back by hand',
      [start, { type: 'roll-back', at: 1, detail: 'asked' }],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'can be taken back when complete',
      [start, ...passes(0, 0), ...passes(10, 1, [[done, good]]), { type: 'roll-back', at: 99, detail: 'asked' }],
      ['rolling-back', 'offer 0', 'offer 1', 'roll-back'],
    ],
    [
      'cannot be taken back as a draft',
      [{ type: 'roll-back', at: 1, detail: 'asked' }],
      ['draft', 'cannot roll-back a rollout that is draft'],
    ],
    ['looks at nothing as a draft', [look(1, [])], ['draft']],
    ['counts what it cannot see as nothing', [start, look(1, [])], ['paused', 'inconclusive', 'offer 0']],
  ])('%s', (_name, events, expected) => expect(phase(events)).toEqual(expected));

  it('says why it was taken back, with the figures', () => {
    const { state } = play([start, look(1, [[counts({ committed: 1, failedArtifact: 1 }), slow]])]);
    expect(state).toMatchObject({
      detail:
        '1 of 2 devices of the stage failed on the release; 90 % must commit; mean compute 40 ms against 10 ms on the same 2 devices, ratio 4.00, limit 1.5 exceeded in 10 of 10 windows, 200 inferences; evidence against it over a million, 600 needed',
    });
  });
});

describe('a rollout that pauses on a breach', () => {
  const breached = [start, look(1, [[done, slow]])];
  it('waits for somebody to own it', () =>
    expect(phase([...breached, resume(2)], pausing)).toEqual([
      'paused',
      'breach',
      'offer 0',
      expect.stringMatching(/^a breach is resumed only with a reason \(mean compute/),
    ]));
  it('then goes on without the accepted gate', () =>
    expect(phase([...breached, resume(2, 'new lens'), look(3, [[done, slow]])], pausing)).toEqual([
      'running',
      'soaking',
      'offer 0',
    ]));
  it('goes on past the accepted failures, and breaches on one more', () => {
    const failed = (n: number) => look(1, [[counts({ committed: 2, failedArtifact: n })]]);
    expect(phase([start, failed(1), resume(2, 'a broken board'), failed(1)], pausing)).toEqual(['running', 'soaking', 'offer 0']);
    expect(phase([start, failed(1), resume(2, 'a broken board'), failed(2)], pausing)).toEqual(['paused', 'breach', 'offer 0']);
  });
  it('does not pass on accepted failures alone', () =>
    expect(
      phase(
        [
          start,
          look(1, [[counts({ failedArtifact: 2 })]]),
          resume(2, 'broken boards'),
          look(3, [[counts({ failedArtifact: 2 })]]),
        ],
        pausing,
      ),
    ).toEqual(['paused', 'inconclusive', 'offer 0']));
  it('keeps what was accepted over a second pause', () =>
    expect(
      phase([...breached, resume(2, 'new lens'), look(3, [[done, slow]]), pause(4), resume(5), look(6, [[done, slow]])], pausing),
    ).toEqual(['running', 'soaking', 'offer 0']));
});
