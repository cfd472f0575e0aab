// The page of a bench: cards, plots, comparison, tables, machine and method.

const ROLES = { measured: "c0", reflector: "c1", baseline: "c2" };
const OTHERS = ["c0", "c2", "c4", "c3", "c5", "c6", "c7", "c1"];
const DASHES = { reflector: "3 3", baseline: "7 4" };

/** The colour of each series: by role; those that are one of several take the next that is free. */
function colours(list) {
  let next = 0;
  return list.map((one) => ROLES[one.role] || OTHERS[next++ % OTHERS.length]);
}

/** How the value changed against the baseline. */
function change(figure) {
  const { value, baseline } = figure;
  if (!Number.isFinite(value) || !Number.isFinite(baseline)) return null;
  const percent = baseline === 0 ? (value === 0 ? 0 : null) : (100 * (value - baseline)) / Math.abs(baseline);
  const within = percent !== null && Math.abs(percent) <= figure.noise_percent;
  const worse = figure.better === "neither" ? null : (value > baseline) === (figure.better === "lower");
  return {
    percent,
    words: percent === null ? "from 0" : signed(percent, (by) => measure(Math.round(by * 10) / 10, "%")),
    kind: within || worse === null ? "" : worse ? "bad" : "good",
    verdict: within ? "as before" : worse === null ? "changed" : worse ? "worse" : "better",
  };
}

function reached(figure) {
  if (!Number.isFinite(figure.value) || !Number.isFinite(figure.goal)) return null;
  return figure.better === "higher" ? figure.value >= figure.goal : figure.value <= figure.goal;
}

function goalWords(figure) {
  return (figure.better === "higher" ? "≥ " : "≤ ") + measure(figure.goal, figure.unit);
}

function card(figure) {
  const ok = reached(figure), moved = change(figure);
  return h("div", { class: "card" },
    h("div", { class: "name" }, figure.name),
    h("div", { class: "value" }, number(figure.value), " ", h("span", { class: "unit" }, figure.unit)),
    ok === null ? null : h("div", { class: "line" }, h("span", { class: "badge " + (ok ? "good" : "bad") }, (ok ? "✓ " : "✗ ") + goalWords(figure))),
    moved && h("div", { class: "line" }, "baseline ", measure(figure.baseline, figure.unit), " ",
      h("span", { class: moved.kind ? moved.kind + "-ink" : "" }, moved.words)));
}

function comparison(data) {
  const rows = data.figures.filter((figure) => Number.isFinite(figure.baseline));
  if (!rows.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "Against the baseline"),
    data.baseline && h("p", { class: "soft" }, data.baseline),
    h("div", { class: "scroll-x" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Figure", "Baseline", "This run", "Change", "Verdict"].map((title, at) => h("th", { class: at > 0 && at < 4 ? "num" : "" }, title)))),
      h("tbody", {}, rows.map((figure) => {
        const moved = change(figure);
        return h("tr", {}, h("td", {}, figure.name),
          h("td", { class: "num" }, measure(figure.baseline, figure.unit)), h("td", { class: "num" }, measure(figure.value, figure.unit)),
          h("td", { class: "num" }, moved ? moved.words : DASH),
          h("td", {}, moved && h("span", { class: "badge " + moved.kind }, moved.verdict)));
      })))),
    h("p", { class: "soft small" }, "Changes within " + [...new Set(rows.map((figure) => figure.noise_percent))].map((by) => measure(by, "%")).join(" or ") + " of the baseline count as luck."));
}

// Distributions.

const total = (one) => one.buckets.reduce((sum, bucket) => sum + bucket[1], 0);
const most = (one) => (one.buckets.length ? one.buckets[one.buckets.length - 1][0] : null);

function valueAt(one, share) {
  const all = total(one), wanted = Math.max(1, Math.ceil(share * all));
  let seen = 0;
  for (const [edge, count] of one.buckets) {
    seen += count;
    if (seen >= wanted) return edge;
  }
  return null;
}

