// The dial: 360 probabilities around the circle, upright above, and a hand for the angle that is chosen.

const RADIUS = 100;
const at = (angle, radius) => {
  const radians = (angle * Math.PI) / 180;
  return `${(-radius * Math.sin(radians)).toFixed(2)},${(-radius * Math.cos(radians)).toFixed(2)}`;
};

// The inside of the svg; without probabilities, an empty dial.
export function dial(probabilities, angle) {
  const ticks = Array.from({ length: 24 }, (_, n) => `<path class="tick" d="M${at(15 * n, RADIUS)}L${at(15 * n, n % 6 ? RADIUS - 4 : RADIUS - 9)}"/>`);
  const labels = [0, 90, 180, -90].map((label) => {
    const [x, y] = at(label, 116).split(",");
    return `<text x="${x}" y="${y}">${label}°</text>`;
  });
  const empty = `<circle class="ring" r="${RADIUS}"/>${ticks.join("")}${labels.join("")}`;
  if (!probabilities) return empty;
  const highest = Math.max(...probabilities);
  // by the root, so that it is the area that tells
  const points = probabilities.map((share, bin) => at(bin, 12 + (RADIUS - 16) * Math.sqrt(share / highest)));
  const hand = `<path class="hand" d="M0,0L${at(angle, RADIUS)}"/><circle class="knob" r="3"/><g transform="translate(${at(angle, RADIUS)})"><circle class="knob" r="6"/></g>`;
  return `${empty}<path class="petals" d="M${points.join("L")}Z"/>${hand}`;
}
