// The panel of drawings: strokes go to the service while they are drawn, and the answer is printed beside them.

import * as api from "/page/api.js";
import * as draw from "/page/draw.js";
import { DRAWINGS, buttonsOf } from "/page/examples.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 150;

export function inkPanel({ model, show, fail, why }) {
  const pad = $("pad");
  const kept = [];
  let strokes = [], current = null, best = null;
  let busy = false, again = false, failed = false, timer = null, version = 0;

  function answered(values) {
    best = values?.top?.length && !values.reason ? values : null;
    show(values);
    draw.printed($("print"), best?.label, best?.name);
    $("keep").disabled = !best;
  }

  // One request at a time: while one is under way, only the newest drawing waits.
  async function ask() {
    timer = null;
    if (busy) { again = true; return; }
    if (!strokes.length) return;
    busy = true;
    const asked = version;
    try {
      const values = await api.predictStrokes(model(), strokes);
      if (asked === version) {
        why.about({ strokes: structuredClone(strokes) });
        if (failed) fail(null); // and nobody else's failure
        failed = false;
        answered(values);
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
    draw.strokes(pad, strokes);
    timer ??= setTimeout(ask, EVERY_MS);
  }

  function clear() {
    version += 1;
    strokes = [];
    current = null;
    draw.strokes(pad, strokes);
    answered(null);
    why.forget();
  }

  function point(event) {
    const box = pad.getBoundingClientRect();
    return [
      Math.round(((event.clientX - box.left) * pad.width) / box.width),
      Math.round(((event.clientY - box.top) * pad.height) / box.height),
    ];
  }

  pad.onpointerdown = (event) => {
    if (current || event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    current = { id: event.pointerId, points: [point(event)] };
    strokes.push(current.points);
    changed();
  };
  pad.onpointermove = (event) => {
    if (event.pointerId !== current?.id) return;
    const events = event.getCoalescedEvents?.() ?? [];
    current.points.push(...(events.length ? events : [event]).map(point));
    changed();
  };
  pad.onpointerup = pad.onpointercancel = (event) => {
    if (event.pointerId !== current?.id) return;
    current = null;
    changed();
  };

  $("ink-examples").replaceChildren(...buttonsOf(DRAWINGS, (example) => {
    clear();
    strokes = example.map((points) => points.map(([x, y]) => [Math.round(x * pad.width), Math.round(y * pad.height)]));
    changed();
  }));
  $("clear").onclick = clear;
  $("undo").onclick = () => {
    strokes.pop();
    if (strokes.length) changed();
    else clear();
  };
  $("keep").onclick = () => {
    kept.push({ label: best.label, name: best.name });
    draw.printedLine($("line"), kept);
    $("unkeep").disabled = false;
    clear();
  };
  $("unkeep").onclick = () => {
    kept.pop();
    draw.printedLine($("line"), kept);
    $("unkeep").disabled = !kept.length;
  };
  $("ink-file").onchange = async ({ target }) => {
    const file = target.files[0];
    target.value = "";
    if (!file) return;
    clear();
    fail(null);
    const asked = version;
    try {
      const values = await api.predictFile(model(), file);
      if (asked === version) {
        answered(values);
        why.about({ file });
      }
    } catch (error) {
      fail(error);
    }
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", () => draw.strokes(pad, strokes));
  // Also the first time that it is seen.
  new ResizeObserver(() => draw.printedLine($("line"), kept)).observe($("line"));
  return { clear };
}