/** Share of all values for each of some equal stretches of the axis, as steps. */
function binned(one, edges) {
  const all = total(one) || 1, shares = new Array(edges.length - 1).fill(0);
  let before = one.min;
  for (const [edge, count] of one.buckets) {
    // A bucket is about 1 % wide; its values are spread over it, else the stretches would show a comb.
    const low = Math.min(edge, Math.max(before, edge - Math.abs(edge) * 0.011));
    before = edge;
    let at = edges.findIndex((value) => value > low) - 1;
    if (at < 0) at = low < edges[0] ? 0 : shares.length - 1;
    if (edge <= low) { shares[at] += count; continue; }
    for (; at < shares.length; at += 1) {
      const part = (Math.min(edge, edges[at + 1]) - Math.max(low, edges[at])) / (edge - low);
      if (part > 0) shares[at] += count * part;
      if (edges[at + 1] >= edge) break;
    }
  }
  const points = shares.map((count, at) => [edges[at], (100 * count) / all]);
  points.push([edges[edges.length - 1], 0]);
  return points;
}

function histogramSeries(list, logarithmic) {
  const filled = list.filter((one) => one.buckets.length);
  const low = Math.min(...filled.map((one) => one.min)), high = Math.max(...filled.map(most));
  const count = 80, edges = [];
  const from = logarithmic ? Math.max(low, high / 1e6, 1e-6) * 0.98 : low - (high - low || 1) * 0.02;
  const to = high + (high - low || Math.abs(high) || 1) * 0.02;
  for (let at = 0; at <= count; at += 1) {
    edges.push(logarithmic ? from * (to / from) ** (at / count) : from + ((to - from) * at) / count);
  }
  return { edges, points: list.map((one) => binned(one, edges)) };
}

/** Percentiles as HDR plots show them: each nine as wide as the one before. */
function percentilePoints(one) {
  const all = total(one), points = [[1, one.min]];
  let seen = 0;
  for (const [edge, count] of one.buckets) {
    // 1 / (1 - share) before this bucket, where its value begins to hold.
    const left = all / Math.max(all - seen, 0.5);
    points.push([Math.max(1, left), edge]);
    seen += count;
  }
  points.push([all, most(one)]);
  return points;
}

const NINES = [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];
const share = (left) => (left <= 1 ? "0" : left === 2 ? "50" : left === 10 ? "90" : String(Number((100 - 100 / left).toPrecision(8))).slice(0, 9)) + "\u202f%";

function histogram(spec) {
  const list = spec.distributions.filter((one) => one.buckets.length);
  const ink = colours(list);
  if (!list.length) return [h("section", { class: "card" }, h("h2", {}, spec.title), h("p", { class: "soft" }, "Nothing was measured."))];
  const marks = spec.marks || [];
  const spread = Math.max(...list.map(most)) / Math.max(1e-9, Math.min(...list.map((one) => valueAt(one, 0.05))));
  let logarithmic = spread > 25 && list.every((one) => one.min > 0);
  const place = h("div");
  const draw = () => {
    const { edges, points } = histogramSeries(list, logarithmic);
    const near = marks.filter((mark) => mark.at <= edges[edges.length - 1] * 1.6).map((mark) => ({ ...mark, on_x: true }));
    clear(place).append(plot({
      name: spec.title + ": histogram",
      x: { title: spec.title, unit: spec.unit, scale: logarithmic ? "logarithmic" : "linear" },
      y: { title: "share of values", unit: "%", scale: "linear", min: 0 },
      series: list.map((one, at) => ({ name: one.name, colour: ink[at], dash: DASHES[one.role], points: points[at], step: true, area: at === 0 })),
      marks: near,
    }));
  };
  draw();
  const toggle = list.every((one) => one.min > 0) && h("button", { type: "button", class: "no-print small", "aria-pressed": String(logarithmic), click: () => {
    logarithmic = !logarithmic;
    toggle.setAttribute("aria-pressed", String(logarithmic));
    draw();
  } }, "Logarithmic axis");
  const largest = Math.max(...list.map(total));
  const percentiles = plot({
    name: spec.title + ": percentiles",
    x: { title: "percentile", unit: "", scale: "logarithmic", min: 1, max: Math.max(20, largest), ticks: NINES, tick: share, say: (left) => "p" + share(left).replace("\u202f%", "") },
    y: { title: spec.title, unit: spec.unit, scale: "linear", min: Math.min(0, ...list.map((one) => one.min)) },
    series: list.map((one, at) => ({ name: one.name, colour: ink[at], dash: DASHES[one.role], points: percentilePoints(one), step: true })),
    marks: marks.map((mark) => ({ ...mark, on_x: false })),
  });
  const columns = [["min", (one) => one.min], ["mean", (one) => one.mean], ...[0.5, 0.9, 0.95, 0.99, 0.999].map((part) => ["p" + Number((part * 100).toFixed(1)), (one) => valueAt(one, part)]), ["max", most]];
  const table = h("div", { class: "scroll-x" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, "Percentiles, " + spec.unit), h("th", { class: "num" }, "values"), columns.map(([title]) => h("th", { class: "num" }, title)))),
    h("tbody", {}, list.map((one) => h("tr", {}, h("td", {}, one.name), h("td", { class: "num" }, number(total(one))), columns.map(([, of]) => h("td", { class: "num" }, number(of(one)))))))));
  return [
    h("section", { class: "card" }, h("h2", {}, spec.title + ": how often"), spec.note && h("p", { class: "soft" }, spec.note), place, toggle),
    h("section", { class: "card" }, h("h2", {}, spec.title + ": percentiles"), h("p", { class: "soft" }, "Each nine is as wide as the one before: the right end is the worst value."), percentiles),
    h("section", { class: "card wide" }, table),
  ];
}

