// Size of what is left of a picture turned by an angle, degrees, as rotnet.geometry has it. The names of crops are those
// of rotnet.geometry.cropping, the older ones too.
export function frame(width, height, angle, how) {
  const radians = (angle * Math.PI) / 180, sin = Math.abs(Math.sin(radians)), cos = Math.abs(Math.cos(radians));
  if (how === "same") return [width, height];
  if (how === "keep" || how === "expand") return [width * cos + height * sin, width * sin + height * cos];
  if (how === "aspect") {
    const [w, h] = cos >= sin ? [width, height] : [height, width]; // the proportions that it has upright
    const scale = Math.min(width / (w * cos + h * sin), height / (w * sin + h * cos));
    return [w * scale, h * scale];
  }
  const long = Math.max(width, height), short = Math.min(width, height);
  if (Math.min(sin, cos) < 1e-9) return sin < cos ? [width, height] : [height, width];
  if (short <= 2 * sin * cos * long || Math.abs(sin - cos) < 1e-9)
    return width >= height ? [short / 2 / sin, short / 2 / cos] : [short / 2 / cos, short / 2 / sin];
  const double = cos * cos - sin * sin;
  return [(width * cos - height * sin) / double, (height * cos - width * sin) / double];
}
