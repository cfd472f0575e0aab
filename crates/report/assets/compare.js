// The page of a comparison: summary, calls, turns.

const WIDE = matchMedia("(min-width: 1040px)");

function delta(a, b, say, betterLow) {
  const by = b - a;
  if (!Number.isFinite(by)) return DASH;
  if (by === 0) return h("span", { class: "soft" }, "±0");
  return h("span", { class: betterLow === null ? "" : by > 0 === betterLow ? "bad-ink" : "good-ink" }, signed(by, say));
}

/** All pairs of turns with their calls. */
function allTurns(calls) {
  return calls.flatMap((call) => call.turns.map((pair, at) => ({ call, pair, at, by: pair[0] && pair[1] ? pair[1][2] - pair[0][2] : null })));
}

function distributionOf(name, role, micros) {
  const counts = new Map();
  let sum = 0, min = Infinity;
  for (const value of micros) {
    const ms = value / 1000, key = ms <= 1 ? 0 : Math.ceil(Math.log2(ms) * 64);
    const known = counts.get(key);
    counts.set(key, known ? [Math.max(known[0], ms), known[1] + 1] : [ms, 1]);
    sum += ms;
    min = Math.min(min, ms);
  }
  const buckets = [...counts.entries()].sort((one, other) => one[0] - other[0]).map(([, bucket]) => bucket);
  return { name, role, buckets, mean: micros.length ? sum / micros.length : 0, min: micros.length ? min : 0 };
}

