// The sound of a call on a canvas: both sides, states, and the silence of each turn where it was.

const LANE = 52, STRIP = 15, RULER = 20, MARGIN = 116;

/** `call`, `sides` (names), `segments` (names), `pick(pair)` when a turn was chosen. Answers {element, turn(pair)}. */
function wave(call, sides, segments, pick) {
  const length = Math.max(1000, most([call.a, call.b].flatMap((side) => side.states.map((state) => state.at_ms))),
    most(call.turns.flatMap(([a, b]) => [a, b]).filter(Boolean).map((turn) => turn[1] + turn[2] / 1000)),
    most(call.transcript.map((row) => Math.max(row[1] || 0, row[2] || 0))),
    most(Object.values(call.sound).filter(Boolean).map(([bin, text]) => (bin * text.length * 3) / 4)));
  const lanes = [
    ["caller", call.sound.caller, "c0"], ["caller, " + sides[1], call.sound.caller_b, "c0"],
    ["bot, " + sides[0], call.sound.bot, "c2"], ["bot, " + sides[1], call.sound.bot_b, "c4"],
  ].filter(([, lane]) => lane).map(([name, [bin, text], ink]) => ({ name, bin, levels: octets(text), ink }));
  if (call.sound.caller && !call.sound.caller_b && call.sound.bot && call.sound.bot_b === null) lanes[lanes.length - 1].name = "bot";
  const turnsOf = (at) => call.turns.map((pair) => pair[at]).filter(Boolean);
  const strips = [0, 1].filter((at) => turnsOf(at).length || [call.a, call.b][at].states.length);
  const tall = lanes.length * LANE + strips.length * (STRIP * 2 + 6) + RULER;
  const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": "Sound and turns of the call over time. Plus and minus magnify, arrow keys move, n and p choose turns, 0 shows all." });
  let from = 0, to = length, chosen = null, drag = null;

  const width = () => canvas.clientWidth || 800;
  const x = (time) => MARGIN + ((time - from) / (to - from)) * (width() - MARGIN - 4);
  const time = (pixel) => from + ((pixel - MARGIN) / (width() - MARGIN - 4)) * (to - from);

  function draw() {
    const scale = devicePixelRatio || 1, wide = width();
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(tall * scale);
    const to2d = canvas.getContext("2d");
    to2d.scale(scale, scale);
    const ink = { ink: colour("ink"), soft: colour("soft"), line: colour("line"), sunken: colour("sunken"), picked: colour("picked"), accent: colour("accent"), bad: colour("bad"), card: colour("card") };
    to2d.font = "11px " + getComputedStyle(document.body).fontFamily;
    to2d.textBaseline = "middle";
    to2d.fillStyle = ink.card;
    to2d.fillRect(0, 0, wide, tall);
    if (chosen) {
      to2d.fillStyle = ink.picked;
      for (const turn of chosen.slice(0, 2)) {
        if (turn) to2d.fillRect(x(turn[1]) - 1, 0, Math.max(3, x(turn[1] + turn[2] / 1000) - x(turn[1]) + 2), tall - RULER);
      }
    }
    label(to2d, ink, wide);
    lanes.forEach((lane, at) => drawLane(to2d, lane, at * LANE, wide));
    strips.forEach((side, at) => drawStrip(to2d, side, lanes.length * LANE + at * (STRIP * 2 + 6) + 3, wide, ink));
    drawMarks(to2d, wide, ink);
    drawRuler(to2d, wide, ink);
  }

  function label(to2d, ink, wide) {
    to2d.fillStyle = ink.soft;
    const say = (words, y) => {
      let shown = words;
      while (shown.length > 4 && to2d.measureText(shown).width > MARGIN - 10) shown = shown.slice(0, -2) + "…";
      to2d.fillText(shown, 2, y);
    };
    lanes.forEach((lane, at) => say(lane.name, at * LANE + LANE / 2));
    strips.forEach((side, at) => {
      const top = lanes.length * LANE + at * (STRIP * 2 + 6) + 3;
      say(strips.length > 1 ? "states, " + sides[side] : "states", top + STRIP / 2);
      say("silences", top + STRIP * 1.5);
    });
    to2d.strokeStyle = ink.line;
    to2d.beginPath();
    for (let at = 0; at <= lanes.length; at += 1) {
      to2d.moveTo(MARGIN, at * LANE + 0.5);
      to2d.lineTo(wide, at * LANE + 0.5);
    }
    to2d.stroke();
  }

  function drawLane(to2d, lane, top, wide) {
    const middle = top + LANE / 2;
    to2d.fillStyle = colour(lane.ink);
    for (let pixel = MARGIN; pixel < wide - 4; pixel += 1) {
      const first = Math.floor(time(pixel) / lane.bin), last = Math.max(first + 1, Math.ceil(time(pixel + 1) / lane.bin));
      if (first >= lane.levels.length || last <= 0) continue;
      let level = 0;
      for (let at = Math.max(0, first); at < Math.min(last, lane.levels.length); at += 1) level = Math.max(level, lane.levels[at]);
      // The root lets soft speech be seen beside loud speech.
      const half = Math.max(0.5, Math.sqrt(level / 255) * (LANE / 2 - 3));
      to2d.fillRect(pixel, middle - half, 1, half * 2);
    }
  }

  function drawStrip(to2d, side, top, wide, ink) {
    const states = [call.a, call.b][side].states;
    states.forEach((state, at) => {
      const left = Math.max(MARGIN, x(state.at_ms)), right = Math.min(wide - 4, x(at + 1 < states.length ? states[at + 1].at_ms : length));
      if (right <= left) return;
      to2d.fillStyle = at % 2 ? ink.sunken : ink.line;
      to2d.fillRect(left, top, right - left, STRIP - 2);
      if (right - left < 26) return;
      to2d.save();
      to2d.beginPath();
      to2d.rect(left, top, right - left - 2, STRIP);
      to2d.clip();
      to2d.fillStyle = ink.ink;
      to2d.fillText(state.state, left + 4, top + STRIP / 2 - 0.5);
      to2d.restore();
    });
    to2d.fillStyle = ink.sunken;
    to2d.fillRect(MARGIN, top + STRIP, wide - MARGIN - 4, STRIP - 3);
    for (const turn of turnsOf(side)) {
      let at = turn[1];
      turn[4].forEach((micros, segment) => {
        const left = x(at), right = x((at += micros / 1000));
        if (!micros || right < MARGIN || left > wide) return;
        to2d.fillStyle = colour(segmentInk(segments[segment]));
        to2d.fillRect(Math.max(MARGIN, left), top + STRIP, Math.max(0.6, right - Math.max(MARGIN, left)), STRIP - 3);
      });
    }
  }

  function drawMarks(to2d, wide, ink) {
    let free = -Infinity;
    for (const [a, b] of call.turns) {
      const turn = a || b, at = x(turn[1]);
      if (at < MARGIN || at > wide) continue;
      to2d.strokeStyle = ink.soft;
      to2d.globalAlpha = 0.55;
      to2d.setLineDash([2, 3]);
      upright(to2d, at, 0, tall - RULER);
      to2d.setLineDash([]);
      to2d.globalAlpha = 1;
      if (at > free) {
        to2d.fillStyle = ink.ink;
        to2d.fillText(String(turn[0]), at + 3, 7);
        free = at + 18;
      }
    }
    [call.a, call.b].forEach((side, index) => {
      to2d.fillStyle = ink.bad;
      for (const barge of side.barge_ins) {
        const at = x(barge.at_ms), foot = index && lanes.length > 2 ? (lanes.length - 1) * LANE : Math.max(0, lanes.length - (lanes.length > 2 ? 2 : 1)) * LANE;
        if (at < MARGIN || at > wide) continue;
        to2d.beginPath();
        to2d.moveTo(at - 5, foot + 2);
        to2d.lineTo(at + 5, foot + 2);
        to2d.lineTo(at, foot + 11);
        to2d.fill();
      }
    });
    const left = departedAt(call);
    if (left === null || x(left) < MARGIN || x(left) > wide) return;
    to2d.strokeStyle = ink.bad;
    to2d.lineWidth = 1.5;
    upright(to2d, x(left), 0, tall - RULER);
    to2d.lineWidth = 1;
    const says = "differs", side = x(left) > wide - 90 ? -1 : 1, room = to2d.measureText(says).width + 8;
    to2d.fillStyle = ink.bad;
    to2d.fillRect(side < 0 ? x(left) - room : x(left), LANE - 16, room, 15);
    to2d.fillStyle = ink.card;
    to2d.fillText(says, side < 0 ? x(left) - room + 4 : x(left) + 4, LANE - 8.5);
  }

  function drawRuler(to2d, wide, ink) {
    const y = tall - RULER;
    to2d.fillStyle = ink.line;
    to2d.fillRect(MARGIN, y, wide - MARGIN, 1);
    to2d.strokeStyle = ink.line;
    to2d.fillStyle = ink.soft;
    const raw = ((to - from) / 1000) / Math.max(2, (wide - MARGIN) / 90);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].find((one) => one >= raw) || 14400;
    for (let at = Math.ceil(from / 1000 / step) * step; at * 1000 <= to; at += step) {
      upright(to2d, x(at * 1000), y, y + 4);
      to2d.fillText(clock(at * 1000).replace(/\.0$/, step >= 1 ? "" : ".0"), Math.min(x(at * 1000) + 3, wide - 36), y + 12);
    }
  }

  function upright(to2d, at, top, bottom) {
    to2d.beginPath();
    to2d.moveTo(at, top);
    to2d.lineTo(at, bottom);
    to2d.stroke();
  }

  function view(left, right) {
    const span = Math.min(length, Math.max(500, right - left));
    from = Math.max(0, Math.min(left, length - span));
    to = from + span;
    requestAnimationFrame(draw);
  }

  function magnify(by, around) {
    const center = around === undefined ? (from + to) / 2 : around;
    view(center - (center - from) * by, center + (to - center) * by);
  }

  function nearestTurn(at) {
    let best = null, distance = Infinity;
    for (const pair of call.turns) {
      for (const turn of pair.slice(0, 2)) {
        if (!turn) continue;
        const off = Math.max(turn[1] - at, at - turn[1] - turn[2] / 1000, 0);
        if (off < distance) [best, distance] = [pair, off];
      }
    }
    return best && Math.abs(x(at + distance) - x(at)) < 12 ? best : null;
  }

  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const by = event.deltaY || event.deltaX;
    if (event.ctrlKey) magnify(by > 0 ? 1.25 : 0.8, time(event.offsetX));
    else view(from + ((to - from) * by) / 600, to + ((to - from) * by) / 600);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from, to, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const off = ((event.clientX - drag.x) / (width() - MARGIN)) * (to - from);
      drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 4;
      if (drag.moved) view(drag.from - off, drag.to - off);
      return;
    }
    const at = time(event.offsetX), pair = nearestTurn(at);
    if (event.offsetX < MARGIN) noTip();
    else tipAt(event.clientX, event.clientY, clock(at) + (pair ? "\n" + pairWords(pair, sides, segments) : ""));
  });
  canvas.addEventListener("pointerleave", noTip);
  canvas.addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved;
    drag = null;
    const pair = clicked && nearestTurn(time(event.offsetX));
    if (pair) { turn(pair); pick(pair); }
  });
  canvas.addEventListener("keydown", (event) => {
    const span = to - from, at = call.turns.indexOf(chosen);
    const acts = {
      "+": () => magnify(0.6), "=": () => magnify(0.6), "-": () => magnify(1.7), 0: () => view(0, length),
      ArrowLeft: () => view(from - span / 5, to - span / 5), ArrowRight: () => view(from + span / 5, to + span / 5),
      n: () => step(at + 1), p: () => step(at - 1),
    };
    const step = (next) => { if (call.turns[next]) { turn(call.turns[next]); pick(call.turns[next]); } };
    if (event.ctrlKey || event.altKey || event.metaKey || !acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  /** Marks a turn, and moves it into view. */
  function turn(pair) {
    chosen = pair;
    const at = (pair[0] || pair[1])[1];
    if (at < from || at > to) view(at - (to - from) / 3, at + ((to - from) * 2) / 3);
    draw();
  }

  const button = (words, does, name) => h("button", { type: "button", click: does, "aria-label": name }, words);
  canvas.style.height = tall + "px";
  const element = h("div", { class: "wave" },
    h("div", { class: "wave-tools no-print" },
      h("span", { class: "soft small" }, lanes.length ? "Ctrl + wheel magnifies, drag moves, a click chooses a turn" : "Made without sound: turns and states only"),
      button("−", () => magnify(1.7), "Show more time"), button("+", () => magnify(0.6), "Magnify"), button("All", () => view(0, length), "Show the whole call")),
    canvas);
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(canvas);
  return { element, turn, draw };
}

/** Where the sides part, in milliseconds of the call, or null. */
function departedAt(call) {
  const first = call.first_difference;
  if (first) return first.a_ms ?? first.b_ms ?? null;
  return call.b.departure ? call.b.departure.at_ms : null;
}
