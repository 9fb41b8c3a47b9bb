// Turn a picture, or leave it, and why: rotnet.inference.decision, for the options that the page has (the defaults).
// Its thresholds come from there by build.py, and a test holds the two together.

import { confidence, decode, difference, massWithin } from "./prediction.js";

// Python's round: of two numbers as near, the even one.
const round = (value, digits) => {
  const scaled = value * 10 ** digits, tie = Math.abs(scaled % 1) === 0.5;
  return tie ? (2 * Math.round(scaled / 2)) / 10 ** digits : Number(value.toFixed(digits));
};

export function shown(angle) {
  const signed = round(((angle + 180) % 360) - 180, 1);
  return `${(signed <= -180 ? 180 : signed + 0).toFixed(1)}°`;
}

// { action, reason, confidence, turn } of a prediction
export function decide(prediction, model) {
  const angle = round(prediction.angle, 3) % 360, away = difference(angle, 0);
  const verdict = (action, reason, likely, turn = 0) => ({ action, reason, confidence: likely, turn });
  const sure = prediction.confidence;
  if (sure < model.minConfidence) {
    if (away <= model.slight) return verdict("unsure", ...maybeUpright(prediction, model, angle));
    const other = second(prediction.probabilities, model, angle);
    const rest = other === null ? " is the best of many" : ` or ${shown(other)}`;
    return verdict("unsure", `not sure which way: ${shown(angle)}${rest}`, sure);
  }
  if (away <= model.uprightWithin) return verdict("upright", `upright within ${model.uprightWithin}°`, sure);
  if (massWithin(prediction.probabilities, 0, model.uprightMassWithin) > model.maxUpright) {
    if (away > model.slight) return verdict("unsure", ...maybeUpright(prediction, model, angle));
    return verdict("slight tilt", `slight tilt of ${shown(angle)}, may be meant so: left as it is`, sure);
  }
  const quarter = 90 * Math.round(angle / 90);
  const turn = Math.abs(angle - quarter) <= (quarter % 360 ? model.quarterWithin : model.uprightWithin) ? quarter % 360 : angle;
  return verdict("turned", `turned by ${shown(turn)}`, sure, turn);
}

function maybeUpright(prediction, model, angle) {
  const likely = confidence(prediction.probabilities, 0, prediction.turns, model);
  if (difference(angle, 0) <= 2 * model.tolerance) return [`maybe upright, maybe ${shown(angle)}`, likely];
  const reason = `maybe upright, though ${shown(angle)} is likelier: no turn is better than a wrong one`;
  return [reason, Math.min(likely, 1 - prediction.confidence)]; // two answers that exclude each other
}

// The best angle apart from another one; null where the rest is flat.
function second(probabilities, model, angle) {
  const rest = probabilities.map((share, bin) => (difference(bin, angle) > model.apart ? share : 0));
  const total = rest.reduce((a, b) => a + b);
  if (total <= 0) return null;
  const other = decode(rest, model);
  return massWithin(rest, other, model.apart / 2) > (3 * total * model.apart) / 360 ? other : null;
}