function summary(data, turns, go) {
  const { a, b } = data.totals, sides = [data.a.label, data.b.label];
  const box = h("div", { class: "stack" });
  const ms = (micros) => millis(micros / 1000);
  const figure = (name, value, line, kind) => h("div", { class: "card" }, h("div", { class: "name" }, name), h("div", { class: "value " + (kind || "") }, value), h("div", { class: "line" }, line));
  const share = (count) => (data.totals.calls ? measure(Math.round((1000 * count) / data.totals.calls) / 10, "%") + " of calls" : "");

  if (data.rules.length) {
    const fired = data.rules.filter((rule) => rule.fired).length;
    box.append(h("section", { class: "card" }, h("div", { class: "title-line" }, h("h2", {}, "Rules"), h("span", { class: "badge " + (fired ? "bad" : "good") }, fired ? `${fired} of ${data.rules.length} fired: the comparison fails` : "none fired")),
      h("ul", { class: "rules" }, data.rules.map((rule) => h("li", {},
        h("span", { class: "badge " + (rule.fired ? "bad" : "good") }, rule.fired ? "✗ fired" : "✓ held"), " ", h("code", { class: "mono" }, rule.rule), " ", h("span", {}, rule.found),
        rule.calls.length ? h("div", { class: "rule-calls small" }, rule.calls.slice(0, 5).map((call) => callLink(data, call, go)),
          rule.calls.length + rule.more_calls > 5 ? h("button", { type: "button", class: "link", click: () => go.calls("rule:" + data.rules.indexOf(rule)) }, `all ${number(rule.calls.length + rule.more_calls)}`) : null) : null)))));
  }

  box.append(h("div", { class: "cards" },
    figure("Calls compared", number(data.totals.calls), data.totals.not_compared ? `${number(data.totals.not_compared)} could not be compared` : "all that were found"),
    figure("Calls that changed", number(data.totals.changed), share(data.totals.changed) + ", timing aside", data.totals.changed ? "warn-ink" : ""),
    figure("Not played to their end", number(data.totals.unfinished), share(data.totals.unfinished), data.totals.unfinished ? "bad-ink" : ""),
    figure("Silence before the answer, p50", ms(b.turn.p50), [sides[0] + " " + ms(a.turn.p50) + " ", delta(a.turn.p50, b.turn.p50, ms, true)]),
    figure("Silence before the answer, p95", ms(b.turn.p95), [sides[0] + " " + ms(a.turn.p95) + " ", delta(a.turn.p95, b.turn.p95, ms, true)]),
    figure("Turns that changed", number(data.totals.turns_changed), "of " + counted(data.totals.turns, "turn")),
    figure("Barge-ins", number(b.barge_ins), [sides[0] + " " + number(a.barge_ins) + " ", delta(a.barge_ins, b.barge_ins, number, null)]),
    figure("Words replaced, removed, added", number(data.totals.words.replaced + data.totals.words.removed + data.totals.words.added), "of " + counted(data.totals.words.a, "word"))));

  const widest = Math.max(1, ...Object.values(data.totals.changed_in));
  const aspects = Object.entries(data.totals.changed_in).sort((one, other) => other[1] - one[1]);
  const outcomes = (field) => {
    const names = [...new Set([...Object.keys(a[field]), ...Object.keys(b[field])])].sort((one, other) => (b[field][other] || 0) - (b[field][one] || 0));
    return names.map((name) => h("tr", {}, h("td", {}, plain(name)), h("td", { class: "num" }, number(a[field][name] || 0)), h("td", { class: "num" }, number(b[field][name] || 0)),
      h("td", { class: "num" }, delta(a[field][name] || 0, b[field][name] || 0, number, null))));
  };
  const head = (...titles) => h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { class: at ? "num" : "", scope: "col" }, title))));
  box.append(h("div", { class: "two" },
    h("section", { class: "card" }, h("h2", {}, "What changed"), aspects.length
      ? h("div", { class: "aspects" }, aspects.map(([aspect, count]) => {
        const bar = h("i", {});
        bar.style.width = (100 * count) / widest + "%";
        return h("button", { type: "button", class: "aspect", click: () => go.calls(aspect) }, h("span", {}, ASPECTS[aspect] || plain(aspect)), h("span", { class: "meter" }, bar), h("span", { class: "num" }, counted(count, "call")));
      })) : h("p", { class: "soft" }, "Nothing: each call came out the same.")),
    h("section", { class: "card" }, h("h2", {}, "Outcomes"), h("div", { class: "scroll-x" }, h("table", {}, head("Outcome", sides[0], sides[1], "Change"), h("tbody", {}, outcomes("outcomes")), head("Ended by", sides[0], sides[1], "Change"), h("tbody", {}, outcomes("causes")))))));

  const silences = [0, 1].map((side) => turns.filter(({ pair }) => pair[side]).map(({ pair }) => pair[side][2]));
  if (silences[0].length || silences[1].length) {
    const plots = h("div", { class: "plots" });
    plots.append(...histogram({ title: "Silence before the bot answers", note: "", unit: "ms", marks: [],
      distributions: [distributionOf(sides[1], "measured", silences[1]), distributionOf(sides[0], "baseline", silences[0])] }).slice(0, 2));
    box.append(plots);
  }
  const names = data.segments, of = (side, name) => (side.segments.find((one) => one.name === name) || {}).micros;
  const line = (title, one, two, ink) => {
    const pick = (spread, field) => (spread && spread.count ? ms(spread[field]) : DASH);
    return h("tr", {}, h("td", {}, ink && h("i", { class: "dot " + ink }), ink && " ", title), ["p50", "p95", "p99", "max"].flatMap((field) => [
      h("td", { class: "num" }, pick(one, field)), h("td", { class: "num strong" }, pick(two, field)),
      field === "p50" || field === "p95" ? h("td", { class: "num" }, one && two && one.count && two.count ? delta(one[field], two[field], ms, true) : DASH) : null]));
  };
  box.append(h("section", { class: "card" }, h("h2", {}, "Where the silence goes"), h("p", { class: "soft" }, "From the caller's last packet of speech to the bot's first audible one. Left ", h("b", {}, sides[0]), ", right ", h("b", {}, sides[1]), "."),
    h("div", { class: "scroll-x" }, h("table", { class: "spread" }, h("thead", {}, h("tr", {}, h("th", {}, ""), [["p50", 3], ["p95", 3], ["p99", 2], ["max", 2]].map(([title, span]) => h("th", { class: "num", colspan: span, scope: "colgroup" }, title)))),
      h("tbody", {}, line("whole silence", a.turn, b.turn), names.map((name) => line(plain(name), of(a, name), of(b, name), segmentInk(name))), line("barge-in: until the bot is silent", a.barge_in, b.barge_in))))));

  const counts = [
    ["Talk time", a.talk_ms, b.talk_ms, millis, null], ["Turns", a.turn.count, b.turn.count, number, null], ["Understood", a.understood, b.understood, number, false],
    ["Not understood", a.no_match, b.no_match, number, true], ["Nothing said", a.no_input, b.no_input, number, true], ["Transfers", a.transfers, b.transfers, number, null],
    ["Transfers that failed", a.transfers_failed, b.transfers_failed, number, true], ["Characters to a synthesizer", a.costs.synthesized_characters, b.costs.synthesized_characters, number, true],
    ["Seconds to a recognizer", a.costs.recognizer_seconds, b.costs.recognizer_seconds, (value) => measure(Math.round(value * 10) / 10, "s"), true],
    ["Requests to business systems", a.costs.tool_calls, b.costs.tool_calls, number, true], ["… without an answer", a.costs.tool_failures, b.costs.tool_failures, number, true],
  ];
  const slower = turns.filter(({ by }) => by !== null && by > 1000).sort((one, other) => other.by - one.by).slice(0, 10);
  box.append(h("div", { class: "two" },
    h("section", { class: "card" }, h("h2", {}, "Counts and costs"), h("div", { class: "scroll-x" }, h("table", {}, head("", sides[0], sides[1], "Change"),
      h("tbody", {}, counts.map(([title, one, two, say, low]) => h("tr", {}, h("td", {}, title), h("td", { class: "num" }, one === null ? DASH : say(one)), h("td", { class: "num" }, two === null ? DASH : say(two)), h("td", { class: "num" }, one === null || two === null ? DASH : delta(one, two, say, low)))))))),
    h("section", { class: "card" }, h("h2", {}, "Turns that became slowest"), slower.length
      ? h("div", { class: "scroll-x" }, h("table", {}, head("Turn", sides[0], sides[1], "Change"), h("tbody", {}, slower.map((one) => h("tr", {},
        h("td", {}, h("button", { type: "button", class: "link mono", click: () => go.call(one.call, one.at) }, one.call.call_id), " turn " + (one.at + 1)),
        h("td", { class: "num" }, ms(one.pair[0][2])), h("td", { class: "num" }, ms(one.pair[1][2])), h("td", { class: "num bad-ink" }, signed(one.by, ms)))))))
      : h("p", { class: "soft" }, "No turn became slower."))));
  if (data.not_compared.length) {
    box.append(h("section", { class: "card" }, h("h2", {}, "Not compared"), h("ul", {}, data.not_compared.slice(0, 200).map((one) => h("li", {}, h("span", { class: "mono" }, one.call_id || one.file), ": ", one.reason)),
      data.not_compared.length > 200 ? h("li", {}, `… and ${number(data.not_compared.length - 200)} more`) : null)));
  }
  if (data.calls_left_out) box.append(h("p", { class: "box warn" }, `${number(data.calls_left_out)} calls, unchanged ones first, are counted above and not shown one by one: the page would be too large. The JSON has all.`));
  return box;
}

