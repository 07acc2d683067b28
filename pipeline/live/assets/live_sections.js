// The sections of a live page: each has an element, and shows the last message. Elements are kept between messages, so
// that the keyboard's focus and what is unfolded stay.

// A table whose rows are kept: rows of cells, each text or {show, kind}.
class SteadyTable {
  constructor(id, caption, columns) {
    this.columns = columns;
    this.body = el("tbody", { role: "rowgroup" });
    this.rows = [];
    this.element = el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
      el("table", { id, role: "table", class: "steady" }, el("caption", { class: "unseen" }, caption),
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map(({ title, number: right }) => el("th", { role: "columnheader", scope: "col", class: right ? "number" : null }, title)))), this.body));
  }

  fill(rows) {
    while (this.rows.length > rows.length) this.rows.pop()[0].remove();
    rows.forEach((cells, at) => {
      if (at === this.rows.length) {
        const made = this.columns.map(({ title, number: right }) => el("span", {})), row = el("tr", { role: "row" }, made.map((cell, c) => el("td", { role: "cell", class: this.columns[c].number ? "number" : null, "data-title": this.columns[c].title }, cell)));
        this.rows.push([row, made, this.columns.map(() => null)]);
        this.body.append(row);
      }
      const [, made, shown] = this.rows[at];
      cells.forEach((cell, c) => {
        const { text, kind, link } = typeof cell === "object" ? cell : { text: cell }, key = `${text}\n${kind || ""}\n${link || ""}`;
        if (shown[c] === key) return;
        shown[c] = key;
        made[c].replaceChildren(link ? el("a", { href: link, target: "_blank", rel: "noopener" }, text) : text);
        made[c].className = kind || "";
      });
    });
  }
}

class Cards {
  constructor(titles) {
    this.cards = titles.map((title) => [el("b", {}, "\u2013"), el("span", { class: "quiet" }, "\u00a0"), title]);
    this.element = el("div", { class: "cards" }, this.cards.map(([value, more, title]) => el("div", { class: "card" }, el("span", { class: "quiet" }, title), value, more)));
  }

  fill(values) {
    values.forEach(([value, more], i) => { this.cards[i][0].textContent = value; this.cards[i][1].textContent = more || "\u00a0"; });
  }
}

function rounded(value) {
  return value >= 100 ? number(Math.round(value)) : value ? value.toPrecision(value >= 10 ? 3 : 2) : "0";
}

