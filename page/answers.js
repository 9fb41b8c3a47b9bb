// Who answers the page: here the browser itself, by a network that runs in a worker. Takes the place of the file of the
// same name that asks the server of `rotnet serve`.

export const note =
  "Turned pictures are encoded anew here, without their metadata; JPEG files stay JPEG, others become PNG. " +
  "For lossless turns that keep everything, use the command rotnet correct.";

// Of a blob, so that the page's rule about connections holds in the worker too; a worker of an address would have none.
const start = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
const worker = new Worker(URL.createObjectURL(new Blob([start], { type: "text/javascript" })), { type: "module" });
const waiting = new Map();
let count = 0, broken = null;

worker.onmessage = ({ data: { id, answer, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
};
worker.onerror = () => {
  broken = new Error("The page could not be loaded whole. Load it anew.");
  for (const { reject } of waiting.values()) reject(broken);
  waiting.clear();
};

const ask = (task, ...given) =>
  new Promise((resolve, reject) => {
    if (broken) return reject(broken);
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, task, given });
  });

export const look = (file) => ask("look", file);
export const correct = (file, angle, crop, fill) => ask("correct", file, angle, crop, fill);

// keeps the page for the next time, without a network
navigator.serviceWorker?.register("service_worker.js").catch(() => {});
