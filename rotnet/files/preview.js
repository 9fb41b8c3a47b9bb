// The page of `rotnet correct --preview`: a person decides, and saves rows that `rotnet apply` takes.

const $ = (id) => document.getElementById(id), grid = document.querySelector("main");
const cards = [...grid.querySelectorAll("article")], failed = [...grid.querySelectorAll(".failed")];
const LONGEST = 320; // pixels of a turned thumbnail
const CROPS = ["fit", "aspect", "keep", "same"];
const decisions = new Map(); // card -> { verdict: "turn" | "leave" | "out", angle, crop }, the crop where it was chosen
const done = []; // for undo: of each step, the cards and what had been decided of them
let current = cards[0], action = "all", isSaved = true;

// What is proposed, and what is to be done -----------------------------------------------------------------------------

const rowOf = (card) => JSON.parse(card.dataset.row);
const signed = (angle) => { const rest = ((angle % 360) + 360) % 360; return rest > 180 ? rest - 360 : rest; };
const shown = (angle) => `${signed(angle).toFixed(1)}°`;
const proposed = (card) => {
  const { action, angle } = rowOf(card);
  return { verdict: action === "turned" ? "turn" : "leave", angle };
};
const stateOf = (card) => decisions.get(card) ?? proposed(card);
const settled = (made) => (made.verdict === "turn" && made.angle % 360 === 0 ? { ...made, verdict: "leave" } : made);

// The line of a card in the file for `rotnet apply`: the plan's own where nothing was decided, none where it is left out.
function lineOf(card) {
  const made = decisions.get(card), row = rowOf(card);
  if (!made) return card.dataset.row + "\n";
  if (made.verdict === "out") return "";
  const was = proposed(card);
  row.decided = "person";
  const isOther = made.verdict !== was.verdict || (made.verdict === "turn" && made.angle !== was.angle);
  if (isOther) delete row.confidence; // the model's, of another verdict
  if (isOther && made.verdict === "leave") {
    Object.assign(row, { action: "upright", angle: 0, reason: "left as it is by a person" });
    delete row.crop;
    delete row.lost;
  } else if (isOther || (made.verdict === "turn" && made.crop && made.crop !== row.crop && !isWhole(made.angle))) {
    const what = isOther ? `turned by ${shown(made.angle)}` : `turned by ${shown(made.angle)}, cropped`;
    Object.assign(row, { action: "turned", angle: made.angle, reason: `${what} by a person` });
    delete row.lost; // which apply finds anew
    if (isWhole(made.angle)) delete row.crop;
    else row.crop = cropOf(card);
  }
  return JSON.stringify(row) + "\n";
}

function decide(chosen, choose) {
  done.push(chosen.map((card) => [card, decisions.get(card)]));
  for (const card of chosen) decisions.set(card, settled(choose(card)));
  changed(chosen);
}

function undo() {
  const step = done.pop();
  if (!step) return;
  for (const [card, before] of step) before ? decisions.set(card, before) : decisions.delete(card);
  changed(step.map(([card]) => card));
  for (const [card] of step) card.hidden = false;
  go(step[0][0]);
}

function changed(chosen) {
  isSaved = decisions.size === 0;
  for (const card of chosen) paint(card);
  tell();
}

// Pictures -------------------------------------------------------------------------------------------------------------

const isWhole = (angle) => angle % 90 === 0;
const plannedOf = (card) => rowOf(card).planned ?? { crop: "fit", fill: 0 }; // rows of a table are no plan
const lossOf = (card, angle, crop) => shareLost(...card.dataset.size.split(" ").map(Number), angle, crop);
const today = (crop) => ({ inscribed: "fit", expand: "keep" })[crop] ?? crop;

// The crop of a picture: the one that was decided or planned, else as rotnet.geometry.cropping chooses it.
function cropOf(card) {
  const { angle, crop } = stateOf(card), row = rowOf(card), how = plannedOf(card);
  if (how.sidecar) return "fit"; // it tells no other
  if (crop ?? (row.angle === angle && row.crop)) return today(crop ?? row.crop);
  const asked = today(how.crop), isTooMuch = lossOf(card, angle, asked) > (how.max_loss ?? 1) + 1e-9;
  return isTooMuch && how.beyond !== "leave" ? "keep" : asked;
}

