// One call: facts, where the sides part, sound, and the conversation turn by turn with the ledger of each turn.

const SEGMENT_INK = { jitter_buffer: "c1", voice_activity: "c0", recognizer: "c4", conversation: "c3", tools: "c2", synthesizer: "c5", queue: "c6", lead_in: "c7" };
const segmentInk = (name) => SEGMENT_INK[name] || "c" + ([...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 8);
const plain = (name) => name.replace(/_/g, " ");
const ASPECTS = { outcome: "outcome", cause: "cause", transcript: "words", states: "states", slots: "slots", transfers: "transfers", tools: "tools", barge_ins: "barge-ins", turns: "timing" };

/** How a call came out, in one word and a colour. */
function status(call) {
  if (call.b.unfinished) return ["unfinished", "bad"];
  const told = call.changed.filter((aspect) => aspect !== "turns");
  if (told.length) return ["changed", "warn"];
  return call.changed.length ? ["timing", ""] : ["same", "good"];
}

/** A turn in words, for tool tips. */
function turnWords(turn, segments) {
  const parts = segments.map((name, at) => [name, turn[4][at]]).filter(([, micros]) => micros)
    .map(([name, micros]) => plain(name) + " " + millis(micros / 1000));
  return millis(turn[2] / 1000) + " = " + parts.join(" + ") + (turn[3] === null ? "" : "\nbarge-in: bot silent after " + millis(turn[3] / 1000));
}

function pairWords(pair, sides, segments) {
  return [0, 1].map((side) => pair[side] && `turn ${pair[side][0]}, ${sides[side]}: ${turnWords(pair[side], segments)}`).filter(Boolean).join("\n");
}

/** The ledger of a turn as a bar; `most` microseconds are its full width. */
function ledgerBar(turn, segments, most, words) {
  const bar = h("div", { class: "bar", "data-tip": words });
  if (!turn) return bar;
  segments.forEach((name, at) => {
    if (!turn[4][at]) return;
    const part = h("i", { class: "seg " + segmentInk(name) });
    part.style.width = Math.max(0.15, (100 * turn[4][at]) / most) + "%";
    bar.append(part);
  });
  return bar;
}

function segmentLegend(segments) {
  return h("div", { class: "legend" }, segments.map((name) => h("span", { class: "key" }, h("i", { class: "dot " + segmentInk(name) }), plain(name))),
    h("span", { class: "key" }, h("span", { class: "bad-ink" }, "▼"), "barge-in"));
}

/** Slower is worse, and less than a tick is nothing. */
function deltaMark(pair) {
  if (!pair[0] || !pair[1]) return h("span", { class: "badge warn" }, pair[0] ? "gone" : "new");
  const by = (pair[1][2] - pair[0][2]) / 1000;
  const kind = !pair[2] || Math.abs(by) < 1 ? "soft" : by > 0 ? "bad-ink" : "good-ink";
  return h("span", { class: kind }, Math.abs(by) < 1 ? "±0" : signed(by, millis));
}

/** Two lists side by side: what only one has is marked. */
function listDiff(a, b) {
  const size = (a.length + 1) * (b.length + 1);
  if (size > 4e6) return a.map((item, at) => [item === b[at] ? 0 : 1, item]);
  const wide = b.length + 1, table = new Uint32Array(size);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * wide + j] = a[i] === b[j] ? table[(i + 1) * wide + j + 1] + 1 : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
    }
  }
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push([0, a[i]]); i += 1; j += 1; }
    else if (j >= b.length || i < a.length && table[(i + 1) * wide + j] >= table[i * wide + j + 1]) { out.push([1, a[i]]); i += 1; }
    else { out.push([2, b[j]]); j += 1; }
  }
  return out;
}

const diffed = (kind, text) => (kind === 0 ? text : h(kind === 1 ? "del" : "ins", {}, text));

function changedValue(a, b) {
  const say = (value) => (value === null || value === undefined || value === "" ? DASH : String(value));
  return say(a) === say(b) ? say(a) : [h("del", {}, say(a)), " ", h("ins", {}, say(b))];
}