function callLink(data, told, go) {
  const call = data.calls.find((one) => (told.call_id !== null && one.call_id === told.call_id) || one.file === told.file);
  const name = h("span", { class: "mono" }, told.call_id || told.file);
  return h("span", { class: "rule-call" }, call ? h("button", { type: "button", class: "link", click: () => go.call(call) }, name) : name, " ", told.why);
}

function callRow(call) {
  const [word, kind] = status(call);
  const told = call.changed.filter((aspect) => aspect !== "turns").map((aspect) => ASPECTS[aspect] || plain(aspect));
  return h("div", { class: "call-row" },
    h("div", { class: "line-one" }, h("span", { class: "mono id" }, call.call_id), h("span", { class: "badge " + kind }, word)),
    h("div", { class: "line-two" }, h("span", { class: "grow" }, `${call.caller || "?"} → ${call.called || "?"}`, told.length ? " · " + told.join(", ") : call.b.outcome ? " · " + plain(call.b.outcome) : ""),
      h("span", { class: "num" }, counted(call.turns.length, "turn"), call.worst > 1000 ? h("span", { class: "bad-ink" }, " " + signed(call.worst / 1000, millis)) : null)));
}

const SORTS = {
  file: ["In order of files", (one, other) => one.number - other.number],
  slower: ["Slowed most", (one, other) => other.worst - one.worst],
  longest: ["Longest silence", (one, other) => other.longest - one.longest],
  words: ["Most words changed", (one, other) => other.edits - one.edits],
  turns: ["Most turns", (one, other) => other.turns.length - one.turns.length],
  start: ["Newest first", (one, other) => other.started_unix_ms - one.started_unix_ms],
};

