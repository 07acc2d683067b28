// Tables: a button in each head sorts, a field filters, and narrow windows get blocks of titled values.

const isCell = (cell) => cell !== null && typeof cell === "object" && "show" in cell;
const sortKey = (cell) => (isCell(cell) ? cell.sort : cell);

// columns: {title, number, help}; rows: of cells, each {show, sort} or text. kinds: a class for each row.
function table(id, caption, columns, rows, { kinds = [], filter = false } = {}) {
  const body = el("tbody", { role: "rowgroup" });
  const made = rows.map((cells, i) => ({
    cells,
    text: "",
    row: el("tr", { role: "row", class: kinds[i] || null }, cells.map((cell, c) =>
      el("td", { role: "cell", class: columns[c].number ? "number" : null, "data-title": columns[c].title },
        isCell(cell) ? el("span", {}, cell.show) : String(cell ?? "\u2013")))),
  }));
  made.forEach((one) => { one.text = one.row.textContent.toLowerCase(); });
  let order = made, wanted = "";
  const status = el("span", { class: "quiet", role: "status" });
  const fill = () => {
    const shown = order.filter((one) => wanted.split(/\s+/).every((word) => one.text.includes(word)));
    body.replaceChildren(...shown.map((one) => one.row));
    status.textContent = wanted ? `${number(shown.length)} of ${count(rows.length, "row")}` : "";
  };
  const sortBy = (i) => {
    const down = heads[i].getAttribute("aria-sort") !== "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[i].setAttribute("aria-sort", down ? "descending" : "ascending");
    const missing = (key) => key === null || key === undefined;
    order = [...made].sort((a, b) => {
      const x = sortKey(a.cells[i]), y = sortKey(b.cells[i]);
      if (missing(x) || missing(y)) return missing(x) - missing(y); // missing values come last
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    fill();
  };
  const heads = columns.map((column, i) => el("th", { role: "columnheader", class: column.number ? "number" : null, scope: "col" },
    el("button", { type: "button", title: column.help ? `${column.help}; sorts` : "sorts", onclick: () => sortBy(i) }, column.title)));
  fill();
  const field = !filter ? null : el("div", { class: "tools" },
    el("label", {}, "filter ", el("input", { type: "search", id: `${id}-filter`, oninput: (event) => { wanted = event.target.value.trim().toLowerCase(); fill(); } })), status);
  const whole = el("table", { id, role: "table" }, el("caption", { class: "unseen" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)), body);
  return el("div", {}, field, el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption }, whole));
}