/** What is in the table of a call: name, side a, side b. */
function callFacts(call) {
  const of = (name, say) => [name, say(call.a), say(call.b)];
  const list = (items) => (items.length ? items.join(", ") : null);
  const rows = [
    of("Bot", (side) => side.bot + (side.bot_version ? " " + side.bot_version.slice(0, 8) : "")),
    of("Outcome", (side) => side.outcome), of("Ended by", (side) => side.cause && plain(side.cause)),
    of("Talk time", (side) => millis(side.talk_ms)),
    of("Intents", (side) => list(side.intents)), of("Keys", (side) => side.keys),
    of("Not understood", (side) => side.no_match), of("Nothing said", (side) => side.no_input),
    of("Barge-ins", (side) => list(side.barge_ins.map((barge) => `${clock(barge.at_ms)} (${millis(barge.played_ms)} heard)`))),
    of("Transfers", (side) => list(side.transfers.map((transfer) => transfer.target + ": " + (transfer.failure ? plain(transfer.failure) : "succeeded")))),
    of("Tools", (side) => list(side.tools.map((tool) => tool.tool + ": " + (tool.error || tool.status || "answered")))),
    of("Characters spoken", (side) => side.costs.synthesized_characters === null ? null : number(side.costs.synthesized_characters)),
    of("Recognizer", (side) => side.costs.recognizer_seconds === null ? null : measure(side.costs.recognizer_seconds, "s")),
    of("Tool calls", (side) => side.costs.tool_calls + (side.costs.tool_failures ? ` (${side.costs.tool_failures} failed)` : "")),
  ];
  for (const name of [...new Set([...Object.keys(call.a.slots), ...Object.keys(call.b.slots)])].sort()) {
    rows.push(of("Slot " + name, (side) => (Object.hasOwn(side.slots, name) ? side.slots[name] : null)));
  }
  return rows.filter(([, a, b]) => (a !== null && a !== "" && a !== 0) || (b !== null && b !== "" && b !== 0));
}

/** Rows of the transcript with the turns between them: a turn stands before the answer that ends it. */
function conversation(call) {
  const items = [];
  let next = 0;
  const due = (row) => {
    const pair = call.turns[next];
    if (!pair) return false;
    const side = pair[0] && row[1] !== null ? 0 : pair[1] && row[2] !== null ? 1 : -1;
    return side >= 0 && row[side + 1] >= pair[side][1];
  };
  for (const row of call.transcript) {
    while (row[0] === "bot" && due(row)) items.push({ pair: call.turns[next++] });
    items.push({ row });
  }
  while (next < call.turns.length) items.push({ pair: call.turns[next++] });
  return items;
}

function rowElement(row, sides) {
  const [speaker, a, b, parts] = row;
  const only = a === null ? 2 : b === null ? 1 : 0;
  return h("div", { class: "said " + (speaker === "caller" ? "by-caller" : "by-bot") + (only ? " only-" + (only === 1 ? "a" : "b") : "") },
    h("span", { class: "when num soft small" }, clock(a ?? b)),
    h("span", { class: "who" }, speaker === "caller" ? "Caller" : "Bot"),
    h("div", { class: "words" }, parts.map(([kind, text]) => diffed(kind, text)),
      only ? h("span", { class: "badge" }, "only " + sides[only - 1]) : null));
}