function draw(card, canvas, image, longest) {
  const size = [image.naturalWidth, image.naturalHeight], { angle } = stateOf(card), { fill } = plannedOf(card);
  const [w, h] = frame(...size, angle, cropOf(card));
  const scale = Math.min(1, longest / Math.max(w, h)), context = canvas.getContext("2d");
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  const shades = [fill, fill, fill].flat().slice(0, 3);
  drawTurned(context, image, size, [w, h], angle, typeof fill === "string" ? fill : `rgb(${shades})`);
}

// Over the picture as it is, what would be level and plumb, and the lines that were believed; over the other a grid.
function guide(card, canvas, image) {
  for (const old of image.parentElement.querySelectorAll("svg")) old.remove();
  if (!$("guides").checked) return;
  const { angle } = stateOf(card), lines = JSON.parse(card.dataset.lines ?? "[]");
  const [w, h] = [image.naturalWidth, image.naturalHeight];
  const believed = lines.map(([x0, y0, x1, y1]) => `M${x0 * w} ${y0 * h}L${x1 * w} ${y1 * h}`).join("");
  const turn = `rotate(${-angle} ${w / 2} ${h / 2})`;
  image.after(overlay(w, h, `<path d="${gridOf(w, h)}" transform="${turn}"/><path class="believed" d="${believed}"/>`));
  canvas.after(overlay(canvas.width, canvas.height, `<path d="${gridOf(canvas.width, canvas.height)}"/>`));
}

// Lines through the middle and around it, long enough however they are turned.
function gridOf(w, h) {
  const step = Math.min(w, h) / 6, far = Math.hypot(w, h), count = Math.ceil(far / 2 / step);
  const across = (at) => `M${w / 2 - far} ${h / 2 + at}h${2 * far}M${w / 2 + at} ${h / 2 - far}v${2 * far}`;
  return Array.from({ length: 2 * count + 1 }, (_, number) => across((number - count) * step)).join("");
}

function overlay(w, h, content) {
  const box = document.createElement("div"); // the inner picture cuts off what lies outside
  box.innerHTML = `<svg viewBox="0 0 ${w} ${h}" aria-hidden="true"><svg width="${w}" height="${h}">${content}</svg></svg>`;
  return box.firstChild;
}

// What the crop takes away, in words.
function toldLoss(card) {
  const lost = Math.round(100 * lossOf(card, stateOf(card).angle, cropOf(card)));
  return lost ? `${lost}% cut off` : "nothing cut off";
}

// What a card shows of its decision, where it has controls.
function paint(card) {
  const { verdict, angle } = stateOf(card), isDecided = decisions.has(card);
  card.dataset.verdict = verdict;
  card.toggleAttribute("data-decided", isDecided);
  const canvas = card.querySelector("canvas");
  if (canvas) {
    card.querySelector("input").value = signed(angle).toFixed(1);
    for (const button of card.querySelectorAll("[data-do]"))
      if (["turn", "leave", "out"].includes(button.dataset.do)) button.ariaPressed = verdict === button.dataset.do;
    const image = card.querySelector("img");
    canvas.ariaLabel = `${verdict === "turn" ? "" : "would be "}turned by ${shown(angle)}`;
    const choice = card.querySelector("select");
    choice.disabled = isWhole(angle) || Boolean(plannedOf(card).sidecar);
    image.decode().then(() => {
      draw(card, canvas, image, LONGEST);
      guide(card, canvas, image);
      choice.value = cropOf(card);
      card.querySelector("output").textContent = toldLoss(card);
    }, () => {});
  }
  if ($("zoom").open && card === current) zoom();
}

// Controls and turned pictures are there for the cards in view alone, so that ten thousand cards stay light.
const watcher = new IntersectionObserver((seen) => {
  for (const { target: card, isIntersecting } of seen) {
    const controls = card.querySelector(".controls");
    if (isIntersecting && !controls) {
      card.append($("controls").content.cloneNode(true));
      paint(card);
    } else if (!isIntersecting && controls && !card.contains(document.activeElement)) {
      for (const part of card.querySelectorAll("canvas, svg, .controls")) part.remove();
    }
  }
}, { rootMargin: "400px" });

