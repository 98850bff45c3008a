// The panel of sounds: files, recording with answers while one plays, and a timeline to click and hear.

import * as api from "/page/api.js";
import * as draw from "/page/draw.js";
import { SOUNDS, buttonsOf } from "/page/examples.js";
import { pianoRoll, soundingAt } from "/page/roll.js";
import { save } from "/page/save.js";

const MOST_LANES = 12;
const $ = (id) => document.getElementById(id);

export function soundPanel({ model, show, fail, why }) {
  const light = draw.piano($("piano"));
  let request = null, recording = null, heard = null, timeline = [], notes = [];

  function setTask(task) {
    $("piano").hidden = task !== "note";
    light([]);
    setNotes([], 0);
  }

  function lit({ sounding, midi, note }) {
    light(sounding ?? (midi ? [{ midi, name: note }] : []));
  }

  function playFrom(second) {
    $("player").currentTime = second;
    $("player").play();
  }

  function setNotes(found, lengthS) {
    notes = found;
    pianoRoll($("roll"), notes, lengthS, playFrom);
    $("save-midi").hidden = !notes.length;
    if (notes.length) $("timeline-title").hidden = false;
  }

  async function hear(file) {
    request?.abort();
    request = new AbortController();
    heard = file;
    fail(null);
    show(null, "Listening …");
    picture(file);
    setTimeline([]);
    setNotes([], 0);
    why.forget();
    try {
      const values = await api.predictFile(model(), file, { timeline: true, signal: request.signal });
      show(values);
      why.about({ file });
      lit(values);
      const lengthS = values.timeline?.at(-1)?.end_s ?? 0;
      if (values.notes) setNotes(values.notes, lengthS);
      else if (values.labels) setLanes(values.segments ?? [], lengthS);
      else setTimeline(values.segments ?? []);
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  async function picture(file) {
    URL.revokeObjectURL($("player").src);
    $("player").src = URL.createObjectURL(file);
    $("heard").hidden = false;
    const context = new OfflineAudioContext(1, 1, 22050);
    try {
      const decoded = await context.decodeAudioData(await file.arrayBuffer());
      const samples = decoded.getChannelData(0);
      draw.waveform($("waveform"), samples);
      draw.spectrogram($("spectrogram"), samples, decoded.sampleRate);
    } catch {
      $("heard").hidden = true; // The service may read what the browser cannot.
    }
  }

  // Stretches of one answer: of a song these are few, however many windows it has.
  function setTimeline(stretches) {
    timeline = stretches;
    $("timeline-title").hidden = !stretches.length;
    $("timeline").replaceChildren(...stretches.map(({ start_s: start, end_s: end, label }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${start.toFixed(1)}–${end.toFixed(1)} s ${label}`;
      button.setAttribute("aria-label", `Play from ${start.toFixed(1)} to ${end.toFixed(1)} seconds: ${label}`);
      button.onclick = () => playFrom(start);
      item.append(button);
      return item;
    }));
  }

  // Of several labels at once, a lane for each: the stretches in which it holds, to click and hear.
  function setLanes(stretches, lengthS) {
    timeline = [];
    const lanes = new Map();
    for (const stretch of stretches) {
      if (!lanes.has(stretch.label)) lanes.set(stretch.label, []);
      lanes.get(stretch.label).push(stretch);
    }
    const length = (lane) => lane.reduce((sum, { start_s: start, end_s: end }) => sum + end - start, 0);
    const longest = [...lanes].sort(([, a], [, b]) => length(b) - length(a)).slice(0, MOST_LANES);
    $("timeline-title").hidden = !longest.length;
    $("timeline").replaceChildren(...longest.map(([label, lane]) => {
      const item = document.createElement("li");
      item.className = "lane";
      const name = document.createElement("span");
      name.textContent = label;
      const track = document.createElement("span");
      track.className = "track";
      track.append(...lane.map((stretch) => laneButton(stretch, label, lengthS)));
      item.append(name, track);
      return item;
    }));
  }

  function laneButton({ start_s: start, end_s: end, confidence }, label, lengthS) {
    const button = document.createElement("button");
    button.type = "button";
    button.style.left = `${(100 * start) / lengthS}%`;
    button.style.width = `${(100 * (end - start)) / lengthS}%`;
    button.style.opacity = Math.min(1, 0.35 + confidence);
    const text = `${label}, ${start.toFixed(1)} to ${end.toFixed(1)} seconds, ${Math.round(100 * confidence)} %`;
    button.title = text;
    button.setAttribute("aria-label", `Play ${text}`);
    button.onclick = () => playFrom(start);
    return button;
  }

  $("player").ontimeupdate = () => {
    const now = $("player").currentTime;
    if (notes.length && !$("player").paused) light(soundingAt(notes, now));
    const index = timeline.findIndex((stretch) => stretch.start_s <= now && now < stretch.end_s);
    [...$("timeline").querySelectorAll("button")].forEach((button, i) => button.setAttribute("aria-current", i === index));
    if (index >= 0 && !$("player").paused) lit(timeline[index]);
  };

  async function record() {
    fail(null);
    let stream;
    try {
      const constraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    } catch (error) {
      fail(new Error(`there is no microphone to record from (${error.name}); plug one in, or allow its use`));
      return;
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("/page/recorder.js");
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    const live = api.listen(model(), context.sampleRate, {
      onAnswer: (values) => { show(values); lit(values); },
      onError: fail,
    });
    const blocks = [];
    node.port.onmessage = ({ data }) => {
      blocks.push(data);
      live.send(data);
      let power = 0;
      for (const value of data) power += value * value;
      $("level").value = 10 * Math.log10(power / data.length + 1e-12);
    };
    context.createMediaStreamSource(stream).connect(node);
    recording = { stream, context, live, blocks };
    $("record").setAttribute("aria-pressed", "true");
    $("record").textContent = "Stop";
    show(null, "Listening …");
  }

  async function stop() {
    const { stream, context, live, blocks } = recording;
    recording = null;
    stream.getTracks().forEach((track) => track.stop());
    live.close();
    $("record").setAttribute("aria-pressed", "false");
    $("record").textContent = "Record";
    $("level").value = -60;
    const file = wav(blocks, context.sampleRate, "recording.wav");
    await context.close();
    if (blocks.length) await hear(file);
  }

  $("save-midi").onclick = async () => {
    try {
      save(await api.predictMidi(model(), heard), heard.name.replace(/\.[^.]*$/, "") + ".mid");
    } catch (error) {
      fail(error);
    }
  };
  $("record").onclick = () => (recording ? stop() : record());
  $("sound-file").onchange = ({ target }) => {
    if (target.files[0]) hear(target.files[0]);
    target.value = "";
  };
  $("sound-examples").replaceChildren(...buttonsOf(SOUNDS, (make, name) => {
    const { samples, rateHz } = make();
    hear(wav([samples], rateHz, `${name}.wav`));
  }));
  const drop = $("drop");
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) hear(event.dataTransfer.files[0]);
  };
  return { setTask };
}

// A 16-bit WAV file of blocks of samples.
function wav(blocks, rateHz, name) {
  const n = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * n));
  const text = (at, value) => [...value].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * n, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true); view.setUint32(28, 2 * rateHz, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * n, true);
  let at = 44;
  for (const block of blocks) {
    for (const value of block) {
      view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true);
      at += 2;
    }
  }
  return new File([view.buffer], name, { type: "audio/wav" });
}
