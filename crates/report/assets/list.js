// A list of any length: only the rows in view are elements.

/** `options`: {name, height, render(item, at), pick(item, at)}. `set(items)` shows others. */
function longList(options) {
  const { height } = options;
  const space = h("div", { class: "rows" });
  const host = h("div", { class: "long-list", tabindex: 0, role: "listbox", "aria-label": options.name }, space);
  const id = "list-" + (longList.count = (longList.count || 0) + 1);
  let items = [], picked = -1, shown = new Map();

  function draw() {
    const from = Math.max(0, Math.floor(host.scrollTop / height) - 6);
    const to = Math.min(items.length, Math.ceil((host.scrollTop + host.clientHeight) / height) + 6);
    for (const [at, row] of shown) {
      if (at >= from && at < to) continue;
      row.remove();
      shown.delete(at);
    }
    for (let at = from; at < to; at += 1) {
      if (shown.has(at)) continue;
      const row = h("div", { class: "row", role: "option", id: id + "-" + at, "aria-setsize": items.length, "aria-posinset": at + 1,
        "aria-selected": String(at === picked) }, options.render(items[at], at));
      row.style.top = at * height + "px";
      row.style.height = height + "px";
      row.addEventListener("click", () => pick(at));
      shown.set(at, row);
      space.append(row);
    }
    if (picked >= 0) host.setAttribute("aria-activedescendant", id + "-" + picked);
  }

  function mark(at) {
    const before = shown.get(picked);
    if (before) before.setAttribute("aria-selected", "false");
    picked = at;
    const now = shown.get(at);
    if (now) now.setAttribute("aria-selected", "true");
  }

  function reveal(at) {
    const top = at * height, bottom = top + height;
    if (top < host.scrollTop) host.scrollTop = top;
    else if (bottom > host.scrollTop + host.clientHeight) host.scrollTop = bottom - host.clientHeight;
    draw();
  }

  function pick(at) {
    if (at < 0 || at >= items.length) return;
    mark(at);
    reveal(at);
    options.pick(items[at], at);
  }

  host.addEventListener("scroll", draw, { passive: true });
  host.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(host.clientHeight / height) - 1);
    const way = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity, j: 1, k: -1 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey || way === undefined && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    pick(way === undefined ? picked : Math.max(0, Math.min(items.length - 1, picked + way)));
  });
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(host);

  return {
    element: host,
    pick,
    get picked() { return picked; },
    get length() { return items.length; },
    /** Shows other items; the picked one stays picked where it is among them. */
    set(next) {
      const kept = items[picked];
      items = next;
      picked = kept === undefined ? -1 : items.indexOf(kept);
      for (const row of shown.values()) row.remove();
      shown = new Map();
      space.style.height = items.length * height + "px";
      if (picked < 0) host.scrollTop = 0;
      draw();
    },
    /** Marks an item without telling anyone. */
    show(item) {
      const at = items.indexOf(item);
      mark(at);
      if (at >= 0) reveal(at);
    },
  };
}