function zoom() {
  const box = $("zoom"), [image, canvas] = box.querySelectorAll("img, canvas"), link = box.querySelector("a");
  const card = current, { angle, verdict } = stateOf(card), small = card.querySelector("img");
  const told = { turn: `turned by ${shown(angle)}, ${toldLoss(card)}`, leave: "left as it is", out: "left out" }[verdict];
  const isNew = !box.open || link.getAttribute("href") !== card.dataset.file;
  $("zoomed").textContent = `${card.querySelector("h2").textContent}: ${told}`;
  link.href = card.dataset.file;
  canvas.ariaLabel = `turned by ${shown(angle)}`;
  const show = () => {
    draw(card, canvas, image, 1600);
    guide(card, canvas, image);
  };
  image.onload = show;
  image.onerror = () => {
    box.querySelector("span").textContent = "It cannot be shown here; this is its thumbnail.";
    image.onerror = null;
    image.src = small.src;
  };
  if (!box.open) box.showModal();
  if (isNew) {
    box.querySelector("span").textContent = "";
    image.src = card.dataset.file;
  } else show();
}

// Which are shown, and which is at hand ---------------------------------------------------------------------------------

const isShown = (card) =>
  (action === "all" || card.classList.contains(action)) &&
  !($("open").checked && decisions.has(card)) &&
  card.dataset.words.includes($("search").value.trim().toLowerCase());

function filter() {
  for (const card of cards) card.hidden = !isShown(card);
  const words = $("search").value.trim().toLowerCase();
  for (const line of failed)
    line.hidden = !["all", "failed"].includes(action) || !line.textContent.toLowerCase().includes(words);
  if (current?.hidden) at(cards.find((card) => !card.hidden) ?? current);
  tell();
}

// The card at hand is the one that the tab key comes to.
function at(card) {
  current?.removeAttribute("tabindex");
  current = card;
  if (card) card.tabIndex = 0;
}

function go(card) {
  if (!card) return;
  at(card);
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
  if ($("zoom").open) zoom();
}

// The card so many shown cards on, or the last one there is.
function from(card, steps) {
  const step = steps < 0 ? "previousElementSibling" : "nextElementSibling";
  for (let left = Math.abs(steps), next = card; left && (next = next[step]); )
    if (next.matches("article") && !next.hidden) [card, left] = [next, left - 1];
  return card;
}

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;

// What a person does ----------------------------------------------------------------------------------------------------

const deeds = {
  turn: (card) => ({ ...stateOf(card), verdict: "turn" }),
  leave: (card) => ({ ...stateOf(card), verdict: "leave" }),
  out: (card) => ({ ...stateOf(card), verdict: "out" }),
  accept: proposed,
  left: (card) => quarterOn(card, 270),
  right: (card) => quarterOn(card, 90),
  crop: (card) => ({ ...stateOf(card), verdict: "turn", crop: CROPS[(CROPS.indexOf(cropOf(card)) + 1) % CROPS.length] }),
};

// A quarter turn further, or of the picture as it is where it is not to be turned: the guess was not believed.
function quarterOn(card, angle) {
  const state = stateOf(card);
  return { ...state, verdict: "turn", angle: ((state.verdict === "turn" ? state.angle : 0) + angle) % 360 };
}

function act(card, name) {
  decide([card], deeds[name]);
  if (!["left", "right", "crop"].includes(name)) next(card); // more of these may follow
}

function next(card) {
  go(from(card, 1));
  if (card !== current) card.hidden = !isShown(card);
}

const keys = {
  a: "accept", t: "turn", enter: "turn", l: "leave", x: "out", "[": "left", "]": "right", c: "crop",
};
const ways = {
  arrowright: () => 1, arrowleft: () => -1, j: () => 1, k: () => -1, arrowdown: columns, arrowup: () => -columns(),
};