/** The element of a call: {element, turn(number)}. */
function callView(call, data) {
  const sides = [data.a.label, data.b.label];
  const [word, kind] = status(call);
  const element = h("article", { class: "call" });
  const first = call.first_difference, left = call.b.departure || call.a.departure;
  const longest = Math.max(1, most(call.turns.map(([a, b]) => Math.max(a ? a[2] : 0, b ? b[2] : 0))));
  const rows = new Map();
  const picture = wave(call, sides, data.segments, (pair) => choose(pair, true));

  element.append(h("header", { class: "call-head" },
    h("h2", { class: "mono big", tabindex: -1 }, call.call_id), h("span", { class: "badge " + kind }, word),
    call.changed.map((aspect) => h("span", { class: "badge" }, ASPECTS[aspect] || plain(aspect))),
    h("p", { class: "soft small" }, `${call.caller || "unknown"} → ${call.called || "unknown"} · ${date(call.started_unix_ms)} · `,
      h("span", { class: "mono" }, call.file, call.file_b ? " / " + call.file_b : ""))));

  if (call.b.unfinished) element.append(h("p", { class: "box bad" }, h("b", {}, "Not played to its end. "), call.b.unfinished));
  if (first) {
    element.append(h("section", { class: "box warn" }, h("h3", {}, `First difference at ${clock(first.a_ms ?? first.b_ms)}`, first.state ? [" in state ", h("span", { class: "mono" }, first.state)] : null),
      h("dl", { class: "facts" }, h("dt", {}, sides[0]), h("dd", {}, first.a), h("dt", {}, sides[1]), h("dd", {}, first.b))));
  }
  if (left) {
    element.append(h("details", { class: "box", open: !first }, h("summary", {}, h("b", {}, `Left its recording at ${clock(left.at_ms)}: `), left.what),
      h("dl", { class: "facts" }, h("dt", {}, "Where"), h("dd", {}, left.place), h("dt", {}, "Recorded"), h("dd", {}, left.recorded), h("dt", {}, "Now"), h("dd", {}, left.now))));
  }
  element.append(h("section", { class: "card" }, h("h2", {}, "Sound and turns"), picture.element));

  const items = conversation(call), body = h("div", { class: "talk" });
  const talk = h("section", { class: "card" }, h("div", { class: "title-line" }, h("h2", {}, "Conversation"),
    h("span", { class: "soft small" }, wordsChanged(call.words)), h("span", { class: "small" }, h("del", {}, sides[0]), " ", h("ins", {}, sides[1]))),
  call.turns.length ? segmentLegend(data.segments) : null, body);
  element.append(talk);
  if (!items.length) body.append(h("p", { class: "soft" }, "Nothing was said."));

  // A part at a time, from wherever the reader is: a call of thousands of turns opens as fast as a short one.
  const PART = 150;
  let begin = 0, end = 0;
  const earlier = h("div", { class: "more" }), later = h("div", { class: "more" });
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) extend(entry.target === earlier ? [begin - PART, end] : [begin, end + PART]);
  }, { rootMargin: "600px" });
  /** Shows these items besides those that are shown. */
  function extend([from, to]) {
    const [start, stop] = [Math.max(0, from), Math.min(items.length, to)];
    earlier.after(...items.slice(start, begin).map(itemElement));
    later.before(...items.slice(end, stop).map(itemElement));
    [begin, end] = [Math.min(begin, start), Math.max(end, stop)];
    for (const [mark, needed] of [[earlier, begin > 0], [later, end < items.length]]) {
      // Watched anew: a watcher tells only of changes.
      watch.unobserve(mark);
      if (needed) watch.observe(mark);
    }
  }
  /** Shows the surroundings of an item, and leaves what is far from it. */
  function reach(at) {
    if (at < begin - PART || at > end + PART) {
      clear(body).append(earlier, later);
      rows.clear();
      [begin, end] = [Math.max(0, at - PART), Math.max(0, at - PART)];
    }
    extend([Math.min(begin, at), Math.max(end, at + PART)]);
  }
  function itemElement(item) {
    if (item.row) return rowElement(item.row, sides);
    const pair = item.pair, turn = pair[0] || pair[1];
    const line = h("button", { type: "button", class: "turn" + (pair[2] ? " changed" : ""), click: () => choose(pair, false) },
      h("span", { class: "turn-number" }, "Turn " + turn[0]),
      h("span", { class: "turn-bars" }, [0, 1].map((side) => h("span", { class: "turn-bar" },
        ledgerBar(pair[side], data.segments, longest, pair[side] && sides[side] + ": " + turnWords(pair[side], data.segments)),
        h("span", { class: "num small" }, pair[side] ? millis(pair[side][2] / 1000) : DASH,
          pair[side] && pair[side][3] !== null ? h("span", { class: "bad-ink", title: "barge-in" }, " ▼") : null)))),
      h("span", { class: "turn-delta num small" }, deltaMark(pair)));
    rows.set(pair, line);
    return line;
  }
  body.append(earlier, later);
  extend([0, PART]);

  function choose(pair, scroll) {
    for (const line of body.querySelectorAll(".turn.picked")) line.classList.remove("picked");
    if (!rows.has(pair)) reach(items.findIndex((item) => item.pair === pair));
    const line = rows.get(pair);
    if (!line) return;
    line.classList.add("picked");
    if (scroll) line.scrollIntoView({ block: "center" });
    picture.turn(pair);
  }

  const states = listDiff(call.a.states.map((one) => one.state), call.b.states.map((one) => one.state));
  const SHOWN = 400;
  element.append(h("section", { class: "card" }, h("h2", {}, "States"),
    h("p", { class: "states" }, states.slice(0, SHOWN).map(([change, name], at) => [at ? " → " : "", h("span", { class: "state" }, diffed(change, name))]),
      states.length > SHOWN ? ` … and ${states.length - SHOWN} more` : null)));
  element.append(h("section", { class: "card" }, h("h2", {}, "Outcome, slots and costs"),
    h("div", { class: "scroll-x" }, h("table", { class: "sides" }, h("thead", {}, h("tr", {}, h("th", {}, ""), h("th", { scope: "col" }, sides[0]), h("th", { scope: "col" }, sides[1]))),
      h("tbody", {}, callFacts(call).map(([name, a, b]) => h("tr", { class: String(a) === String(b) ? "" : "differs" }, h("th", { scope: "row" }, name),
        h("td", {}, a === null || a === "" ? DASH : a), h("td", {}, b === null || b === "" ? DASH : b))))))));
  const notes = [...call.a.notes.map((note) => [sides[0], note]), ...call.b.notes.map((note) => [sides[1], note])];
  if (notes.length) element.append(h("section", { class: "card" }, h("h2", {}, "Notes"), h("ul", {}, notes.map(([side, note]) => h("li", {}, h("b", {}, side + ": "), note)))));

  return {
    element,
    draw: picture.draw,
    /** More than the screen needs, for the printer. */
    whole: () => extend([begin, begin + 2000]),
    turn: (at) => { if (call.turns[at]) choose(call.turns[at], true); },
  };
}

function wordsChanged(words) {
  const told = [[words.replaced, "replaced"], [words.removed, "removed"], [words.added, "added"]].filter(([count]) => count).map(([count, what]) => number(count) + " " + what);
  return counted(words.a, "word") + (told.length ? ": " + told.join(", ") : ", all the same");
}
