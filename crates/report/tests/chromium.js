// What must hold of the pages in a browser. `scripts/check-report.sh` runs `checks[NAME]()` inside the page NAME.html by
// the debugging pipe; what it answers is a list of what is wrong.
({
  wrong: [],
  be(right, words) { if (!right) this.wrong.push(words); },
  painted: () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  async settled(test) { for (let at = 0; at < 200 && !test(); at += 1) await this.painted(); return test(); },
  all: (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()),
  one(selector) { return this.all(selector)[0]; },
  async key(element, key) { element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })); await this.painted(); },
  async tab(name) { document.getElementById("tab-" + name).click(); await this.painted(); },

  /** Of two colours as a style sheet writes them. */
  contrast(one, other) {
    const light = (colour) => {
      const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const [high, low] = [light(one), light(other)].sort((first, second) => second - first);
    return (high + 0.05) / (low + 0.05);
  },
  colours() {
    for (const theme of ["light", "dark"]) {
      document.documentElement.dataset.theme = theme;
      const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue("--" + name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
      for (const [ink, ground] of [["ink", "ground"], ["ink", "card"], ["ink", "picked"], ["ink", "sunken"], ["soft", "ground"], ["soft", "card"], ["soft", "picked"], ["soft", "sunken"], ["accent", "card"],
        ["good", "good-ground"], ["bad", "bad-ground"], ["warn", "warn-ground"], ["good", "card"], ["bad", "card"], ["warn", "card"], ["c0", "card"]]) {
        const found = this.contrast(of(ink), of(ground));
        this.be(found >= 4.5, `${theme}: ${ink} on ${ground} has a contrast of ${found.toFixed(2)}`);
      }
    }
    delete document.documentElement.dataset.theme;
  },
  common() {
    const { ready, failed } = document.documentElement.dataset;
    this.be(!failed, "the page says: " + failed);
    this.be(Number(ready) > 0, "never ready");
    this.be(document.scripts.length === 2, `${document.scripts.length} scripts`);
    this.be(!document.querySelector("img, iframe, object, link, base"), "an element that loads something");
    this.be(document.title !== "owned", "a word of a caller ran");
    this.be(document.documentElement.scrollWidth <= innerWidth, `wider than the window of ${innerWidth}: ${document.documentElement.scrollWidth}`);
  },
  drawn(canvas) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 404) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return seen.size;
  },

  async pages(name) {
    this.common();
    await this[name]();
    this.common();
    return this.wrong.join("; ");
  },

  async bench() {
    this.be(this.all(".picture").length === 4, `${this.all(".picture").length} plots`);
    this.be(this.all(".picture path").every((path) => !/NaN|Infinity/.test(path.getAttribute("d"))), "a path with a broken number");
    this.be(this.all(".cards .card").length === 8, "cards");
    this.be(document.body.textContent.includes("Against the baseline"), "no baseline");
    const key = this.one(".legend button"), lines = () => this.all(".picture")[0].querySelectorAll("g").length, before = lines();
    key.click();
    this.be(lines() === before - 1, "the legend hides nothing");
    key.click();
    const frame = this.one(".plot-frame");
    frame.focus();
    await this.key(frame, "ArrowRight");
    this.be(/ at /.test(this.one(".tip")?.textContent || ""), "arrow keys read no values");
    frame.blur();
    this.colours();
  },

  async compare() {
    this.be(document.body.dataset.tab === "summary" && this.all(".cards .card").length === 8, "no summary");
    this.be(this.all(".picture").length === 2, "no plots");
    await this.tab("calls");
    const list = this.one(".calls-pane .long-list");
    list.focus();
    await this.key(list, "ArrowDown");
    await this.key(list, "ArrowDown");
    await this.key(list, "ArrowDown");
    if (!list.checkVisibility()) this.be(this.one(".back"), "no way back to the list");
    this.be(this.one(".call h2").textContent.endsWith("000000000003"), "three steps down are not the third call: " + this.one(".call h2").textContent);
    this.be(location.hash === "#call=3", "no link to the call: " + location.hash);
    this.be(this.drawn(this.one(".wave canvas")) > 8, "nothing drawn");
    this.be(this.all(".said").length === 18 && this.all("button.turn").length === 9, "words or turns are missing");
    this.be(this.one("del") && this.one("ins") && this.one(".box.warn"), "no difference is marked");
    this.all("button.turn")[4].click();
    this.be(this.all("button.turn.picked").length === 1, "no turn is picked");
    await this.key(this.one(".wave canvas"), "n");
    this.be(this.all("button.turn.picked")[0].textContent.includes("Turn 6"), "n is not the next turn");
    if (this.one(".back")) this.one(".back").click();
    const search = this.one("input[type=search]");
    search.value = "订单到哪里了";
    search.dispatchEvent(new Event("input"));
    this.be(/^15.of 60/.test(this.one(".tools [role=status]").textContent), "search found " + this.one(".tools [role=status]").textContent);
    search.value = "";
    search.dispatchEvent(new Event("input"));
    const filter = this.one("select[aria-label=Filter]");
    filter.value = "outcome";
    filter.dispatchEvent(new Event("change"));
    this.be(/^20.of 60/.test(this.one(".tools [role=status]").textContent), "filter found " + this.one(".tools [role=status]").textContent);
    filter.value = "all";
    filter.dispatchEvent(new Event("change"));
    const order = this.one("select[aria-label=Order]");
    order.value = "slower";
    order.dispatchEvent(new Event("change"));
    await this.painted();
    this.be(this.all(".call-row")[0].textContent.includes("+"), "the first is not one that slowed");
    location.hash = "call=1";
    await this.settled(() => this.one(".call h2")?.textContent.includes("</script>"));
    this.be(this.one(".call h2").textContent.startsWith('call-"1"-</script><script>'), "a hostile id is not shown as it is");
    this.be(document.body.textContent.includes("onerror=alert(1)"), "hostile words are not shown as they are");
    this.colours();
    location.hash = "summary";
    await this.painted();
  },

  async "calls-1000"() {
    await this.tab("calls");
    await this.scrolls(this.one(".calls-pane .long-list"), 1000);
    await this.tab("turns");
    await this.scrolls(this.one(".turns-pane .long-list"), 10000);
    await this.tab("calls");
    for (const order of ["words", "slower", "longest"]) {
      const began = performance.now(), select = this.one("select[aria-label=Order]");
      select.value = order;
      select.dispatchEvent(new Event("change"));
      this.be(performance.now() - began < 1000, `sorting took ${Math.round(performance.now() - began)} ms`);
    }
    const search = this.one("input[type=search]"), began = performance.now();
    search.value = "shipped";
    search.dispatchEvent(new Event("input"));
    this.be(performance.now() - began < 2000, `searching took ${Math.round(performance.now() - began)} ms`);
    this.be(/^250.of 1.000/.test(this.one(".tools [role=status]").textContent), "search found " + this.one(".tools [role=status]").textContent);
  },

  async "turns-10000"() {
    await this.tab("turns");
    await this.scrolls(this.one(".turns-pane .long-list"), 10000);
    const began = performance.now();
    location.hash = "call=1&turn=9990";
    await this.settled(() => this.one("button.turn.picked"));
    this.be(this.one("button.turn.picked")?.textContent.includes("Turn 9990"), "turn 9,990 is not shown");
    this.be(performance.now() - began < 4000, `going to turn 9,990 took ${Math.round(performance.now() - began)} ms`);
    this.be(this.drawn(this.one(".wave canvas")) > 8, "nothing drawn");
  },

  async empty() {
    await this.tab("calls");
    this.be(document.body.textContent.includes("There are no calls."), "no word of that there are none");
    await this.tab("turns");
    this.be(this.all(".row").length === 0, "rows of nothing");
  },

  /** All the way down: the rows in view are there, the others are not elements. */
  async scrolls(list, length) {
    this.be(this.all(".row").length > 5, "no rows");
    const took = [];
    for (let at = 0; at <= 40; at += 1) {
      const began = performance.now();
      list.scrollTop = (list.scrollHeight * at) / 40;
      await this.painted();
      took.push(performance.now() - began);
    }
    const rows = [...list.querySelectorAll(".row")], last = Math.max(...rows.map((row) => Number(row.getAttribute("aria-posinset"))));
    this.be(last === length, `the last of ${length} rows is ${last}`);
    this.be(rows.length < 80, `${rows.length} rows are elements`);
    // The median: a busy machine may miss a frame or two.
    const median = took.sort((one, other) => one - other)[20];
    this.be(median < 250, `a step of scrolling took ${Math.round(median)} ms`);
    list.scrollTop = 0;
    await this.painted();
  },
})
