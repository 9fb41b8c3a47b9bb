// The upright picture, drawn and encoded by the browser.

import { frame } from "./frame.js";

const QUALITY = 0.95; // of a JPEG

// A file with a picture turned clockwise by an angle. A JPEG stays one, what else there is becomes a PNG, which loses
// nothing of the pixels; the file itself comes back where there is nothing to turn.
export async function turnedFile(file, angle, crop) {
  if (angle % 360 === 0) return file;
  const bitmap = await createImageBitmap(file);
  const [width, height] = whole(frame(bitmap.width, bitmap.height, angle, crop), crop);
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  if (!context) throw new Error("There is not enough memory to turn this picture.");
  const type = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
  if (type === "image/jpeg") {
    context.fillStyle = "black"; // the corners; those of a PNG are clear
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.translate(width / 2, height / 2);
  // exactly for a quarter turn, of which the sine is not
  const [sin, cos] = angle % 90 ? [Math.sin((angle * Math.PI) / 180), Math.cos((angle * Math.PI) / 180)] : quarter(angle);
  context.transform(cos, sin, -sin, cos, 0, 0);
  context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type, quality: QUALITY });
  const name = type === "image/png" ? file.name.replace(/(\.[^.]*)?$/, ".png") : file.name;
  return new File([blob], name, { type });
}

const quarter = (angle) => [[0, 1], [1, 0], [0, -1], [-1, 0]][(((angle / 90) % 4) + 4) % 4];

// whole pixels, as rotnet.geometry.warping.rotate rounds them
const whole = (sides, crop) =>
  sides.map((side) => (crop === "keep" || crop === "expand" ? Math.ceil(side - 1e-6) : Math.max(1, Math.floor(side + 1e-6))));
