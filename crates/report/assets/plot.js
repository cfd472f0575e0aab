// Plots as SVG: axes, lines, steps, dots, marks, a legend that hides series, a cross-hair for mouse and arrow keys.

const LEFT = 64, RIGHT = 16, TOP = 14, BOTTOM = 42;

function niceStep(span, most) {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
}

function linearTicks(min, max, most) {
  const step = niceStep(max - min || 1, most);
  const ticks = [];
  for (let at = Math.ceil(min / step - 1e-9); at * step <= max + step * 1e-9; at += 1) ticks.push(at * step);
  return ticks;
}

function logTicks(min, max, most) {
  const from = Math.floor(Math.log10(min)), to = Math.ceil(Math.log10(max));
  const factors = to - from > 5 ? [1] : to - from > 2 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7];
  const ticks = [];
  for (let power = from; power <= to; power += 1) {
    for (const factor of factors) {
      const at = factor * 10 ** power;
      if (at >= min * 0.999 && at <= max * 1.001) ticks.push(at);
    }
  }
  return ticks.length > most ? ticks.filter((_, at) => at % Math.ceil(ticks.length / most) === 0) : ticks;
}

/** A number without zeros that say nothing: ticks stand in a row. */
const short = (value) => number(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

/** Where values lie on an axis of `from`…`to` pixels. */
function scaleOf(axis, values, from, to) {
  const positive = axis.scale === "logarithmic";
  const fit = values.filter((value) => Number.isFinite(value) && (!positive || value > 0));
  let min = axis.min ?? fit.reduce((found, value) => Math.min(found, value), Infinity), max = axis.max ?? fit.reduce((found, value) => Math.max(found, value), -Infinity);
  if (!fit.length) [min, max] = positive ? [1, 10] : [0, 1];
  if (positive) {
    if (max / min < 1.2) [min, max] = [min / 1.5, max * 1.5];
    const span = Math.log(max / min);
    return {
      at: (value) => from + (to - from) * (Math.log(Math.max(value, min / 10) / min) / span),
      back: (pixel) => min * Math.exp(span * ((pixel - from) / (to - from))),
      ticks: (most) => logTicks(min, max, most), min, max,
    };
  }
  if (axis.min === undefined && min > 0 && min < max * 0.6) min = 0;
  if (max - min < 1e-9) [min, max] = [Math.min(0, min), max + (Math.abs(max) || 1) * 0.2];
  if (axis.max === undefined) max += (max - min) * 0.04;
  return {
    at: (value) => from + (to - from) * ((value - min) / (max - min)),
    back: (pixel) => min + (max - min) * ((pixel - from) / (to - from)),
    ticks: (most) => linearTicks(min, max, most), min, max,
  };
}

/** A path through points. `step`: each value holds until the next. */
function pathOf(points, step) {
  let path = "";
  points.forEach(([x, y], at) => {
    const place = x.toFixed(1) + " " + y.toFixed(1);
    if (!at) path = "M" + place;
    else path += step ? "H" + x.toFixed(1) + "V" + y.toFixed(1) : "L" + place;
  });
  return path;
}

/** `spec`: {name, x, y, series: [{name, colour, dash, points, dots, step, area}], marks}. Answers an element. */
function plot(spec) {
  const hidden = new Set();
  const frame = h("div", { class: "plot-frame" });
  const legend = h("div", { class: "legend" });
  const host = h("div", { class: "plot" }, legend, frame);

  spec.series.forEach((series, at) => {
    const key = svg("svg", { width: 22, height: 10, "aria-hidden": "true" },
      series.dots
        ? svg("circle", { cx: 11, cy: 5, r: 3.5, fill: `var(--${series.colour})` })
        : svg("path", { d: "M1 5H21", stroke: `var(--${series.colour})`, "stroke-width": 2.5, "stroke-dasharray": series.dash || "none" }));
    if (spec.series.length === 1) return legend.append(h("span", { class: "key" }, key, series.name));
    const button = h("button", { type: "button", class: "key", "aria-pressed": "true", click: () => {
      if (hidden.has(at)) hidden.delete(at); else hidden.add(at);
      button.setAttribute("aria-pressed", String(!hidden.has(at)));
      draw();
    } }, key, series.name);
    legend.append(button);
  });

  let width = 0, cross = null;

  function draw() {
    width = frame.clientWidth || spec.width || 560;
    const height = Math.round(Math.min(300, Math.max(210, width * 0.46)));
    const shown = spec.series.filter((_, at) => !hidden.has(at));
    const of = (part) => shown.flatMap((series) => series.points.map((point) => point[part]));
    const marksOn = (onX) => (spec.marks || []).filter((mark) => mark.on_x === onX && Number.isFinite(mark.at));
    const x = scaleOf(spec.x, of(0).concat(marksOn(true).map((mark) => mark.at)), LEFT, width - RIGHT);
    const y = scaleOf(spec.y, of(1).concat(marksOn(false).map((mark) => mark.at)), height - BOTTOM, TOP);
    const say = { x: spec.x.say || ((value) => measure(value, spec.x.unit)), y: spec.y.say || ((value) => measure(value, spec.y.unit)) };
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.name, class: "picture" });

    for (const tick of y.ticks(5)) {
      picture.append(svg("path", { class: "grid", d: `M${LEFT} ${y.at(tick).toFixed(1)}H${width - RIGHT}` }),
        svg("text", { x: LEFT - 8, y: y.at(tick) + 4, "text-anchor": "end", class: "tick" }, short(tick)));
    }
    let last = -Infinity;
    for (const tick of spec.x.ticks || x.ticks(Math.max(3, Math.floor(width / 90)))) {
      const at = x.at(tick), words = spec.x.tick ? spec.x.tick(tick) : short(tick);
      if (at < LEFT - 1 || at > width - RIGHT + 1) continue;
      picture.append(svg("path", { class: "grid", d: `M${at.toFixed(1)} ${TOP}V${height - BOTTOM + 4}` }));
      if (at - last < 8 + words.length * 7) continue;
      last = at;
      picture.append(svg("text", { x: at, y: height - BOTTOM + 18, "text-anchor": "middle", class: "tick" }, words));
    }
    picture.append(svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${height - BOTTOM}H${width - RIGHT}` }));
    const title = (axis) => axis.title + (axis.unit ? ", " + axis.unit : "");
    picture.append(svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 6, "text-anchor": "middle", class: "axis-title" }, title(spec.x)),
      svg("text", { x: 14, y: (TOP + height - BOTTOM) / 2, "text-anchor": "middle", class: "axis-title", transform: `rotate(-90 14 ${(TOP + height - BOTTOM) / 2})` }, title(spec.y)));

    const clip = "clip-" + (plot.count = (plot.count || 0) + 1);
    picture.append(svg("clipPath", { id: clip }, svg("rect", { x: LEFT - 4, y: TOP - 4, width: Math.max(0, width - LEFT - RIGHT + 8), height: height - TOP - BOTTOM + 8 })));
    // The first one is drawn last, on top.
    for (const series of [...shown].reverse()) {
      const points = series.points.filter((point) => (spec.x.scale !== "logarithmic" || point[0] > 0) && (spec.y.scale !== "logarithmic" || point[1] > 0))
        .map((point) => [x.at(point[0]), y.at(point[1])]);
      if (!points.length) continue;
      const ink = `var(--${series.colour})`;
      const group = svg("g", { "clip-path": `url(#${clip})` });
      picture.append(group);
      const path = pathOf(points, series.step);
      if (series.area) {
        const floor = y.at(y.min).toFixed(1);
        group.append(svg("path", { d: `${path}V${floor}H${points[0][0].toFixed(1)}Z`, fill: ink, "fill-opacity": 0.16 }));
      }
      if (!series.dots) {
        group.append(svg("path", { d: path, fill: "none", stroke: ink, "stroke-width": series.thin ? 1.2 : 2, "stroke-linejoin": "round", "stroke-dasharray": series.dash || "none" }));
      }
      if (series.dots || points.length <= 40 && !series.step) {
        for (const [px, py] of points) group.append(svg("circle", { cx: px.toFixed(1), cy: py.toFixed(1), r: series.dots && points.length > 200 ? 1.6 : 3, fill: ink }));
      }
    }
    for (const mark of spec.marks || []) {
      if (!Number.isFinite(mark.at)) continue;
      const at = mark.on_x ? x.at(mark.at) : y.at(mark.at);
      const late = mark.on_x && at > width * 0.6;
      picture.append(
        svg("path", { class: "mark", d: mark.on_x ? `M${at.toFixed(1)} ${TOP}V${height - BOTTOM}` : `M${LEFT} ${at.toFixed(1)}H${width - RIGHT}` }),
        mark.on_x
          ? svg("text", { class: "mark-text", x: at + (late ? -6 : 6), y: TOP + 12, "text-anchor": late ? "end" : "start" }, mark.text)
          : svg("text", { class: "mark-text", x: width - RIGHT - 4, y: at < TOP + 18 ? at + 14 : at - 5, "text-anchor": "end" }, mark.text));
    }
    const line = svg("path", { class: "cross", d: "" });
    picture.append(line);

    const at = (pixel) => {
      cross = Math.max(LEFT, Math.min(width - RIGHT, pixel));
      const value = x.back(cross);
      const lines = shown.map((series) => {
        const point = nearest(series.points, value);
        return point && `${series.name}: ${say.y(point[1])} at ${say.x(point[0])}`;
      }).filter(Boolean);
      line.setAttribute("d", `M${cross} ${TOP}V${height - BOTTOM}`);
      const box = frame.getBoundingClientRect();
      tipAt(box.left + cross, box.top + 30, lines.join("\n"));
    };
    const away = () => { line.setAttribute("d", ""); noTip(); };
    picture.addEventListener("pointermove", (event) => at(event.clientX - frame.getBoundingClientRect().left));
    picture.addEventListener("pointerleave", away);
    frame.onkeydown = (event) => {
      const way = { ArrowLeft: -8, ArrowRight: 8, Home: -1e6, End: 1e6 }[event.key];
      if (event.key === "Escape") return away();
      if (!way) return undefined;
      event.preventDefault();
      at((cross ?? LEFT) + way);
      return undefined;
    };
    frame.onblur = away;
    clear(frame).append(picture);
  }

  frame.tabIndex = 0;
  frame.setAttribute("aria-label", spec.name + ": arrow keys read values");
  frame.setAttribute("role", "group");
  // In the next frame: what resizes within its own notification is an error to a browser.
  new ResizeObserver(() => requestAnimationFrame(() => { if (frame.clientWidth && Math.abs(frame.clientWidth - width) > 1) draw(); })).observe(frame);
  draw();
  return host;
}

function nearest(points, value) {
  let low = 0, high = points.length - 1;
  if (high < 0) return null;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < value) low = middle; else high = middle;
  }
  return Math.abs(points[low][0] - value) <= Math.abs(points[high][0] - value) ? points[low] : points[high];
}
