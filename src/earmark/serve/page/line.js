// The panel of lines: strokes on a staff are read while they are written, and the line stands in print below.

import * as api from "/page/api.js";
import { save } from "/page/save.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 150;
const STAFF = { top: 117, space: 24 };
const PEN = 4;
const DOUBTFUL = 0.6;

export function linePanel({ model, fail }) {
  const sheet = $("sheet"), context = sheet.getContext("2d");
  let strokes = [], known = [], symbols = [], chosen = null, current = null;
  let history = [], examples = [], labels = [];
  let busy = false, again = false, failed = false, timer = null, version = 0;

  const line = () => ({ strokes, staff: STAFF, known });

  function paint() {
    // A canvas takes no variables, but an element tells what they come to.
    const colour = (name) => {
      sheet.style.color = `var(${name})`;
      return getComputedStyle(sheet).color;
    };
    context.clearRect(0, 0, sheet.width, sheet.height);
    context.strokeStyle = colour("--rule");
    context.lineWidth = 2;
    for (let rule = 0; rule < 5; rule++) {
      const y = STAFF.top + rule * STAFF.space;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(sheet.width, y);
      context.stroke();
    }
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = PEN;
    const unknown = new Set(symbols.filter(({ label }) => label === "unknown").flatMap((symbol) => symbol.strokes));
    const lit = new Set(symbols[chosen]?.strokes ?? []);
    strokes.forEach((stroke, index) => {
      context.strokeStyle = colour(lit.has(index) ? "--accent" : unknown.has(index) ? "--bad" : "--ink");
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      // A click has no length, and a line without length is not drawn.
      if (stroke.length === 1) context.lineTo(stroke[0][0] + 0.1, stroke[0][1]);
      context.stroke();
    });
  }

  function print(values) {
    symbols = values?.symbols ?? [];
    if (!symbols[chosen]) chosen = null;
    const parsed = values?.svg && new DOMParser().parseFromString(values.svg, "image/svg+xml").documentElement;
    $("engraved").replaceChildren(...(parsed ? [document.importNode(parsed, true)] : []));
    for (const group of $("engraved").querySelectorAll(".symbol")) {
      const symbol = symbols[group.dataset.symbol];
      group.setAttribute("tabindex", "0");
      group.setAttribute("role", "button");
      group.setAttribute("aria-label", `Correct ${symbol.name ?? symbol.label}`);
      group.classList.toggle("doubtful", symbol.confidence < DOUBTFUL || symbol.label === "unknown");
      group.onclick = () => choose(Number(group.dataset.symbol));
      group.onkeydown = (event) => { if (event.key === "Enter") group.onclick(); };
    }
    choose(chosen);
    $("line-undo").disabled = !history.length;
    for (const id of ["line-clear", "collect"]) $(id).disabled = !strokes.length;
    for (const button of document.querySelectorAll(".export")) button.disabled = !symbols.length;
  }

  // One request at a time: while one is under way, only the newest line waits.
  async function ask() {
    timer = null;
    if (busy) { again = true; return; }
    if (!strokes.length) return;
    busy = true;
    const asked = version;
    try {
      const values = await api.readLine(model(), line());
      if (asked === version) {
        if (failed) fail(null); // and nobody else's failure
        failed = false;
        print(values);
      }
    } catch (error) {
      if (asked === version) {
        failed = true;
        fail(error);
      }
    }
    busy = false;
    if (again) { again = false; ask(); }
  }

  function changed() {
    version += 1;
    paint();
    if (strokes.length) timer ??= setTimeout(ask, EVERY_MS);
    else print(null);
  }

  function remember() {
    history.push({ strokes: strokes.slice(), known });
  }

  function choose(index) {
    chosen = index;
    for (const group of $("engraved").querySelectorAll(".symbol")) {
      group.classList.toggle("chosen", Number(group.dataset.symbol) === index);
    }
    const symbol = symbols[index];
    $("choice").hidden = !symbol;
    $("line-hint").hidden = Boolean(symbol);
    if (symbol) {
      $("choice-title").textContent = symbol.reason ?? `Read as ${symbol.name ?? symbol.label}. It is:`;
      $("rivals").replaceChildren(...symbol.top.map((answer) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = `${answer.name ?? answer.label} ${Math.floor(100 * answer.confidence)} %`;
        button.setAttribute("aria-pressed", answer.label === symbol.label);
        button.onclick = () => correct(answer.label);
        return button;
      }));
      $("other").value = "";
    }
    paint();
  }

  function correct(label) {
    remember();
    const mine = symbols[chosen].strokes;
    known = [...known.filter((given) => !given.strokes.some((stroke) => mine.includes(stroke))), { label, strokes: mine }];
    chosen = null;
    changed();
  }

  function point(event) {
    const box = sheet.getBoundingClientRect();
    return [
      Math.round(((event.clientX - box.left) * sheet.width) / box.width),
      Math.round(((event.clientY - box.top) * sheet.height) / box.height),
    ];
  }

  sheet.onpointerdown = (event) => {
    if (current || event.button !== 0) return;
    sheet.setPointerCapture(event.pointerId);
    remember();
    current = { id: event.pointerId, points: [point(event)] };
    strokes.push(current.points);
    paint();
  };
  sheet.onpointermove = (event) => {
    if (event.pointerId !== current?.id) return;
    const events = event.getCoalescedEvents?.() ?? [];
    current.points.push(...(events.length ? events : [event]).map(point));
    paint();
  };
  sheet.onpointerup = sheet.onpointercancel = (event) => {
    if (event.pointerId !== current?.id) return;
    current = null;
    changed();
  };

  $("line-undo").onclick = () => {
    ({ strokes, known } = history.pop());
    chosen = null;
    changed();
  };
  $("line-clear").onclick = () => {
    remember();
    [strokes, known, chosen] = [[], [], null];
    changed();
  };
  $("other").onchange = ({ target }) => { if (target.value) correct(target.value); };
  for (const button of document.querySelectorAll(".export")) {
    button.onclick = async () => {
      const { wanted } = button.dataset;
      try {
        if (wanted === "musicxml") save(await api.exported(model(), line(), wanted), "line.musicxml");
        else if (wanted === "svg") save(new Blob([printed()], { type: "image/svg+xml" }), "line.svg");
        else save(new Blob([JSON.stringify({ ...line(), symbols })], { type: "application/json" }), "line.json");
      } catch (error) {
        fail(error);
      }
    };
  }
  $("collect").onclick = () => {
    const named = symbols.filter(({ label }) => label !== "unknown");
    examples.push({ strokes, known: named.map(({ label, strokes: own }) => ({ label, strokes: own })) });
    const n = examples.reduce((sum, each) => sum + each.known.length, 0);
    $("save-examples").hidden = false;
    $("save-examples").textContent = `Save ${n} examples`;
    $("line-clear").click();
    history = [];
    print(null);
  };
  $("save-examples").onclick = async () => {
    try {
      save(await api.exported(model(), { lines: examples }, "homus"), "own-hand.zip");
    } catch (error) {
      fail(error);
    }
  };
  $("line-file").onchange = async ({ target }) => {
    const file = target.files[0];
    target.value = "";
    if (!file) return;
    fail(null);
    try {
      const values = JSON.parse(await file.text());
      const opened = onStaff(Array.isArray(values) ? { strokes: values } : values);
      remember();
      [strokes, known, chosen] = [opened.strokes, opened.known ?? [], null];
      changed();
    } catch {
      fail(new Error(`${file.name}: holds no strokes; give a line that was saved here, or a list of strokes`));
    }
  };

  // Fits strokes of any unit on the staff of the sheet.
  function onStaff({ strokes: given, staff, known: named }) {
    const points = given.flat();
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    if (!points.length || ![...xs, ...ys].every(Number.isFinite)) throw new Error("no strokes");
    const height = Math.max(...ys) - Math.min(...ys) || 1;
    const scale = staff ? STAFF.space / staff.space : (6 * STAFF.space) / height;
    const top = staff ? STAFF.top - scale * staff.top : STAFF.top + STAFF.space * 2 - scale * (Math.min(...ys) + height / 2);
    const left = staff && scale === 1 ? 0 : 40 - scale * Math.min(...xs);
    return { strokes: given.map((stroke) => stroke.map(([x, y]) => [scale * x + left, scale * y + top])), known: named };
  }

  function printed() {
    const svg = $("engraved").querySelector("svg").cloneNode(true);
    for (const element of svg.querySelectorAll("[tabindex]")) {
      for (const name of ["tabindex", "role", "aria-label", "class"]) element.removeAttribute(name);
    }
    return new XMLSerializer().serializeToString(svg);
  }

  function setLabels(given) {
    labels = given;
    $("other").replaceChildren(new Option("choose …", ""), ...labels.map((label) => new Option(label.replaceAll("-", " "), label)));
    [strokes, known, history, chosen] = [[], [], [], null];
    changed();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  return { setLabels };
}
