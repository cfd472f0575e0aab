// What every page uses. Text reaches the page as text nodes only: there is no way from data to markup here.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** An HTML element. Attributes that are functions listen. */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function clear(node) {
  node.replaceChildren();
  return node;
}

const DASH = "–";

/** A number with about three digits that mean something, thousands apart. */
function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3;
  const [whole, part] = size.toFixed(digits).split(".");
  const sign = value < 0 && Number(size.toFixed(digits)) !== 0 ? "−" : "";
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (part ? "." + part : "");
}

/** A number and its unit. */
function measure(value, unit) {
  const said = number(value);
  return said === DASH || !unit ? said : said + "\u202f" + unit;
}

/** How many of something: 1 call, 2 calls. */
function counted(count, word) {
  return number(count) + "\u202f" + word + (count === 1 ? "" : "s");
}

/** The largest, 0 where all are smaller; however many there are. */
function most(values) {
  return values.reduce((found, value) => Math.max(found, value), 0);
}

/** Milliseconds, as seconds where these are easier to read. */
function millis(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (Math.abs(value) >= 9995) return measure(Math.round(value / 100) / 10, "s");
  return measure(Math.abs(value) >= 10 ? Math.round(value) : Math.round(value * 10) / 10, "ms");
}

/** Milliseconds as a place in a call: 1:02.3. */
function clock(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const tenths = Math.max(0, Math.round(value / 100));
  const minutes = Math.floor(tenths / 600);
  const hours = Math.floor(minutes / 60);
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? hours + ":" + String(minutes % 60).padStart(2, "0") + ":" + seconds : minutes + ":" + seconds;
}

/** Unix milliseconds as a date, in UTC: the same for every reader. */
function date(unixMs) {
  const time = new Date(unixMs);
  return Number.isFinite(time.getTime()) ? time.toISOString().replace("T", " ").slice(0, 19) + " UTC" : DASH;
}

/** A difference, its sign always told. */
function signed(value, say) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  return (value > 0 ? "+" : "") + say(value);
}

/** The smallest of ascending figures with at least `share` of them at or below it. */
function percentile(ascending, share) {
  return ascending.length ? ascending[Math.max(1, Math.ceil(share * ascending.length)) - 1] : null;
}

/** Bytes of a base64 text. */
function octets(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

// One tool tip for all.
const tip = h("div", { class: "tip", hidden: true });

function tipAt(x, y, words) {
  if (!tip.isConnected) document.body.append(tip);
  tip.textContent = words;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, x + 14 + box.width > innerWidth ? x - 10 - box.width : x + 14) + "px";
  tip.style.top = Math.max(4, Math.min(y + 14, innerHeight - box.height - 4)) + "px";
}

function noTip() {
  tip.hidden = true;
}

/** Called when colours changed: what is drawn on a canvas knows none by itself. */
const redraws = new Set();

function redraw() {
  for (const one of redraws) one();
}

function themeButton() {
  const next = { "": "dark", dark: "light", light: "" };
  const said = { "": "Theme: system", dark: "Theme: dark", light: "Theme: light" };
  const button = h("button", { class: "no-print", type: "button", click: () => set(next[now()]) }, said[""]);
  const now = () => document.documentElement.dataset.theme || "";
  const set = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = said[theme];
    redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return button;
}

/** Runs the page, and says on it when something went wrong: nobody looks at a console. */
function start(build) {
  const app = document.getElementById("app");
  const failed = (why) => {
    document.documentElement.dataset.failed = String(why);
    app.prepend(h("p", { class: "banner", role: "alert" }, "This report could not be shown in full: " + why));
  };
  addEventListener("error", (event) => failed(event.message));
  addEventListener("securitypolicyviolation", (event) => failed("refused by its own policy: " + event.blockedURI));
  const data = JSON.parse(document.getElementById("data").textContent);
  clear(app);
  build(app, data);
  // Two frames on, all of it was painted: the moment at which a reader can begin.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.documentElement.dataset.ready = Math.round(performance.now());
  }));
}
