// The upright picture, drawn and encoded by the browser.

import { frame } from "./frame.js";
import { drawTurned } from "./turned.js";

const QUALITY = 0.95; // of a JPEG

// A file with a picture turned clockwise by an angle. A JPEG stays one, what else there is becomes a PNG, which loses
// nothing of the pixels; the file itself comes back where there is nothing to turn.
export async function turnedFile(file, angle, crop, fill = "black") {
  if (angle % 360 === 0) return file;
  const bitmap = await createImageBitmap(file);
  const [width, height] = whole(frame(bitmap.width, bitmap.height, angle, crop), crop);
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  if (!context) throw new Error("There is not enough memory to turn this picture.");
  const type = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
  context.imageSmoothingQuality = "high";
  context.translate(width / 2, height / 2);
  const around = fill === "black" && type === "image/png" ? null : fill; // black corners of a PNG are clear ones
  drawTurned(context, bitmap, [bitmap.width, bitmap.height], [width, height], angle, around);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type, quality: QUALITY });
  const name = type === "image/png" ? file.name.replace(/(\.[^.]*)?$/, ".png") : file.name;
  return new File([blob], name, { type });
}

// whole pixels, as rotnet.geometry.warping.rotate rounds them
const whole = (sides, crop) =>
  sides.map((side) => (crop === "keep" || crop === "expand" ? Math.ceil(side - 1e-6) : Math.max(1, Math.floor(side + 1e-6))));
