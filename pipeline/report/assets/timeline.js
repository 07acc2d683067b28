// The timeline: an overview with a brush, and below it one lane for each worker and each core, on one canvas.

const LANE = 20, CORE = 11, AXIS = 22, OVERVIEW = 44, DRAG = 4;
const WENT_WRONG = new Set(["lost", "timed out", "failed"]);

class Timeline {
  // data: from timeline.py; it begins at `start_ns` if it has that. whole: the least nanoseconds that it covers. onLook:
  // called with the visible part.
  constructor(id, data, { whole = 0, onLook = () => {} } = {}) {
    this.id = id;
    this.onLook = onLook;
    this.selected = -1;
    this.brush = null;
    this.hidden = new Set();
    this.take(data, whole);
    this.view = [this.start, this.start + this.whole];
    this.place = this.build();
  }

  take(data, whole = 0) {
    const T = (this.T = data);
    [this.worker, this.begin, this.length, this.name, this.state, this.run, this.task, this.submit, this.dispatch, this.complete, this.waited, this.of, this.within, this.why] = T.tasks;
    this.start = T.start_ns || 0;
    this.whole = Math.max(T.span_ns, whole, 1);
    this.onPath = new Set(T.path.filter(([kind]) => T.path_kinds[kind] === "execution").map(([, , , task]) => task));
    this.numbers = new Map(this.task.map((task, i) => [this.key(this.of[i], this.run[i], task), i]));
    this.followers = new Map();
    this.waited.forEach((waited, i) => waited.forEach((task) => {
      const earlier = this.numbers.get(this.key(this.of[i], this.run[i], task));
      if (earlier === undefined) return;
      if (!this.followers.has(earlier)) this.followers.set(earlier, []);
      this.followers.get(earlier).push(i);
    }));
    this.below = new Map();
    this.within.forEach((task) => { if (task >= 0) this.below.set(task, (this.below.get(task) || 0) + 1); });
    this.moments = T.submitters.map(() => [[], []]);
    this.of.forEach((of, i) => { this.moments[of][0].push(this.submit[i]); if (this.complete[i] >= 0) this.moments[of][1].push(this.complete[i]); });
    this.gather();
  }

  // Replaces the data by later data: the visible part moves along, and a selected task stays selected if it is still shown.
  follow(data) {
    const i = this.selected, selected = i < 0 ? "" : this.key(this.of[i], this.run[i], this.task[i]);
    const [from, to] = this.view, before = this.start, all = to - from >= this.whole, named = this.T.names.length, wrong = this.anyWrong();
    this.take(data);
    this.view = all ? [this.start, this.start + this.whole] : [from + this.start - before, to + this.start - before];
    this.selected = this.numbers.has(selected) ? this.numbers.get(selected) : -1;
    if (i >= 0 && this.selected < 0) this.tell();
    if (this.T.names.length !== named || this.anyWrong() !== wrong) this.listing.replaceChildren(...this.legend());
    this.layOut();
    this.draw();
  }

  anyWrong() {
    return this.state.some((state) => WENT_WRONG.has(state));
  }

  key(of, run, task) {
    return `${of}/${run}/${task}`; // each Worker numbers its own tasks
  }

  // Sorts the spans of each lane and each core by time, and the bins that stand for tasks that are not drawn singly.
  gather() {
    const T = this.T;
    this.byLane = T.workers.map(() => []);
    this.worker.forEach((worker, i) => { if (worker >= 0) this.byLane[worker].push(i); });
    this.byLane.forEach((lane) => lane.sort((a, b) => this.begin[a] - this.begin[b]));
    this.byCore = new Map();
    (T.cores[0] || []).forEach((worker, i) => {
      const key = `${worker}/${T.cores[1][i]}`;
      if (!this.byCore.has(key)) this.byCore.set(key, []);
      this.byCore.get(key).push(i);
    });
    this.byCore.forEach((spans) => spans.sort((a, b) => T.cores[2][a] - T.cores[2][b]));
    const density = T.density || { bins: 1, lanes: [], moments: [] };
    this.binLength = T.span_ns / density.bins;
    this.density = new Map(density.lanes.map(([worker, core, ...columns]) => [`${worker}/${core}`, columns]));
    this.momentDensity = new Map(density.moments.map(([of, kind, bins, counts]) => [`${of}/${kind}`, [bins, counts]]));
    this.coreRows = T.workers.reduce((sum, worker) => sum + worker.cores.length, 0);
  }