function lines(spec) {
  const ink = colours(spec.series);
  const section = h("section", { class: "card" }, h("h2", {}, spec.title), spec.note && h("p", { class: "soft" }, spec.note));
  if (!spec.series.some((one) => one.points.length)) return section.append(h("p", { class: "soft" }, "Nothing was measured.")), [section];
  section.append(plot({
    name: spec.title, x: spec.x, y: spec.y, marks: spec.marks,
    series: spec.series.map((one, at) => ({ name: one.name, colour: ink[at], dash: DASHES[one.role], points: one.points, dots: one.dots, thin: one.points.length > 300 })),
  }));
  if (spec.series.some((one) => one.points.length > 300)) section.classList.add("wide");
  return [section];
}

function tableOf(spec) {
  const numeric = spec.columns.map((_, at) => spec.rows.every((row) => typeof row[at] !== "string"));
  return h("section", { class: "card" }, h("h2", {}, spec.title), spec.note && h("p", { class: "soft" }, spec.note),
    h("div", { class: "scroll-x" }, h("table", {},
      h("thead", {}, h("tr", {}, spec.columns.map((column, at) => h("th", { class: numeric[at] ? "num" : "", scope: "col" }, column.title + (column.unit ? ", " + column.unit : ""))))),
      h("tbody", {}, spec.rows.map((row) => h("tr", {}, row.map((cell, at) => h("td", { class: numeric[at] ? "num" : "" }, typeof cell === "string" ? cell : number(cell)))))))));
}

if (document.body.dataset.kind === "bench") start((app, data) => {
  app.append(h("header", { class: "head" },
    h("div", { class: "grow" }, h("h1", {}, data.title), h("div", { class: "sub" }, data.subtitle, data.made ? (data.subtitle ? " · " : "") + data.made : "")),
    themeButton()));
  const main = h("main");
  app.append(main);
  main.append(h("p", { class: "verdict" + (data.verdict.good ? "" : " bad"), role: "status" }, h("span", { "aria-hidden": "true" }, data.verdict.good ? "✓" : "!"), data.verdict.text));
  if (data.figures.length) main.append(h("div", { class: "cards" }, data.figures.slice(0, 8).map(card)));
  const rest = data.figures.slice(8);
  if (data.plots.length) {
    const plots = h("div", { class: "plots" });
    main.append(plots);
    for (const one of data.plots) plots.append(...(one.type === "histogram" ? histogram(one) : lines(one)));
  }
  const stack = h("div", { class: "stack" });
  main.append(stack);
  const against = comparison(data);
  if (against) stack.append(against);
  if (rest.length) {
    stack.append(tableOf({ title: "More figures", note: "", columns: [{ title: "Figure" }, { title: "Value" }, { title: "Goal" }],
      rows: rest.map((one) => [one.name, measure(one.value, one.unit), Number.isFinite(one.goal) ? (reached(one) ? "✓ " : "✗ ") + goalWords(one) : ""]) }));
  }
  for (const one of data.tables) stack.append(tableOf(one));
  if (data.notes.length) stack.append(h("section", { class: "card" }, h("h2", {}, "Notes"), h("ul", {}, data.notes.map((note) => h("li", {}, note)))));
  stack.append(h("div", { class: "two" },
    h("section", { class: "card" }, h("h2", {}, "Machine"), data.machine.length
      ? h("dl", { class: "facts" }, data.machine.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])) : h("p", { class: "soft" }, "Not told.")),
    h("section", { class: "card" }, h("h2", {}, "Method"), data.method.map((sentence) => h("p", {}, sentence)))));
});
