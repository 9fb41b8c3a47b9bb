import { correct, look, note } from "./answers.js";
import { frame } from "./frame.js";
import { zip } from "./zip.js";

// Angles are degrees counter-clockwise, the turn that the picture has undergone: showing it upright turns it clockwise.

const $ = (id) => document.getElementById(id);
const pictures = []; // { file, element, image, prediction, angle, error }
let current = null;

// to a tenth of a degree in (-180, 180]
const signed = (angle) => {
  const tenths = ((Math.round(10 * angle) % 3600) + 3600) % 3600;
  return (tenths > 1800 ? tenths - 3600 : tenths) / 10;
};
const degrees = (angle) => `${signed(angle).toFixed(1)}°`;
const crop = () => document.querySelector("input[name=crop]:checked").value;

// Pictures come in -----------------------------------------------------------------------------------------------------

async function add(files) {
  const added = [...files].map((file) => {
    const picture = { file, element: tile(file) };
    pictures.push(picture);
    picture.element.querySelector("button").onclick = () => show(picture);
    return picture;
  });
  if (!added.length) return;
  document.body.classList.add("working");
  if (!current) show(added[0]);
  for (const picture of added) await load(picture);
}

async function load(picture) {
  try {
    const seen = await look(picture.file);
    picture.image = await decoded(URL.createObjectURL(seen.picture));
    picture.prediction = seen.prediction;
    picture.angle = signed(picture.prediction.turn);
  } catch (error) {
    picture.error = error.message;
  }
  drawTile(picture);
  if (picture === current) show(picture);
}

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

const corrected = (picture) => correct(picture.file, picture.angle, crop());

// The strip of all pictures --------------------------------------------------------------------------------------------

function tile(file) {
  const element = document.createElement("li");
  element.innerHTML =
    '<button type="button"><span class="thumb">…</span><small class="state">looking</small><small class="name"></small></button>';
  element.querySelector(".name").textContent = file.name;
  element.querySelector("button").title = file.name;
  $("strip").append(element);
  return element;
}

function drawTile({ element, image, angle, error, prediction }) {
  const state = element.querySelector(".state"), thumb = element.querySelector(".thumb");
  state.classList.toggle("bad", Boolean(error));
  if (error) {
    thumb.textContent = "✕";
    state.textContent = "not read";
  } else {
    thumb.replaceChildren(image.cloneNode());
    state.textContent = angle ? `turned by ${degrees(angle)}` : prediction.action;
  }
}

const isUnsure = (prediction) => prediction.action === "unsure" || prediction.action === "slight tilt";

// The picture at hand --------------------------------------------------------------------------------------------------

function show(picture) {
  current = picture;
  for (const { element } of pictures)
    element.querySelector("button").setAttribute("aria-current", element === picture.element);
  $("problem").textContent = picture.error ?? "";
  const ready = Boolean(picture.prediction);
  for (const control of document.querySelectorAll("aside :is(button, input):not(#download-all)")) control.disabled = !ready;
  $("name").textContent = picture.file.name;
  $("verdict").textContent = ready ? verdict(picture.prediction) : picture.error ? "Not read" : "Looking at it …";
  $("verdict").classList.toggle("unsure", ready && isUnsure(picture.prediction));
  const confidence = ready ? picture.prediction.confidence : 0;
  $("confidence").value = confidence;
  $("percent").textContent = ready ? `${Math.round(100 * confidence)} %` : "";
  if (ready) $("name").textContent += ` · ${picture.prediction.width} × ${picture.prediction.height}`;
  draw();
}

function verdict(prediction) {
  return prediction.reason[0].toUpperCase() + prediction.reason.slice(1);
}

function turn(angle) {
  if (!current?.prediction || !Number.isFinite(angle)) return;
  current.angle = signed(angle);
  drawTile(current);
  draw();
}

function draw() {
  const { image, angle = 0 } = current;
  $("slider").value = angle;
  if (document.activeElement !== $("angle")) $("angle").value = angle;
  drawDial();
  for (const canvas of [$("before"), $("after")]) canvas.width = 0;
  if (!image) return;
  paint($("before"), image, 0, "same");
  paint($("after"), image, angle, crop());
}

// Draw a picture turned clockwise by an angle and cropped, as large as the canvas allows.
function paint(canvas, image, angle, how) {
  const ratio = window.devicePixelRatio || 1, box = $("stage").getBoundingClientRect();
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const [width, height] = frame(image.naturalWidth, image.naturalHeight, angle, how);
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.beginPath();
  context.rect(-width / 2, -height / 2, width, height);
  context.clip();
  context.fillStyle = "black";
  context.fill();
  context.rotate((angle * Math.PI) / 180);
  context.drawImage(image, -image.naturalWidth / 2, -image.naturalHeight / 2);
}