  build() {
    const id = (name) => (this.id === "timeline" ? name : `${this.id}-${name}`);
    // Speech input finds a button by its visible words: the button's name begins with them.
    const button = (name, text, title, act) => el("button", { id: id(name), title, "aria-label": /\w/.test(text) ? `${text}: ${title}` : title, type: "button", class: "plain", onclick: act }, text);
    this.showPath = el("input", { type: "checkbox", id: id("show-path"), checked: true, onchange: () => this.draw() });
    this.showCores = this.coreRows ? el("input", { type: "checkbox", id: id("show-cores"), onchange: () => { this.layOut(); this.draw(); } }) : null;
    if (this.showCores) this.showCores.checked = this.T.workers.length + this.coreRows <= 26;
    this.overview = el("canvas", { class: "overview", "aria-hidden": "true" });
    this.lanes = el("canvas", { class: "lanes", "aria-hidden": "true" });
    this.listing = el("div", { class: "legend", id: id("legend") }, this.legend());
    this.tip = el("div", { class: "tip" });
    this.detail = el("div", { class: "detail quiet", id: id("detail"), role: "status" });
    this.root = el("div", { class: "timeline", id: this.id, tabindex: "0", role: "application", "aria-label": "timeline of all workers", "aria-describedby": "keys" },
      this.overview, el("div", { class: "rows", tabindex: "0", role: "group", "aria-label": "lanes" }, this.lanes), this.tip, this.detail);
    this.listen();
    this.layOut();
    this.tell();
    return [
      el("div", { class: "tools" },
        button("zoom-in", "+", "zoom in (w)", () => this.zoom(0.6)), button("zoom-out", "\u2212", "zoom out (s)", () => this.zoom(1 / 0.6)),
        button("zoom-all", this.T.start_ns === undefined ? "whole run" : "all", "show everything (0)", () => this.lookAtAll()),
        this.T.path.length ? el("label", {}, this.showPath, "critical path") : null, this.showCores ? el("label", {}, this.showCores, "cores") : null,
        this.id !== "timeline" ? null : el("span", { class: "quiet", id: "keys" }, "Drag in the overview to zoom, drag a lane to move, or Ctrl + wheel; keys: w s a d, 0 for all, arrows go from task to task, Enter zooms to the selected one, Escape deselects it.")),
      this.listing,
      this.root,
    ];
  }

  legend() {
    const T = this.T;
    return [
      T.names.map((name, i) => el("button", {
        type: "button", "aria-pressed": String(!this.hidden.has(i)), title: "show or hide", onclick: (event) => {
          const shown = event.currentTarget.getAttribute("aria-pressed") === "true";
          event.currentTarget.setAttribute("aria-pressed", String(!shown));
          if (shown) this.hidden.add(i); else this.hidden.delete(i);
          this.draw();
        },
      }, el("i", { class: colourClass(i) }), name)),
      this.anyWrong() ? el("span", {}, el("i", { class: "fbad" }), "failed, lost or timed out, from dispatch until the parent noticed") : null,
      T.path.length ? el("span", {}, el("i", { style: "background: var(--path); height: 4px" }), "on the critical path") : null,
      T.density ? el("span", {}, el("i", { class: "fquiet", style: "opacity: 0.5" }), "many tasks: the height is the worker's busy share") : null,
      el("span", { class: "quiet" }, `${T.submitters.length > 1 ? "parent and nodes" : "parent"}: submits above, completions below`),
    ].flat().filter(Boolean);
  }

  // Rows: the submits and completions of a Worker, the lane of one of its children, or one core of a child.
  layOut() {
    const T = this.T, rows = (this.rows = [{ top: AXIS, height: LANE, label: T.submitters[0], depth: 0, moments: 0, spans: [] }]);
    let top = AXIS + LANE + 5;
    T.workers.forEach((worker, w) => {
      const depth = Math.min(worker.depth, 4);
      rows.push({ top, height: LANE, label: worker.label, depth, share: worker.busy_ns / Math.max(T.span_ns, 1), spans: this.byLane[w], begin: this.begin, length: this.length, name: this.name, density: this.density.get(`${w}/-1`), tasks: true });
      top += LANE + 2;
      if (worker.hosts >= 0) {
        rows.push({ top, height: LANE, label: "submits", depth: depth + 1, moments: worker.hosts, spans: [] });
        top += LANE + 2;
      }
      for (const core of this.showCores && this.showCores.checked ? worker.cores : []) {
        rows.push({ top, height: CORE, label: `core ${core.core}`, depth: depth + 1, share: core.busy_ns / Math.max(T.span_ns, 1), spans: this.byCore.get(`${w}/${core.core}`) || [], begin: T.cores[2], length: T.cores[3], name: T.cores[4], density: this.density.get(`${w}/${core.core}`) });
        top += CORE + 1;
      }
      top += 3;
    });
    this.lanes.dataset.height = top + 4;
  }

