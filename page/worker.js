// A thread of its own, so that the page goes on while a picture is looked at: it decodes, asks the network, and turns.

import * as ort from "./ort.js";
import { decide } from "./decision.js";
import { predict } from "./prediction.js";
import { turnedFile } from "./turning.js";
import { readStrip, turnedViews } from "./views.js";

const PREVIEW = 1600; // pixels of the longer side
const MOST = 100_000_000; // pixels of a picture
const here = (name) => new URL(name, import.meta.url).href;

ort.env.wasm.numThreads = 1; // more would need headers that a plain file server does not send
ort.env.wasm.wasmPaths = { wasm: here("ort.wasm") };

async function loaded() {
  try {
    const settings = await (await fetch(here("model.json"))).json();
    return { settings, network: await ort.InferenceSession.create(here(settings.file), { executionProviders: ["wasm"] }) };
  } catch (error) {
    throw new Error(`The network could not be loaded: ${error.message}. Load the page anew.`);
  }
}

const ready = loaded(); // before the first picture comes
ready.catch(() => {}); // it is told with each picture

async function look(file) {
  const { settings, network } = await ready;
  const bitmap = await decoded(file), { width, height } = bitmap;
  const strip = readStrip(bitmap, settings.size, settings.longest);
  bitmap.close();
  const prediction = await predicted(turnedViews(strip, settings.size), settings, network);
  const decision = decide(prediction, settings);
  const probabilities = Array.from(prediction.probabilities);
  return { picture: await preview(file, width, height), prediction: { ...decision, angle: prediction.angle, probabilities, width, height } };
}

// What as many of the four views say as it takes to be sure.
async function predicted(views, settings, network) {
  const { size } = settings, one = size * size * 3;
  const scores = async (pixels) => {
    const batch = new ort.Tensor("float32", pixels, [pixels.length / one, size, size, 3]);
    return (await network.run({ [network.inputNames[0]]: batch }))[network.outputNames[0]].data;
  };
  let seen = 0, said = [], prediction;
  for (const more of settings.looks) {
    said = Float32Array.of(...said, ...(await scores(views.subarray(seen * one, (seen + more) * one))));
    seen += more;
    prediction = predict(said, settings);
    if (prediction.confidence >= settings.sureFrom) break;
  }
  return prediction;
}

// As it stands in the file: a colour profile makes no difference to which way is up, but some to the network.
async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error("This is not a picture that this browser can read. The command `rotnet correct` reads more kinds.");
  }
  if (bitmap.width * bitmap.height > MOST)
    throw new Error(`This has more than ${MOST / 1e6} million pixels, too many for a page. Use the command \`rotnet correct\`.`);
  return bitmap;
}

async function preview(file, width, height) {
  const scale = Math.min(1, PREVIEW / Math.max(width, height));
  if (scale === 1) return file;
  const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.max(1, Math.round(scale * side)));
  const bitmap = await createImageBitmap(file, { resizeWidth, resizeHeight, resizeQuality: "medium" });
  const canvas = new OffscreenCanvas(resizeWidth, resizeHeight);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: file.type === "image/jpeg" ? "image/jpeg" : "image/png", quality: 0.88 });
}

const tasks = { look, correct: turnedFile };
let last = Promise.resolve(); // one picture at a time, for memory
onmessage = ({ data: { id, task, given } }) => {
  last = last.then(() => tasks[task](...given)).then(
    (answer) => postMessage({ id, answer }),
    (error) => postMessage({ id, error: error.message }),
  );
};
