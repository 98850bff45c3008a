// Puts the page together: the models, the two panels, and the answer that both share.

import * as api from "/page/api.js";
import { loadSymbols } from "/page/draw.js";
import { inkPanel } from "/page/ink.js";
import { linePanel } from "/page/line.js";
import { soundPanel } from "/page/sound.js";
import { whyPanel } from "/page/why.js";

const $ = (id) => document.getElementById(id);
const MOST_CHIPS = 12;
let models = {};

const percent = (share) => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;

function described(answer) {
  // The name, not the Unicode character: few systems have a font with musical symbols.
  if (answer.name) return answer.name;
  return answer.hz ? `${answer.label} (${answer.hz} Hz)` : answer.label;
}

// What is said of several labels at once: the chord that keys are, or how many notes a piece has, and in which key.
function summary({ chord, notes, key, sounding }) {
  if (chord && !(notes?.length > sounding.length)) return [chord.name];
  return notes?.length ? [`${notes.length} ${notes.length === 1 ? "note" : "notes"}${key ? `, ${key.name}` : ""}`] : [];
}

// All labels that are given; of piano keys those that sound, from the lowest up.
function givenOf({ labels, sounding }) {
  if (!labels || !sounding) return labels ?? [];
  return sounding.map((key) => ({ label: key.name, hz: key.frequency_hz, confidence: key.confidence }));
}

// One of several labels that hold at once.
function chip(answer) {
  const element = document.createElement("span");
  element.className = "chip";
  element.textContent = answer.hz ? answer.label : described(answer);
  return element;
}

function heading(text) {
  const element = document.createElement("strong");
  element.textContent = text;
  return element;
}

function show(values, waiting = "Nothing yet.") {
  if (!values) {
    $("answer").textContent = waiting;
    $("bars").replaceChildren();
    return;
  }
  const sure = values.top?.length ? ` ${percent(values.confidence)}` : "";
  const given = givenOf(values), said = summary(values).map(heading);
  const chips = given.slice(0, MOST_CHIPS).map(chip);
  if (given.length || said.length) $("answer").replaceChildren(...said, ...chips);
  else $("answer").textContent = values.reason ?? (values.labels ? values.label : described(values) + sure);
  const others = (values.top ?? []).filter((answer) => !given.some(({ label }) => label === answer.label));
  $("bars").replaceChildren(...[...given.slice(0, MOST_CHIPS), ...others].map((answer) => {
    const item = document.createElement("li");
    item.classList.toggle("given", given.includes(answer));
    const label = document.createElement("span");
    label.textContent = described(answer);
    const share = document.createElement("span");
    share.textContent = percent(answer.confidence);
    const bar = document.createElement("meter");
    bar.value = answer.confidence;
    bar.setAttribute("aria-label", described(answer));
    item.append(label, share, bar);
    return item;
  }));
}

function fail(error) {
  $("error").hidden = !error;
  $("error").textContent = error ? error.message : "";
  if (error) show(null);
  if (error instanceof api.NeedsToken) $("token-form").hidden = false;
}

const model = () => $("model").value;
const why = whyPanel({ model });
const shared = { model, show, fail, why };
const sound = soundPanel(shared);
let ink = null, line = null;

// What the card says of a model, in a list: what it answers with, how often it was right, and what it cannot do.
function cardFacts({ labels, scores, limits, licence }) {
  const known = labels.length > 12 ? `${labels.slice(0, 12).join(", ")} and ${labels.length - 12} more` : labels.join(", ");
  const scored = scores.map(({ n, accuracy, mean_average_precision: precision, protocol }) => {
    const figure = precision === null ? `Right for ${percent(accuracy)}` : `Mean average precision ${precision.toFixed(2)}`;
    return `${figure} of ${n} examples. Protocol: ${protocol}.`;
  });
  const all = [`It answers with ${labels.length} labels: ${known}. Of anything else it knows nothing.`, ...scored, ...limits];
  return [...all, ...(licence ? [`Licence: ${licence}`] : [])].map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  });
}

function choose() {
  const chosen = models[$("model").value];
  if (!chosen) return;
  const [draws, looks] = [chosen.domain === "ink", chosen.domain === "picture"];
  $("about").textContent = chosen.about || `${chosen.labels.length} labels`;
  $("card-facts").replaceChildren(...cardFacts(chosen));
  $("sound").hidden = draws || looks;
  $("picture").hidden = !looks;
  $("ink").hidden = !draws;
  $("written").hidden = !draws || chosen.task !== "symbol";
  fail(null);
  show(null);
  why.forget();
  ink.clear();
  line.setLabels(draws ? chosen.labels : []);
  sound.setTask(chosen.task);
}

async function start(wanted = null) {
  await loadSymbols();
  ink ??= inkPanel(shared);
  line ??= linePanel(shared);
  try {
    const known = await api.models();
    models = known.models;
    $("bring").hidden = !known.takes_own;
  } catch (error) {
    fail(error);
    return;
  }
  $("token-form").hidden = true;
  $("model").replaceChildren(...Object.keys(models).map((name) => new Option(name, name)));
  if (wanted) $("model").value = wanted;
  choose();
}

$("model").onchange = choose;
$("picture-file").onchange = async ({ target }) => {
  const file = target.files[0];
  target.value = "";
  if (!file) return;
  fail(null);
  try {
    show(await api.predictFile($("model").value, file));
    why.about({ file });
  } catch (error) {
    fail(error);
  }
};
$("model-file").onchange = async ({ target }) => {
  const file = target.files[0];
  target.value = "";
  if (!file) return;
  try {
    await start(await api.bringModel(file));
  } catch (error) {
    fail(error);
  }
};
$("token-form").onsubmit = (event) => {
  event.preventDefault();
  api.useToken($("token").value.trim());
  start();
};
start();
