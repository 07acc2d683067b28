// Shared by all pages: elements, numbers for people, bars of shares, texts to copy.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 10;
const PATH_COLOURS = { "execution": 0, "hand-over": 1, "submission": 3, "completion": 4, "between runs": 9 };

// An element; attributes that start with "on" are listeners, children are elements or text.
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// A drawing whose text is in the page's data.
function drawing(text) {
  const made = document.createElement("template");
  made.innerHTML = text;
  return made.content;
}

function figureOf({ title, svg, legend, kind }) {
  return el("figure", { class: kind }, el("figcaption", {}, title), drawing(svg), drawing(legend || ""));
}

function section(title, ...content) {
  const id = `section-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), content);
}

// Seconds for people: three digits and a unit.
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "\u2013";
  for (const [factor, unit] of [[1e9, "ns"], [1e6, "\u00b5s"], [1e3, "ms"], [1, "s"]]) {
    if (seconds * factor < 999.5) return `${threeDigits(seconds * factor)} ${unit}`;
  }
  return `${Math.round(seconds).toLocaleString("en")} s`;
}

function threeDigits(number) {
  return number ? number.toPrecision(3) : "0";
}

// A figure of a verification: a count with all its digits; other numbers rounded, or as a power of ten.
function figure(value) {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e7 ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : value.toExponential(2);
}

function percent(share) {
  const value = 100 * share;
  return `${value >= 99.95 ? "100" : value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function number(value) {
  return value.toLocaleString("en");
}

function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function colourClass(index) {
  return `f${index % COLOURS}`;
}

// One bar of shares and its legend. parts: [name, seconds, number of a colour].
function stackedBar(label, parts) {
  const total = parts.reduce((sum, [, seconds]) => sum + seconds, 0) || 1;
  const shown = parts.filter(([, seconds]) => seconds > 0);
  const bar = shown.map(([name, seconds, colour]) =>
    el("span", { class: colourClass(colour), style: `flex: ${seconds / total}`, title: `${name}: ${duration(seconds)} (${percent(seconds / total)})` },
      seconds / total > 0.07 ? name : ""));
  const legend = shown.map(([name, seconds, colour]) =>
    el("li", {}, el("i", { class: colourClass(colour) }), `${name} `, el("span", { class: "quiet" }, `${duration(seconds)} \u00b7 ${percent(seconds / total)}`)));
  return [el("div", { class: "bar", "aria-hidden": "true" }, bar), el("ul", { class: "legend", "aria-label": label }, legend)];
}

function pairs(entries) {
  return el("dl", { class: "pairs" }, entries.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));
}

// A command, with a button that copies it.
function command(text) {
  const said = el("span", { class: "unseen", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(shown);
      said.textContent = "selected: copy it with the keyboard";
    }
    button.textContent = said.textContent.split(":")[0];
  };
  const shown = el("pre", { class: "to-copy" }, text), button = el("button", { type: "button", class: "plain", onclick: copy }, "copy");
  return el("div", { class: "command" }, shown, button, said);
}

// Paper is light: canvases are drawn again for printing.
function printLight(timelines) {
  const turn = (printing) => { document.documentElement.classList.toggle("printing", printing); timelines.forEach((timeline) => timeline.draw()); };
  addEventListener("beforeprint", () => turn(true));
  addEventListener("afterprint", () => turn(false));
}