/** Everything of a call that a search may name, once. */
function haystack(call) {
  if (call.hay === undefined) {
    const sides = [call.a, call.b].flatMap((side) => [side.bot, side.outcome, side.cause, side.unfinished, ...side.states.map((one) => one.state), ...side.intents, ...Object.values(side.slots), ...side.transfers.map((one) => one.target)]);
    const said = call.transcript.map((row) => [1, 2].map((kind) => row[3].filter((part) => part[0] !== kind).map((part) => part[1]).join("")).join("\n"));
    call.hay = [call.call_id, call.file, call.file_b, call.caller, call.called, ...sides, ...said].filter(Boolean).join("\n").toLowerCase();
  }
  return call.hay;
}

function callsPane(data, go) {
  const state = { filter: "all", sort: "file", search: "" };
  const inRule = (rule) => { const ids = new Set(rule.calls.map((one) => one.call_id)), files = new Set(rule.calls.map((one) => one.file)); return (call) => ids.has(call.call_id) || files.has(call.file); };
  const filters = { all: ["All calls", () => true], changed: ["Changed", (call) => status(call)[0] === "changed"], timing: ["Timing only", (call) => status(call)[0] === "timing"], same: ["Same", (call) => status(call)[0] === "same"], unfinished: ["Not played to the end", (call) => Boolean(call.b.unfinished)] };
  for (const aspect of Object.keys(data.totals.changed_in)) filters[aspect] = ["Changed: " + (ASPECTS[aspect] || plain(aspect)), (call) => call.changed.includes(aspect)];
  data.rules.forEach((rule, at) => { if (rule.calls.length) filters["rule:" + at] = ["Rule: " + rule.rule, inRule(rule)]; });
  const detail = h("div", { class: "detail", id: "detail" });
  let view = null;
  const list = longList({ name: "Calls", height: 54, render: callRow, pick: (call) => go.call(call, undefined, true) });
  const count = h("span", { class: "soft small", role: "status" });
  const choice = (name, options, key) => {
    const element = h("select", { "aria-label": name, change: () => { state[key] = element.value; show(); } }, Object.entries(options).map(([value, [title]]) => h("option", { value }, title)));
    return element;
  };
  const filter = choice("Filter", filters, "filter"), sort = choice("Order", SORTS, "sort");
  const search = h("input", { type: "search", placeholder: "Search calls and words  ( / )", "aria-label": "Search calls and words", input: () => { state.search = search.value; show(); },
    keydown: (event) => { if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); list.element.focus(); if (list.picked < 0) list.pick(0); } } });
  function show() {
    const wanted = state.search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const found = data.calls.filter((call) => filters[state.filter][1](call) && wanted.every((word) => haystack(call).includes(word)));
    found.sort(SORTS[state.sort][1]);
    list.set(found);
    count.textContent = found.length === data.calls.length ? counted(found.length, "call") : `${number(found.length)} of ${counted(data.calls.length, "call")}`;
  }
  const back = h("button", { type: "button", class: "back no-print", click: () => { pane.classList.remove("open"); list.element.focus(); } }, "← Calls");
  const pane = h("div", { class: "calls-pane" }, h("div", { class: "side no-print" }, h("div", { class: "tools" }, search, h("div", { class: "tool-line" }, filter, sort), count), list.element), h("div", { class: "main" }, back, detail));
  detail.append(h("p", { class: "soft empty" }, data.calls.length ? "Choose a call: arrow keys or a click. / searches, j and k go on, n and p step through turns in the picture." : "There are no calls."));
  redraws.add(() => { if (view) view.draw(); });
  show();
  return {
    element: pane, search, list,
    get view() { return view; },
    filter(name) { if (!filters[name]) return; state.filter = filter.value = name; state.search = search.value = ""; show(); },
    open(call, turn) {
      if (!list.length || list.picked < 0 || detail.dataset.call !== String(call.number)) {
        view = callView(call, data);
        detail.dataset.call = call.number;
        clear(detail).append(view.element);
        detail.parentElement.scrollTop = 0;
      }
      list.show(call);
      pane.classList.add("open");
      if (turn !== undefined) view.turn(turn);
    },
  };
}