  // A task that failed, is on the critical path, or is selected is drawn however short it is.
  important(row, i) {
    return row.tasks && (i === this.selected || this.state[i] !== "done" || (this.showPath.checked && this.onPath.has(i)));
  }

  waitedFor(i) {
    return this.waited[i].map((task) => this.numbers.get(this.key(this.of[i], this.run[i], task))).filter((found) => found !== undefined);
  }

  firstVisible(row) {
    let low = 0, high = row.spans.length;
    while (low < high) {
      const middle = (low + high) >> 1, i = row.spans[middle];
      if (row.begin[i] + row.length[i] < this.view[0]) low = middle + 1; else high = middle;
    }
    return low;
  }

  tell() {
    const i = this.selected, T = this.T;
    if (i < 0) {
      this.detail.textContent = "Click a task, or select it with the arrow keys, to see what it waited for and where its time went.";
      return;
    }
    const after = (from, to) => (from < 0 || to < 0 ? "\u2013" : duration((to - from) / 1e9));
    const waited = this.waitedFor(i).map((j) => `${T.names[this.name[j]]} (task ${number(this.task[j])})`), next = (this.followers.get(i) || []).length;
    const wrong = WENT_WRONG.has(this.state[i]), begun = this.state[i] === "done" || this.state[i] === "failed";
    const states = [`submitted at ${duration(this.submit[i] / 1e9)}`, `${after(this.submit[i], this.dispatch[i])} until it was dispatched`];
    if (begun) states.push(`${after(this.dispatch[i], this.begin[i])} until it began`, `${duration(this.length[i] / 1e9)} executing`, `${after(this.begin[i] + this.length[i], this.complete[i])} until the parent noticed`);
    else if (this.state[i] === "running") states.push(`under way for ${duration(this.length[i] / 1e9)}`);
    else states.push(`${after(this.dispatch[i], this.complete[i])} until the parent noticed that it was ${this.state[i]}`);
    this.detail.replaceChildren(
      el("b", { class: wrong ? "slower" : null }, `${T.names[this.name[i]]}, task ${number(this.task[i])} of run ${number(this.run[i])} on ${this.worker[i] < 0 ? "no worker" : T.workers[this.worker[i]].name}: ${this.state[i]}${this.why[i] ? `, ${this.why[i]}` : ""}${this.onPath.has(i) ? ", on the critical path" : ""}`), el("br"),
      states.join(" \u2192 "), el("br"),
      waited.length ? `waited for ${waited.join(", ")}` : "waited for no other task", next ? `; ${count(next, "task")} waited for it` : "",
      this.within[i] >= 0 ? `; submitted by ${T.names[this.name[this.within[i]]]}, task ${this.task[this.within[i]]} of run ${this.run[this.within[i]]} on ${T.submitters[this.of[i]]}` : "",
      this.below.has(i) ? `; submitted ${count(this.below.get(i), "task")} itself` : "");
  }
}

// Sentences about what a timeline does not show.
function timelineNotes(T) {
  const notes = [], thinned = [];
  if (T.tasks[0].length < T.total_tasks) thinned.push(`${number(T.tasks[0].length)} of ${count(T.total_tasks, "task")}`);
  if (T.cores.length && T.cores[0].length < T.total_cores) thinned.push(`${number(T.cores[0].length)} of ${count(T.total_cores, "core span")}`);
  if (thinned.length) notes.push(`Drawn one by one: ${thinned.join(" and ")}, namely failed tasks, the critical path and the longest ones. The others are drawn together, each lane in ${number(T.density.bins)} pieces of ${duration(T.span_ns / T.density.bins / 1e9)}; the overview, tables and shares count all of them.`);
  const lost = Object.entries(T.dropped), all = lost.reduce((sum, [, dropped]) => sum + dropped, 0);
  const where = T.submitters.length > 1 ? ` (${lost.map(([name, dropped]) => `${name}: ${number(dropped)}`).join(", ")})` : "";
  if (T.left_out) notes.push(`The run was interrupted: this timeline shows the tasks that ended last. Of ${number(T.left_out + T.total_tasks)} tasks, ${number(T.left_out)} are left out here, in the critical path and in the workers' shares.`);
  if (all) notes.push(`${count(all, "core span")}${where} came faster than they could be recorded, and are missing.`);
  if (T.missing.length) notes.push(`The records of ${T.missing.join(" and ")} are missing: the process was being replaced, or did not answer in time.`);
  return notes;
}
