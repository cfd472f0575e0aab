// The page of a bench: cards, plots, comparison, tables, machine and method.

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

/** A plot without a neighbour takes the whole width: two columns have no hole then. */
function widen(sections) {
  let alone = null;
  for (const section of sections) {
    if (!section.classList.contains("wide")) {
      alone = alone ? null : section;
      continue;
    }
    if (alone) alone.classList.add("wide");
    alone = null;
  }
  if (alone) alone.classList.add("wide");
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
  main.append(h("p", { class: "verdict " + data.verdict.standing, role: "status" }, h("span", { "aria-hidden": "true" }, data.verdict.standing === "good" ? "✓" : "!"), data.verdict.text));
  if (data.figures.length) main.append(h("div", { class: "cards" }, data.figures.slice(0, 8).map(card)));
  const rest = data.figures.slice(8);
  if (data.plots.length) {
    const plots = h("div", { class: "plots" });
    main.append(plots);
    for (const one of data.plots) plots.append(...(one.type === "histogram" ? histogram(one) : lines(one)));
    widen([...plots.children]);
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
