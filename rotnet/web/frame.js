// Size of what is left of a picture turned by an angle, degrees, as rotnet.geometry has it.
export function frame(width, height, angle, how) {
  const radians = (angle * Math.PI) / 180, sin = Math.abs(Math.sin(radians)), cos = Math.abs(Math.cos(radians));
  if (how === "same") return [width, height];
  if (how === "expand") return [width * cos + height * sin, width * sin + height * cos];
  const long = Math.max(width, height), short = Math.min(width, height);
  if (Math.min(sin, cos) < 1e-9) return sin < cos ? [width, height] : [height, width];
  if (short <= 2 * sin * cos * long || Math.abs(sin - cos) < 1e-9)
    return width >= height ? [short / 2 / sin, short / 2 / cos] : [short / 2 / cos, short / 2 / sin];
  const double = cos * cos - sin * sin;
  return [(width * cos - height * sin) / double, (height * cos - width * sin) / double];
}