function turnsPane(data, turns, go) {
  const sides = [data.a.label, data.b.label], ms = (pair, side) => (pair[side] ? millis(pair[side][2] / 1000) : DASH);
  const longest = percentile(turns.map(({ pair }) => Math.max(pair[0] ? pair[0][2] : 0, pair[1] ? pair[1][2] : 0)).sort((one, other) => one - other), 0.98) || 1;
  const value = { call: ({ call, at }) => call.number * 1e6 + at, a: ({ pair }) => (pair[0] ? pair[0][2] : -1), b: ({ pair }) => (pair[1] ? pair[1][2] : -1), by: ({ by }) => (by === null ? -Infinity : by) };
  const state = { sort: "call", down: false, changed: false };
  const list = longList({ name: "Turns", height: 40, pick: (one) => go.call(one.call, one.at), render: (one) => h("div", { class: "turn-row" },
    h("span", { class: "mono id" }, one.call.call_id), h("span", { class: "num" }, String(one.at + 1)), h("span", { class: "num" }, clock((one.pair[0] || one.pair[1])[1])),
    h("span", { class: "two-bars" }, [0, 1].map((side) => ledgerBar(one.pair[side], data.segments, longest, one.pair[side] && sides[side] + ": " + turnWords(one.pair[side], data.segments)))),
    h("span", { class: "num" }, ms(one.pair, 0)), h("span", { class: "num" }, ms(one.pair, 1), one.pair[1] && one.pair[1][3] !== null ? h("span", { class: "bad-ink", title: "barge-in" }, " ▼") : null), h("span", { class: "num" }, deltaMark(one.pair))) });
  const count = h("span", { class: "soft small", role: "status" });
  const heads = [["call", "Call"], [null, "Turn"], [null, "At"], [null, "Where the silence goes"], ["a", sides[0]], ["b", sides[1]], ["by", "Change"]].map(([key, title]) => {
    if (!key) return h("span", {}, title);
    const button = h("button", { type: "button", class: "sort", title, click: () => { state.down = state.sort === key ? !state.down : key !== "call"; state.sort = key; show(); } }, title);
    button.key = key;
    return button;
  });
  const only = h("button", { type: "button", "aria-pressed": "false", click: () => { state.changed = !state.changed; only.setAttribute("aria-pressed", String(state.changed)); show(); } }, "Only changed");
  function show() {
    const found = state.changed ? turns.filter(({ pair }) => pair[2]) : [...turns];
    const of = value[state.sort];
    found.sort((one, other) => (state.down ? of(other) - of(one) : of(one) - of(other)) || value.call(one) - value.call(other));
    list.set(found);
    count.textContent = counted(found.length, "turn");
    for (const head of heads) if (head.key) head.setAttribute("aria-label", head.title + (head.key === state.sort ? (state.down ? ", descending" : ", ascending") : ", sort"));
    for (const head of heads) if (head.key) head.dataset.sorted = head.key === state.sort ? (state.down ? "▾" : "▴") : "";
  }
  show();
  return { element: h("div", { class: "turns-pane" }, h("div", { class: "tools line" }, only, count, segmentLegend(data.segments)), h("div", { class: "turn-row turn-head" }, heads), list.element), list };
}