// "12 s", "2 min 5 s": an elapsed time.
function passed(seconds) {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole} s` : whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

// Tasks a second over the last two minutes.
class RateChart {
  constructor() {
    this.place = el("div", {});
    this.element = el("figure", { class: "small" }, el("figcaption", {}, `Tasks a second, last ${MINUTES} minutes`), this.place);
  }

  fill(rates) {
    const width = 640, height = 150, left = 70, right = 16, top = 14, bottom = 28, most = Math.max(1, ...rates.map(([, rate]) => rate)), last = MINUTES * 60;
    const x = (ago) => left + (1 - ago / last) * (width - left - right), y = (rate) => height - bottom - (rate / most) * (height - top - bottom);
    const line = rates.map(([ago, rate]) => `${x(ago).toFixed(1)},${y(rate).toFixed(1)}`).join(" "), floor = height - bottom;
    const area = rates.length > 1 ? `<polygon class="spread f0" points="${x(rates[0][0]).toFixed(1)},${floor} ${line} ${x(rates[rates.length - 1][0]).toFixed(1)},${floor}"/>` : "";
    const ticks = [120, 90, 60, 30, 0].map((ago) => `<text x="${x(ago)}" y="${height - 8}" text-anchor="${ago ? "middle" : "end"}">${ago ? `${ago} s ago` : "now"}</text>`).join("");
    const said = rates.length ? `${rounded(rates[rates.length - 1][1])} tasks a second now, at most ${rounded(most)}` : "nothing yet";
    this.place.replaceChildren(drawing(`<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${said}">
      <line class="grid" x1="${left}" x2="${width - right}" y1="${top}" y2="${top}"/><line class="axis" x1="${left}" x2="${width - right}" y1="${floor}" y2="${floor}"/>
      <text x="${left - 8}" y="${top + 4}" text-anchor="end">${rates.length ? rounded(most) : ""}</text><text x="${left - 8}" y="${floor + 4}" text-anchor="end">0</text>
      ${ticks}${area}<polyline class="curve l0" points="${line}"/></svg>`));
  }
}

// The current stage and its progress, and the stages before it.
class Stages {
  constructor() {
    this.words = el("p", { id: "at-work" });
    this.bar = el("i", {});
    this.meter = el("span", { class: "meter long", role: "progressbar", "aria-label": "how far the stage is", "aria-valuemin": "0", "aria-valuemax": "100" }, this.bar);
    this.shares = el("div", {});
    this.table = new SteadyTable("actions", "What the stages did", [{ title: "stage" }, { title: "did" }, { title: "what" }, { title: "hash" }, { title: "time", number: true }]);
    this.element = section("Stages", this.words, this.meter, this.shares, el("details", {}, el("summary", {}, "What they did"), this.table.element));
    this.shown = "";
  }

  fill({ stages, stage }) {
    const counted = stage && stage.total ? `${number(stage.done)} of ${number(stage.total)}${stage.things && stage.total !== 1 ? ` ${stage.things}` : ""}` : "";
    this.words.textContent = stage ? [`${stage.name}, for ${passed(stage.elapsed)}`, counted, stage.words].filter(Boolean).join(" \u00b7 ") : "between two stages";
    this.meter.hidden = !counted;
    const share = counted ? Math.min(100, (100 * stage.done) / stage.total) : 0;
    this.bar.style.width = `${share}%`;
    this.meter.setAttribute("aria-valuenow", share.toFixed(0));
    this.meter.setAttribute("aria-valuetext", counted);
    const parts = [...stages.map(([name, seconds], i) => [name, seconds, i]), ...(stage ? [[stage.name, stage.elapsed, stages.length]] : [])];
    this.shares.replaceChildren(...stackedBar("stages of the run", parts));
    const all = [...stages, ...(stage ? [[stage.name, 0, stage.actions]] : [])];
    this.table.fill(all.flatMap(([name, , actions]) => actions.map(([word, what, hash, seconds]) => [name, word, what, hash || "\u2013", seconds === null ? "\u2013" : duration(seconds)])));
  }
}

class Workers {
  constructor() {
    const right = { number: true };
    this.table = new SteadyTable("workers", "What every worker does", [{ title: "worker" }, { title: "pid", ...right }, { title: "state" }, { title: "tasks", ...right }, { title: "per second", ...right }, { title: "busy, last 10 s" }, { title: "restarts", ...right }, { title: "previous end" }]);
    this.before = null;
    this.element = section("Workers", this.table.element);
  }

  fill(workers, drawn) {
    const before = this.before, gone = before ? (workers.now - before.now) / 1e9 : 0;
    this.before = workers;
    this.table.fill(workers.children.map(([name, kind, pid, state, completed, restarts, exit], i) => {
      const earlier = before && before.children[i] && before.children[i][0] === name ? before.children[i][4] : null;
      return [name, pid < 0 ? "\u2013" : String(pid), { text: state, kind: state === "ready" ? "faster" : state === "lost" ? "slower" : "quiet" }, number(completed),
        earlier === null || gone <= 0 ? "\u2013" : rounded((completed - earlier) / gone), percent(drawn.workers[i].busy_ns / drawn.span_ns), number(Math.max(0, restarts)), exit || "\u2013"];
    }));
  }
}

// The points of a sweep, each with its state and its result.
class Points {
  constructor() {
    this.words = el("p", { id: "points-done", role: "status" });
    this.bar = el("i", {});
    this.meter = el("span", { class: "meter long", role: "progressbar", "aria-label": "points that ended", "aria-valuemin": "0", "aria-valuemax": "100" }, this.bar);
    this.place = el("div", {});
    this.element = section("Points", this.words, this.meter, this.place);
    this.table = null;
  }

  fill(sweep) {
    if (!this.table || this.keys !== sweep.keys.length) {
      this.keys = sweep.keys.length;
      this.table = new SteadyTable("points", "Points of the sweep", [{ title: "job", number: true }, ...sweep.keys.map((title) => ({ title })), { title: "status" }, { title: "runs", number: true }, { title: "median", number: true }, { title: "why" }]);
      this.place.replaceChildren(this.table.element);
    }
    const ended = sweep.points.filter(({ status }) => status !== "running" && status !== "waiting"), bad = ended.filter(({ status }) => status !== "ok").length;
    const said = `${number(ended.length)} of ${count(sweep.total, "point")} ended${bad ? `, ${number(bad)} of them not ok` : ""}`;
    // Screen readers read each change: an unchanged text is not set again.
    if (this.words.textContent !== said) this.words.textContent = said;
    const share = (100 * ended.length) / Math.max(1, sweep.total);
    this.bar.style.width = `${share}%`;
    this.meter.setAttribute("aria-valuenow", share.toFixed(0));
    this.table.fill(sweep.points.map(({ job, values, status, runs, median, error, report }) => [
      { text: job === null ? "\u2013" : number(job), link: report ? `point/${job}` : null }, ...values,
      { text: status.replace("_", " "), kind: status === "ok" ? "faster" : status === "waiting" ? "quiet" : status === "running" ? "under-way" : "slower" },
      runs ? number(runs) : "\u2013", duration(median), error || "\u2013"]));
  }

  // The server has ended, and serves no reports.
  end() {
    this.place.querySelectorAll("a").forEach((link) => link.replaceWith(link.textContent));
  }
}