document.onkeydown = (event) => {
  const key = event.key.toLowerCase(), { target } = event;
  const isTyping = target.matches("input:not([type=checkbox]), select");
  if (!isTyping && (key === "u" || (key === "z" && (event.ctrlKey || event.metaKey)))) return event.preventDefault(), undo();
  if (event.ctrlKey || event.metaKey || event.altKey || !current || current.hidden) return;
  if (isTyping) {
    const card = target.closest("article");
    if (card && target.matches("input") && (key === "enter" || key === "escape")) {
      event.preventDefault();
      if (key === "escape") paint(card), card.focus();
      else if (take(card)) next(card);
    }
    return;
  }
  if (key === "enter" && target.matches("button, a, summary, [type=checkbox]")) return;
  if (keys[key]) act(current, keys[key]);
  else if (ways[key]) go(from(current, ways[key]()));
  else if (key === "g") $("guides").click();
  else if (key === "z") $("zoom").open ? $("zoom").close() : zoom();
  else if (key === "e" && !$("zoom").open) current.querySelector("input")?.select();
  else return;
  event.preventDefault();
};

// Turns by the angle in the field of a card, unless that is no angle. The one at hand, which is shown to a tenth, stays.
function take(card) {
  const field = card.querySelector("input"), typed = field.valueAsNumber;
  const isValid = Number.isFinite(typed) && Math.abs(typed) <= 360;
  if (!isValid) paint(card);
  else if (field.value === signed(stateOf(card).angle).toFixed(1)) decide([card], deeds.turn);
  else decide([card], (card) => ({ ...stateOf(card), verdict: "turn", angle: ((typed % 360) + 360) % 360 }));
  return isValid;
}

grid.onchange = ({ target }) => {
  const card = target.closest("article");
  if (target.matches("select")) decide([card], () => ({ ...stateOf(card), verdict: "turn", crop: target.value }));
  else if (card && card === current) take(card);
};
grid.onfocusin = ({ target }) => {
  const card = target.closest("article");
  if (card) at(card);
};
grid.onclick = ({ target }) => {
  const card = target.closest("article"), button = target.closest("[data-do]");
  if (!card) return;
  at(card);
  if (button) decide([card], deeds[button.dataset.do]);
  else if (target.matches("img, canvas")) zoom();
  else if (!target.matches("input, select, label")) card.focus();
};
$("undo").onclick = undo;
$("accept").onclick = () => {
  const open = cards.filter((card) => !card.hidden && !decisions.has(card));
  if (open.length) decide(open, proposed);
  filter();
};
$("search").oninput = $("open").onchange = filter;
$("guides").onchange = () => {
  for (const canvas of grid.querySelectorAll("canvas")) paint(canvas.closest("article"));
  if ($("zoom").open) zoom();
};
$("zoom").onclick = ({ target }) => target.matches("dialog") && $("zoom").close();
$("zoom").onclose = () => go(current);
$("save").hidden = !cards.some((card) => rowOf(card).planned); // of a sheet to judge by there is nothing to apply
$("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(cards.map(lineOf), { type: "application/x-ndjson" }));
  link.download = "decisions.jsonl";
  link.click();
  isSaved = true;
};
window.onbeforeunload = (event) => { if (!isSaved && !$("save").hidden) event.preventDefault(); };

function tell() {
  const counts = { turn: 0, leave: 0, out: 0 };
  for (const card of cards) counts[decisions.get(card)?.verdict ?? (card.classList.contains("turned") ? "turn" : "leave")]++;
  const seen = cards.filter((card) => !card.hidden).length;
  $("told").textContent =
    `${counts.turn} to turn, ${counts.leave} to leave, ${counts.out} left out; ${decisions.size} of ${cards.length} decided by you` +
    (seen < cards.length ? `; ${seen} shown` : "");
  $("undo").disabled = done.length === 0;
}

const names = { all: "all", turned: "turned", upright: "upright", "slight tilt": "slight tilt", unsure: "not sure", left: "too much lost", failed: "failed" };
const counts = JSON.parse($("counts").textContent);
for (const [name, told] of Object.entries(names)) {
  const count = name === "all" ? cards.length + counts.failed : counts[name];
  if (!count) continue;
  const button = Object.assign(document.createElement("button"), { textContent: `${told} ${count}` });
  button.ariaPressed = name === "all";
  button.onclick = () => {
    action = name.replace(" ", "-");
    for (const other of $("show").children) other.ariaPressed = other === button;
    filter();
  };
  $("show").append(button);
}
for (const card of cards) {
  card.dataset.words = `${card.title} ${card.textContent}`.toLowerCase();
  watcher.observe(card);
}
at(current);
tell();
