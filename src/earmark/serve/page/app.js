// Puts the page together: the models, the two panels, and the answer that both share.

import * as api from "/page/api.js";
import { loadSymbols } from "/page/draw.js";
import { inkPanel } from "/page/ink.js";
import { soundPanel } from "/page/sound.js";

const $ = (id) => document.getElementById(id);
let models = {};

const percent = (share) => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;

function described(answer) {
  // The name, not the Unicode character: few systems have a font with musical symbols.
  if (answer.name) return answer.name;
  return answer.hz ? `${answer.label} (${answer.hz} Hz)` : answer.label;
}

// One of several labels that hold at once.
function chip(answer) {
  const element = document.createElement("span");
  element.className = "chip";
  element.textContent = described(answer);
  return element;
}

function show(values, waiting = "Nothing yet.") {
  if (!values) {
    $("answer").textContent = waiting;
    $("bars").replaceChildren();
    return;
  }
  const sure = values.top?.length ? ` ${percent(values.confidence)}` : "";
  if (values.labels?.length) $("answer").replaceChildren(...values.labels.map(chip));
  else $("answer").textContent = values.reason ?? (values.labels ? values.label : described(values) + sure);
  const given = values.labels ?? [];
  const others = (values.top ?? []).filter((answer) => !given.some(({ label }) => label === answer.label));
  $("bars").replaceChildren(...[...given, ...others].map((answer) => {
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

const shared = { model: () => $("model").value, show, fail };
const sound = soundPanel(shared);
let ink = null;

function choose() {
  const chosen = models[$("model").value];
  if (!chosen) return;
  const [draws, looks] = [chosen.domain === "ink", chosen.domain === "picture"];
  $("about").textContent = chosen.about || `${chosen.labels.length} labels`;
  $("sound").hidden = draws || looks;
  $("picture").hidden = !looks;
  $("ink").hidden = !draws;
  fail(null);
  show(null);
  ink.clear();
  sound.setTask(chosen.task);
}

async function start(wanted = null) {
  await loadSymbols();
  ink ??= inkPanel(shared);
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
