// Distributions: how often which value came, and percentiles.

const ROLES = { measured: "c0", reflector: "c1", baseline: "c2" };
const OTHERS = ["c0", "c2", "c4", "c3", "c5", "c6", "c7", "c1"];
const DASHES = { reflector: "3 3", baseline: "7 4" };

/** The colour of each series: by role; those that are one of several take the next that is free. */
function colours(list) {
  let next = 0;
  return list.map((one) => ROLES[one.role] || OTHERS[next++ % OTHERS.length]);
}

const total = (one) => one.buckets.reduce((sum, bucket) => sum + bucket[1], 0);
const largestOf = (one) => (one.buckets.length ? one.buckets[one.buckets.length - 1][0] : null);

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
  const low = Math.min(...filled.map((one) => one.min)), high = Math.max(...filled.map(largestOf));
  const edges = [], values = Math.max(...filled.map(total));
  // Few values in many stretches would be a fence.
  const count = Math.round(Math.min(80, Math.max(16, 4 * Math.sqrt(values))));
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
  points.push([all, largestOf(one)]);
  return points;
}

const NINES = [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];
const share = (left) => (left <= 1 ? "0" : left === 2 ? "50" : left === 10 ? "90" : String(Number((100 - 100 / left).toPrecision(8))).slice(0, 9)) + "\u202f%";

function histogram(spec) {
  const list = spec.distributions.filter((one) => one.buckets.length);
  const ink = colours(list);
  if (!list.length) return [h("section", { class: "card" }, h("h2", {}, spec.title), h("p", { class: "soft" }, "Nothing was measured."))];
  const marks = spec.marks || [];
  // By the one that matters: a reflector at a hundredth of it may share a stretch.
  const spread = largestOf(list[0]) / Math.max(1e-9, valueAt(list[0], 0.05));
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
  const columns = [["min", (one) => one.min], ["mean", (one) => one.mean], ...[0.5, 0.9, 0.95, 0.99, 0.999].map((part) => ["p" + Number((part * 100).toFixed(1)), (one) => valueAt(one, part)]), ["max", largestOf]];
  const table = h("div", { class: "scroll-x" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, "Percentiles, " + spec.unit), h("th", { class: "num" }, "values"), columns.map(([title]) => h("th", { class: "num" }, title)))),
    h("tbody", {}, list.map((one) => h("tr", {}, h("td", {}, one.name), h("td", { class: "num" }, number(total(one))), columns.map(([, of]) => h("td", { class: "num" }, number(of(one)))))))));
  return [
    h("section", { class: "card" }, h("h2", {}, spec.title + ": how often"), spec.note && h("p", { class: "soft" }, spec.note), place, toggle),
    h("section", { class: "card" }, h("h2", {}, spec.title + ": percentiles"), h("p", { class: "soft" }, "Each nine is as wide as the one before: the right end is the worst value."), percentiles),
    h("section", { class: "card wide" }, table),
  ];
}
