// Size of what is left of a picture turned by an angle, degrees, and what it loses, as rotnet.geometry.cropping has both.
// The older names of crops are known too. A quarter turn is whole, as it is in files.
export function frame(width, height, angle, crop) {
  const radians = (angle * Math.PI) / 180, sin = Math.abs(Math.sin(radians)), cos = Math.abs(Math.cos(radians));
  if (angle % 90 === 0) return sin < cos ? [width, height] : [height, width];
  if (crop === "same") return [width, height];
  if (crop === "keep" || crop === "expand") return [width * cos + height * sin, width * sin + height * cos];
  if (crop === "aspect") {
    const [w, h] = cos >= sin - 1e-9 ? [width, height] : [height, width]; // the proportions that it has upright
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

// The share of the picture's area that lies outside of the crop.
export function shareLost(width, height, angle, crop) {
  if (crop === "keep" || crop === "expand" || angle % 90 === 0) return 0;
  if (crop !== "same") {
    const [w, h] = frame(width, height, angle, crop);
    return Math.min(1, Math.max(0, 1 - (w * h) / (width * height)));
  }
  const radians = (angle * Math.PI) / 180, sin = Math.abs(Math.sin(radians)), cos = Math.abs(Math.cos(radians));
  const long = Math.max(width, height), short = Math.min(width, height);
  if (Math.min(sin, cos) < 1e-9) return sin < cos ? 0 : 1 - short / long;
  if (long * (1 - cos) >= short * sin) return Math.max(0, 1 - short / (long * sin));
  const high = (long * cos + short * sin - long) / 2, low = (long * sin + short * cos - short) / 2;
  return (high * high + low * low) / (sin * cos * long * short);
}
