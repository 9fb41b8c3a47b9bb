// From the network's scores to an angle and its confidence, as rotnet.inference and rotnet.geometry.angles have it.
// `model` is what build.py wrote of the model and of Python's constants; an angle is degrees counter-clockwise in [0, 360).

const BINS = 360;
const modulo = (value, by) => ((value % by) + by) % by;
export const difference = (x, y) => Math.abs(modulo(x - y + 180, 360) - 180);

// What a network says to the first views, or to all four -> { angle, confidence, probabilities, turns }.
export function predict(scores, model) {
  const turns = scores.length / BINS, probabilities = pool(scores, model.floor);
  const angle = decode(probabilities, model);
  return { angle, confidence: confidence(probabilities, angle, turns, model), probabilities, turns };
}

// The geometric mean of the views' probabilities, each turned back first.
export function pool(scores, floor) {
  const turns = scores.length / BINS, log = new Float64Array(BINS);
  const least = turns > 1 ? floor : Number.MIN_VALUE; // one view alone may rule an angle out
  for (let turn = 0; turn < turns; turn++) {
    const row = scores.subarray(turn * BINS, (turn + 1) * BINS), sum = row.reduce((a, b) => a + b);
    for (let bin = 0; bin < BINS; bin++)
      log[bin] += Math.log(Math.max(row[(bin + turn * (BINS / 4)) % BINS] / sum, least)) / turns;
  }
  const highest = Math.max(...log), pooled = log.map((value) => Math.exp(value - highest));
  const total = pooled.reduce((a, b) => a + b);
  return pooled.map((value) => value / total);
}

// The mean within a window of the peak of the smoothed probabilities: `local_mean`.
export function decode(probabilities, { smoothing, window }) {
  let peak = 0, highest = -1;
  for (let bin = 0; bin < BINS; bin++) {
    let value = 0;
    for (let k = 0; k < BINS; k++) value += smoothing[k] * probabilities[(bin + k) % BINS];
    if (value > highest) [peak, highest] = [bin, value];
  }
  let mass = 0, shift = 0;
  for (let offset = -window; offset <= window; offset++) {
    const share = probabilities[modulo(peak + offset, BINS)];
    mass += share;
    shift += share * offset;
  }
  return modulo(Math.round(1e6 * (peak + (mass ? shift / mass : 0))) / 1e6, 360);
}

export function massWithin(probabilities, angle, within) {
  return probabilities.reduce((sum, share, bin) => (difference(bin, angle) <= within ? sum + share : sum), 0);
}

// Calibrated probability that an angle is right within the tolerance.
export function confidence(probabilities, angle, turns, { tolerance, leastMass, calibration }) {
  const [slope, intercept] = calibration[turns];
  const mass = Math.min(Math.max(massWithin(probabilities, angle, tolerance), leastMass), 1 - leastMass);
  return 0.5 + 0.5 * Math.tanh(0.5 * (slope * Math.log(mass / (1 - mass)) + intercept));
}