if (document.body.dataset.kind === "compare") start((app, data) => {
  for (const call of data.calls) {
    call.worst = most(call.turns.map(([a, b]) => (a && b ? b[2] - a[2] : 0)));
    call.longest = most(call.turns.map(([, b]) => (b ? b[2] : 0)));
    call.edits = call.words.replaced + call.words.removed + call.words.added;
  }
  const turns = allTurns(data.calls);
  const panes = {}, made = {}, tabs = {};
  const go = {
    calls(filter) { show("calls"); made.calls.filter(filter); },
    call(call, turn, quiet) {
      show("calls");
      made.calls.open(call, turn);
      location.hash = "call=" + call.number + (turn === undefined ? "" : "&turn=" + (turn + 1));
      if (!quiet) made.calls.list.element.focus({ preventScroll: true });
    },
  };
  const makers = {
    summary: () => ({ element: summary(data, turns, go) }), calls: () => callsPane(data, go), turns: () => turnsPane(data, turns, go),
  };
  function show(name) {
    if (!made[name]) {
      made[name] = makers[name]();
      panes[name].append(made[name].element);
    }
    for (const [other, pane] of Object.entries(panes)) {
      pane.hidden = other !== name;
      tabs[other].setAttribute("aria-selected", String(other === name));
      tabs[other].tabIndex = other === name ? 0 : -1;
    }
    document.body.dataset.tab = name;
  }
  const titles = { summary: "Summary", calls: `Calls (${number(data.calls.length)})`, turns: `Turns (${number(turns.length)})` };
  const fired = data.rules.filter((rule) => rule.fired).length;
  const bar = h("div", { class: "tabs no-print", role: "tablist", keydown: (event) => {
    const names = Object.keys(titles), way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    const next = names[(names.indexOf(document.body.dataset.tab) + way + names.length) % names.length];
    show(next);
    tabs[next].focus();
  } }, Object.entries(titles).map(([name, title]) => (tabs[name] = h("button", { type: "button", role: "tab", id: "tab-" + name, "aria-controls": "pane-" + name, click: () => { show(name); location.hash = name; } }, title))));
  // What the label does not say already.
  const settings = (side) => { const rest = side.settings.filter((one) => !side.label.includes(one)); return rest.length ? ` · ${side.label} with ${rest.join(", ")}` : ""; };
  app.append(h("header", { class: "head" }, h("div", { class: "grow" }, h("h1", {}, data.b.label, h("span", { class: "soft" }, " against "), data.a.label),
    h("div", { class: "sub" }, counted(data.totals.calls, "call") + ", " + counted(data.totals.turns, "turn"), data.made_unix_ms ? " · " + date(data.made_unix_ms) : "", [data.a, data.b].map((side) => settings(side)), " · offhook ", data.build)),
  data.rules.length ? h("span", { class: "badge " + (fired ? "bad" : "good") }, fired ? "✗ fails" : "✓ passes") : null, themeButton()), bar);
  for (const name of Object.keys(titles)) app.append(panes[name] = h("main", { class: "pane " + name, id: "pane-" + name, role: "tabpanel", "aria-labelledby": "tab-" + name, hidden: true }));

  document.addEventListener("pointerover", (event) => {
    const told = event.target.closest && event.target.closest("[data-tip]");
    if (told && told.dataset.tip) tipAt(event.clientX, event.clientY, told.dataset.tip);
    else if (!(event.target instanceof HTMLCanvasElement) && !event.target.closest?.("svg")) noTip();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.matches && event.target.matches("input, select, textarea");
    if (event.key === "Escape" && document.body.dataset.tab === "calls") {
      if (!WIDE.matches) made.calls.element.classList.remove("open");
      made.calls.list.element.focus();
    } else if (!typing && event.key === "/") {
      event.preventDefault();
      show("calls");
      made.calls.search.focus();
    } else if (!typing && ["1", "2", "3"].includes(event.key)) {
      show(Object.keys(titles)[event.key - 1]);
    } else if (!typing && (event.key === "j" || event.key === "k") && document.body.dataset.tab === "calls") {
      made.calls.list.pick(Math.max(0, made.calls.list.picked + (event.key === "j" ? 1 : -1)));
    }
  });

  // A link may name a call and a turn.
  function follow() {
    const said = new URLSearchParams(location.hash.slice(1));
    const call = data.calls.find((one) => String(one.number) === said.get("call"));
    const turn = said.get("turn") === null ? undefined : Number(said.get("turn")) - 1;
    if (!call) return show(["calls", "turns"].find((name) => said.has(name)) || "summary");
    show("calls");
    made.calls.open(call, turn);
    return undefined;
  }
  addEventListener("hashchange", follow);
  follow();

  // Paper is light and has no scroll bars: summary, the calls as a table, the call that is open.
  let theme = null;
  const paper = h("section", { class: "paper" });
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme || "";
    document.documentElement.dataset.theme = "light";
    const was = document.body.dataset.tab;
    show("summary");
    if (was !== "summary") show(was);
    const MOST = 500;
    clear(paper).append(h("h2", {}, "Calls"), h("table", {}, h("thead", {}, h("tr", {}, ["Call", "From → to", "Result", "What changed", "Turns", "Slowed by"].map((title) => h("th", {}, title)))),
      h("tbody", {}, data.calls.slice(0, MOST).map((call) => h("tr", {}, h("td", { class: "mono" }, call.call_id), h("td", {}, `${call.caller} → ${call.called}`), h("td", {}, status(call)[0]), h("td", {}, call.changed.map((aspect) => ASPECTS[aspect] || plain(aspect)).join(", ")), h("td", {}, String(call.turns.length)), h("td", {}, call.worst > 1000 ? signed(call.worst / 1000, millis) : ""))))),
    data.calls.length > MOST ? h("p", {}, `… and ${number(data.calls.length - MOST)} more`) : "");
    panes.summary.after(paper);
    if (made.calls && made.calls.view) made.calls.view.whole();
    redraw();
  });
  addEventListener("afterprint", () => {
    paper.remove();
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    redraw();
  });
});