// The dial: 360 probabilities around the circle, upright above, and a hand for the angle that is chosen -----------------

const RADIUS = 100;
const at = (angle, radius) => {
  const radians = (angle * Math.PI) / 180;
  return `${(-radius * Math.sin(radians)).toFixed(2)},${(-radius * Math.cos(radians)).toFixed(2)}`;
};

function drawDial() {
  const { prediction, angle = 0 } = current;
  const ticks = Array.from({ length: 24 }, (_, n) => `<path class="tick" d="M${at(15 * n, RADIUS)}L${at(15 * n, n % 6 ? RADIUS - 4 : RADIUS - 9)}"/>`);
  const labels = [0, 90, 180, 270].map((label) => `<text x="${at(label, 117).split(",")[0]}" y="${at(label, 117).split(",")[1]}">${degrees(label)}</text>`);
  let petals = "";
  if (prediction) {
    const highest = Math.max(...prediction.probabilities);
    // by the root, so that it is the area that tells
    const points = prediction.probabilities.map((share, bin) => at(bin, 12 + (RADIUS - 16) * Math.sqrt(share / highest)));
    petals = `<path class="petals" d="M${points.join("L")}Z"/>`;
  }
  const hand = prediction ? `<path class="hand" d="M0,0L${at(angle, RADIUS)}"/><circle class="knob" r="3"/><g transform="translate(${at(angle, RADIUS)})"><circle class="knob" r="6"/></g>` : "";
  $("dial").innerHTML = `<circle class="ring" r="${RADIUS}"/>${ticks.join("")}${labels.join("")}${petals}${hand}`;
}

function turnByPointer(event) {
  if (!event.buttons) return;
  const box = $("dial").getBoundingClientRect();
  const right = event.clientX - box.left - box.width / 2, up = box.top + box.height / 2 - event.clientY;
  turn((Math.atan2(-right, up) * 180) / Math.PI);
}

// Downloads ------------------------------------------------------------------------------------------------------------

const stem = (name) => name.replace(/\.[^.]*$/, "");
const upright = (name) => `${stem(name)}-upright${name.slice(stem(name).length)}`;

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveAll() {
  const entries = [], failed = [], names = new Set();
  const fit = pictures.filter(({ prediction }) => prediction);
  for (const [index, picture] of fit.entries()) {
    $("download-all").textContent = `Turning ${index + 1} of ${fit.length} …`;
    try {
      const upright = await corrected(picture);
      const bytes = new Uint8Array(await upright.arrayBuffer());
      const given = upright.name;
      let name = given;
      for (let copy = 2; names.has(name.toLowerCase()); copy++) name = `${stem(given)} (${copy})${given.slice(stem(given).length)}`;
      names.add(name.toLowerCase());
      entries.push({ name, bytes });
    } catch (error) {
      failed.push(`${picture.file.name}: ${error.message}`);
    }
  }
  if (entries.length) save(zip(entries), "upright.zip");
  say(failed.join("\n"));
}

async function busy(button, work) {
  const text = button.textContent;
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
  button.textContent = text;
  button.disabled = false;
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

// Wiring ---------------------------------------------------------------------------------------------------------------

$("files").onchange = (event) => {
  add([...event.target.files]);
  event.target.value = "";
};
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
$("compare").oninput = (event) => $("stage").style.setProperty("--cut", `${event.target.value}%`);
$("slider").oninput = (event) => turn(event.target.valueAsNumber);
$("angle").oninput = (event) => turn(event.target.valueAsNumber);
$("angle").onfocus = (event) => event.target.select();
$("angle").onblur = draw;
$("dial").onpointerdown = (event) => {
  $("dial").setPointerCapture(event.pointerId);
  turnByPointer(event);
};
$("dial").onpointermove = turnByPointer;
for (const button of document.querySelectorAll("[data-turn]"))
  button.onclick = () => turn(current.angle + Number(button.dataset.turn));
$("predicted").onclick = () => turn(current.prediction.angle);
$("untouched").onclick = () => turn(0);
for (const choice of document.querySelectorAll("input[name=crop]")) choice.onchange = draw;
$("download").onclick = (event) => busy(event.target, async () => {
  const file = await corrected(current);
  save(file, upright(file.name));
});
$("download-all").onclick = (event) => busy(event.target, saveAll);
$("note").textContent = note;
document.body.classList.add("ready");
addEventListener("resize", () => current?.image && draw());
