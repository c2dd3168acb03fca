/** For each place of the result: the first of the two places that it lies between, and the second one's weight in 1/2048. */
export type Axis = { first: Int32Array; weight: Int32Array; last: number };

/** INTER_LINEAR: pixel centres meet; outside the picture its edge goes on. */
export function linearAxis(from: number, to: number): Axis {
  const scale = 1 / (to / from);
  return axis(from, to, (place) => {
    const exact = Math.fround((place + 0.5) * scale - 0.5);
    const first = Math.floor(exact);
    if (first < 0) return [0, 0];
    return first >= from - 1 ? [from - 1, 0] : [first, Math.fround(exact - first)];
  });
}

/** INTER_AREA where it enlarges: a pixel keeps its colour until the next one begins to show. */
export function areaAxis(from: number, to: number): Axis {
  const [factor, scale] = [to / from, 1 / (to / from)];
  return axis(from, to, (place) => {
    const first = Math.floor(place * scale);
    const beyond = Math.fround(place + 1 - (first + 1) * factor);
    const weight = beyond <= 0 ? 0 : beyond - Math.floor(beyond);
    return first >= from - 1 ? [from - 1, 0] : [first, weight];
  });
}

function axis(from: number, to: number, at: (place: number) => readonly [number, number]): Axis {
  const [first, weight] = [new Int32Array(to), new Int32Array(to)];
  for (let place = 0; place < to; place++) {
    const [start, share] = at(place);
    first[place] = start;
    weight[place] = Math.round(share * 2048);
  }
  return { first, weight, last: from - 1 };
}
