// What the sections share: elements, durations, colours, tables.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PALETTE = ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#3aa6a0", "#9c755f", "#d37295", "#a0a52b", "#79706e"];
const PATH_COLOURS = { "execution": "#4e79a7", "hand-over": "#f28e2b", "submission": "#b07aa1", "completion": "#3aa6a0", "between runs": "#8a8f98" };

// An element; attributes that start with "on" are listeners, children are elements or text.
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// Seconds for people: three digits and a unit.
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "\u2013";
  for (const [factor, unit] of [[1e9, "ns"], [1e6, "\u00b5s"], [1e3, "ms"]]) {
    if (seconds * factor < 999.5) return `${digits(seconds * factor)} ${unit}`;
  }
  return `${seconds < 999.5 ? digits(seconds) : Math.round(seconds)} s`;
}

function digits(number) {
  return String(Number(number.toPrecision(3)));
}

// A figure of a verification: its digits where people count them, otherwise as a power of ten.
function figure(value) {
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return Number.isInteger(value) || size === 0 || (size >= 1e-3 && size < 1e7) ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : value.toExponential(2);
}

function percent(share) {
  const value = 100 * share;
  return `${value >= 99.95 ? "100" : value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function colourOf(index) {
  return PALETTE[index % PALETTE.length];
}

// One bar of shares and its legend. parts: [name, seconds, colour].
function stackedBar(parts) {
  const total = parts.reduce((sum, [, seconds]) => sum + seconds, 0) || 1;
  const shown = parts.filter(([, seconds]) => seconds > 0);
  const bar = shown.map(([name, seconds, colour]) =>
    el("span", { style: `flex: ${seconds / total}; background: ${colour}`, title: `${name}: ${duration(seconds)} (${percent(seconds / total)})` },
      seconds / total > 0.07 ? name : ""));
  const legend = shown.map(([name, seconds, colour]) =>
    el("span", {}, el("i", { style: `background: ${colour}` }), `${name} `, el("span", { class: "quiet" }, `${duration(seconds)} \u00b7 ${percent(seconds / total)}`)));
  return [el("div", { class: "bar" }, bar), el("div", { class: "legend" }, legend)];
}

// A table that sorts by a click on a column. columns: {title, number, help}; a cell is {show, sort} or text.
function table(id, columns, rows) {
  const body = el("tbody");
  const cellOf = (cell, column) => el("td", { class: column.number ? "number" : null }, cell !== null && typeof cell === "object" && "show" in cell ? cell.show : String(cell));
  const sortKey = (cell) => (cell !== null && typeof cell === "object" && "show" in cell ? cell.sort : cell);
  const fill = (ordered) => body.replaceChildren(...ordered.map((row) => el("tr", {}, row.map((cell, i) => cellOf(cell, columns[i])))));
  const heads = columns.map((column, i) => el("th", {
    class: `sortable${column.number ? " number" : ""}`, title: column.help, scope: "col", onclick: () => {
      const down = heads[i].getAttribute("aria-sort") !== "descending";
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[i].setAttribute("aria-sort", down ? "descending" : "ascending");
      const by = (a, b) => { const x = sortKey(a[i]) ?? -1, y = sortKey(b[i]) ?? -1; return x < y ? -1 : x > y ? 1 : 0; };
      fill([...rows].sort((a, b) => (down ? by(b, a) : by(a, b))));
    },
  }, column.title));
  fill(rows);
  return el("div", { class: "scroll" }, el("table", { id }, el("thead", {}, el("tr", {}, heads)), body));
}

function pairs(entries) {
  return el("div", { class: "pairs" }, entries.flatMap(([key, value]) => [el("span", {}, key), el("span", {}, value)]));
}
