// The timeline: an overview with a brush, and below it one lane for each worker and each core, on one canvas.

const GUTTER = 146, LANE = 20, CORE = 11, AXIS = 22, OVERVIEW = 44, DRAG = 4;

function timelineSection() {
  const thinned = [];
  const T = TIMELINE;
  if (T.tasks[0].length < T.total_tasks) thinned.push(`the ${T.tasks[0].length.toLocaleString("en")} longest of ${T.total_tasks.toLocaleString("en")} tasks`);
  if (T.cores.length && T.cores[0].length < T.total_cores) thinned.push(`the ${T.cores[0].length.toLocaleString("en")} longest of ${T.total_cores.toLocaleString("en")} core spans`);
  const notes = [];
  if (thinned.length) notes.push(`Thinned: this timeline shows ${thinned.join(" and ")}; tables and shares count all of them.`);
  const lost = Object.entries(T.dropped), all = lost.reduce((sum, [, number]) => sum + number, 0);
  const where = T.submitters.length > 1 ? ` (${lost.map(([name, number]) => `${name}: ${number.toLocaleString("en")}`).join(", ")})` : "";
  if (T.left_out) notes.push(`The run was interrupted: this timeline shows what ended last. Of ${(T.left_out + T.total_tasks).toLocaleString("en")} tasks, ${T.left_out.toLocaleString("en")} are left out here, in the critical path and in the workers' shares.`);
  if (all) notes.push(`${count(all, "core span")}${where} came faster than they were recorded and are missing.`);
  if (T.missing.length) notes.push(`What ${T.missing.join(" and ")} recorded is missing: it was being replaced, or did not answer in time.`);
  const button = (id, text, title) => el("button", { id, title, type: "button" }, text);
  return section("Timeline",
    notes.map((note) => el("p", { class: "note", id: "thinned" }, note)),
    el("div", { class: "tools" },
      button("zoom-in", "+", "zoom in (w)"), button("zoom-out", "\u2212", "zoom out (s)"), button("zoom-all", "whole run", "show everything (0)"),
      el("label", {}, el("input", { type: "checkbox", id: "show-path", checked: "" }), "critical path"),
      T.cores.length ? el("label", {}, el("input", { type: "checkbox", id: "show-cores" }), "cores") : null,
      el("span", { class: "quiet" }, "drag in the overview to zoom, drag a lane to move, Ctrl + wheel or w a s d; click a task for its story")),
    el("div", { class: "legend", id: "legend" }),
    el("div", { class: "timeline", id: "timeline", tabindex: "0", role: "application", "aria-label": "timeline of all workers; w and s zoom, a and d move, 0 shows everything" },
      el("canvas", { class: "overview" }), el("div", { class: "rows" }, el("canvas", { class: "lanes" })),
      el("div", { class: "tip" }), el("div", { class: "detail quiet", id: "detail" }, "Click a task to see what it waited for and where its time went.")));
}

function startTimeline() {
  const T = TIMELINE, [WORKER, BEGIN, LENGTH, NAME, STATE, RUN, TASK, SUBMIT, DISPATCH, COMPLETE, WAITED, OF, WITHIN] = T.tasks;
  const root = document.getElementById("timeline"), tip = root.querySelector(".tip");
  const overview = root.querySelector(".overview"), lanes = root.querySelector(".lanes");
  const cores = document.getElementById("show-cores"), showPath = document.getElementById("show-path");
  const onPath = new Set(T.path.filter(([kind]) => T.path_kinds[kind] === "execution").map(([, , , task]) => task));
  const key = (of, run, task) => `${of}/${run}/${task}`; // each Worker numbers its own
  const numbers = new Map(TASK.map((task, i) => [key(OF[i], RUN[i], task), i]));
  const followers = new Map();
  WAITED.forEach((waited, i) => waited.forEach((task) => {
    const earlier = numbers.get(key(OF[i], RUN[i], task));
    if (earlier !== undefined) followers.set(earlier, [...(followers.get(earlier) || []), i]);
  }));
  const below = new Map();
  WITHIN.forEach((task) => { if (task >= 0) below.set(task, (below.get(task) || 0) + 1); });
  const moments = T.submitters.map(() => [[], []]);
  OF.forEach((of, i) => { moments[of][0].push(SUBMIT[i]); moments[of][1].push(COMPLETE[i]); });
  const hidden = new Set();
  const whole = Math.max(T.span_ns, 1);
  let view = [0, whole], rows = [], selected = -1, brush = null;

  // ---- rows: the moments of a Worker, the lane of one of its children or one core of that, in order of time -------
  const byLane = T.workers.map(() => []);
  WORKER.forEach((worker, i) => { if (worker >= 0) byLane[worker].push(i); });
  byLane.forEach((lane) => lane.sort((a, b) => BEGIN[a] - BEGIN[b]));
  const byCore = new Map();
  (T.cores[0] || []).forEach((worker, i) => {
    const key = `${worker}/${T.cores[1][i]}`;
    byCore.set(key, [...(byCore.get(key) || []), i]);
  });
  byCore.forEach((spans) => spans.sort((a, b) => T.cores[2][a] - T.cores[2][b]));
  const coreRows = T.workers.reduce((sum, worker) => sum + worker.cores.length, 0);
  if (cores) cores.checked = T.workers.length + coreRows <= 26;

  function layOut() {
    rows = [{ top: AXIS, height: LANE, label: T.submitters[0], left: 10, moments: moments[0], spans: [] }];
    let top = AXIS + LANE + 5;
    T.workers.forEach((worker, w) => {
      const left = 10 + 12 * Math.min(worker.depth, 4);
      rows.push({ top, height: LANE, label: worker.label, left, share: worker.busy_ns / whole, spans: byLane[w], begin: BEGIN, length: LENGTH, name: NAME, tasks: true });
      top += LANE + 2;
      if (worker.hosts >= 0) {
        rows.push({ top, height: LANE, label: "submits", left: left + 12, moments: moments[worker.hosts], spans: [] });
        top += LANE + 2;
      }
      for (const core of cores && cores.checked ? worker.cores : []) {
        rows.push({ top, height: CORE, label: `core ${core.core}`, left: left + 12, share: core.busy_ns / whole, spans: byCore.get(`${w}/${core.core}`) || [], begin: T.cores[2], length: T.cores[3], name: T.cores[4] });
        top += CORE + 1;
      }
      top += 3;
    });
    lanes.dataset.height = top + 4;
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const toX = (time, width) => GUTTER + ((time - view[0]) / (view[1] - view[0])) * (width - GUTTER - 8);
  const toTime = (x, width, [from, to] = view) => from + ((x - GUTTER) / (width - GUTTER - 8)) * (to - from);

  function prepare(canvas, height) {
    const width = root.clientWidth, scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    return [pen, width];
  }

  function draw() {
    const height = Number(lanes.dataset.height);
    const [pen, width] = prepare(lanes, height);
    const quiet = style("--quiet"), line = style("--line"), text = style("--text"), bad = style("--bad"), path = style("--path");
    ticks(pen, width, height, quiet, line);
    let drawn = 0;
    for (const row of rows) {
      if (row.moments) { momentsRow(pen, row, width, row.top === AXIS ? text : quiet, line); continue; }
      const middle = row.top + row.height / 2;
      pen.fillStyle = row.tasks ? text : quiet;
      pen.fillText(row.label, row.left, middle);
      pen.fillStyle = quiet;
      pen.textAlign = "right";
      pen.fillText(percent(row.share), GUTTER - 8, middle);
      pen.textAlign = "left";
      pen.fillStyle = line;
      pen.globalAlpha = 0.35;
      pen.fillRect(GUTTER, row.top, width - GUTTER - 8, row.height);
      pen.globalAlpha = 1;
      let last = -1;
      for (let at = firstVisible(row); at < row.spans.length; ++at) {
        const i = row.spans[at], begin = row.begin[i];
        if (begin > view[1]) break;
        const left = Math.max(toX(begin, width), GUTTER), right = Math.min(toX(begin + row.length[i], width), width - 8);
        if (right < GUTTER || hidden.has(row.name[i])) continue;
        const important = row.tasks && (i === selected || STATE[i] !== "done" || (showPath.checked && onPath.has(i)));
        if (right - last < 0.4 && !important) continue;
        last = right;
        ++drawn;
        const wide = Math.max(right - left, 0.8);
        pen.fillStyle = colourOf(row.name[i]);
        pen.globalAlpha = selected >= 0 && row.tasks && i !== selected ? 0.55 : 1;
        pen.fillRect(left, row.top, wide, row.height);
        pen.globalAlpha = 1;
        if (row.tasks && STATE[i] !== "done") { pen.fillStyle = bad; pen.fillRect(left, row.top + row.height - 5, Math.max(wide, 3), 5); }
        if (row.tasks && showPath.checked && onPath.has(i)) { pen.fillStyle = path; pen.fillRect(left, row.top, Math.max(wide, 1.5), 4); }
        if (i === selected && row.tasks) { pen.strokeStyle = text; pen.lineWidth = 2; pen.strokeRect(left, row.top, Math.max(wide, 2), row.height); }
        const label = T.names[row.name[i]];
        if (row.tasks && wide > 14 && pen.measureText(label).width < wide - 6) { pen.fillStyle = "#fff"; pen.fillText(label, left + 4, middle + 1); }
      }
    }
    if (selected >= 0) links(pen, width, text);
    else if (showPath.checked) pathLine(pen, width, path);
    drawOverview();
    root.dataset.drawn = drawn;
    root.dataset.view = `${Math.round(view[0])} ${Math.round(view[1])}`;
  }

  // The moments of a Worker: submits above, completions below.
  function momentsRow(pen, row, width, text, line) {
    const [submits, completions] = row.moments, half = row.height / 2;
    pen.fillStyle = text;
    pen.fillText(row.label, row.left, row.top + half);
    pen.fillStyle = line;
    pen.globalAlpha = 0.35;
    pen.fillRect(GUTTER, row.top, width - GUTTER - 8, row.height);
    for (const [times, top, colour] of [[submits, row.top, PATH_COLOURS.submission], [completions, row.top + half, PATH_COLOURS.completion]]) {
      pen.fillStyle = colour;
      pen.globalAlpha = 0.8;
      const drawnAt = new Set();
      for (const time of times) {
        const x = Math.round(toX(time, width));
        if (time < view[0] || time > view[1] || drawnAt.has(x)) continue;
        drawnAt.add(x);
        pen.fillRect(x, top + 1, 1, half - 2);
      }
    }
    pen.globalAlpha = 1;
  }

  function firstVisible(row) {
    let low = 0, high = row.spans.length;
    while (low < high) {
      const middle = (low + high) >> 1, i = row.spans[middle];
      if (row.begin[i] + row.length[i] < view[0]) low = middle + 1; else high = middle;
    }
    return low;
  }

  function ticks(pen, width, height, quiet, line) {
    const about = (view[1] - view[0]) / Math.max(3, (width - GUTTER) / 110), power = 10 ** Math.floor(Math.log10(about));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= about);
    const [unit, name] = step >= 1e9 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "\u00b5s"] : [1, "ns"];
    for (let time = Math.ceil(view[0] / step) * step; time <= view[1]; time += step) {
      const x = toX(time, width);
      pen.fillStyle = line;
      pen.fillRect(x, AXIS - 6, 1, height);
      pen.fillStyle = quiet;
      if (x < width - 52) pen.fillText(`${Number((time / unit).toFixed(3))} ${name}`, x + 3, AXIS / 2 - 1);
    }
  }

  const middleOf = (i) => { const row = rows.find((candidate) => candidate.tasks && candidate.spans === byLane[WORKER[i]]); return row.top + row.height / 2; };

  function curve(pen, width, from, to, colour) {
    const x0 = toX(BEGIN[from] + LENGTH[from], width), x1 = toX(BEGIN[to], width), y0 = middleOf(from), y1 = middleOf(to);
    const bend = Math.max(14, Math.abs(x1 - x0) / 2);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.4;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
    pen.stroke();
  }

  function clipped(pen, width, paint) {
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, AXIS, width - GUTTER - 8, Number(lanes.dataset.height));
    pen.clip();
    paint();
    pen.restore();
  }

  function links(pen, width, colour) {
    if (WORKER[selected] < 0) return;
    clipped(pen, width, () => {
      waitedFor(selected).filter((i) => WORKER[i] >= 0).forEach((i) => curve(pen, width, i, selected, colour));
      (followers.get(selected) || []).filter((i) => WORKER[i] >= 0).forEach((i) => curve(pen, width, selected, i, style("--accent")));
    });
  }

  function pathLine(pen, width, colour) {
    const steps = T.path.filter(([kind, , , task]) => T.path_kinds[kind] === "execution" && task >= 0);
    clipped(pen, width, () => {
      for (let i = 1; i < steps.length; ++i) {
        const [, begin, , to, cause] = steps[i], from = steps[i - 1][3];
        // Between Workers nothing is waited for: a path goes down with a submit, and up when all is done below.
        if (begin < view[0] || BEGIN[from] > view[1] || WORKER[from] === WORKER[to] || OF[from] !== OF[to] || cause === "submit") continue;
        curve(pen, width, from, to, colour);
      }
    });
  }

  const waitedFor = (i) => WAITED[i].map((task) => numbers.get(key(OF[i], RUN[i], task))).filter((found) => found !== undefined);

  // How many workers were busy over the whole run, from the lanes' spans. A node is busy with what is below it.
  const load = (() => {
    const bins = new Float64Array(400), each = whole / bins.length;
    byLane.forEach((lane, w) => T.workers[w].kind !== "node" && lane.forEach((i) => {
      const begin = BEGIN[i] / each, end = (BEGIN[i] + LENGTH[i]) / each;
      for (let bin = Math.floor(begin); bin < Math.min(end, bins.length); ++bin) bins[bin] += Math.min(end, bin + 1) - Math.max(begin, bin);
    }));
    return bins.map((sum) => sum / (leafWorkers().length || 1));
  })();

  function drawOverview() {
    const [pen, width] = prepare(overview, OVERVIEW), inner = width - GUTTER - 8, accent = style("--accent");
    pen.fillStyle = style("--quiet");
    pen.fillText("busy workers", 10, OVERVIEW / 2);
    pen.fillStyle = accent;
    pen.globalAlpha = 0.55;
    load.forEach((share, bin) => pen.fillRect(GUTTER + (bin * inner) / load.length, OVERVIEW - 4 - share * (OVERVIEW - 10), inner / load.length + 0.5, share * (OVERVIEW - 10)));
    pen.globalAlpha = 1;
    const [from, to] = brush || view, left = GUTTER + (from / whole) * inner, right = GUTTER + (to / whole) * inner;
    pen.fillStyle = style("--paper");
    pen.globalAlpha = 0.65;
    pen.fillRect(GUTTER, 0, left - GUTTER, OVERVIEW);
    pen.fillRect(right, 0, GUTTER + inner - right, OVERVIEW);
    pen.globalAlpha = 1;
    pen.strokeStyle = accent;
    pen.strokeRect(left + 0.5, 0.5, Math.max(right - left - 1, 1), OVERVIEW - 1);
  }

  // ---- what a person does ------------------------------------------------------------------------------------------
  function look(from, to) {
    const length = Math.min(Math.max(to - from, 50), whole), begin = Math.min(Math.max(from, 0), whole - length);
    view = [begin, begin + length];
    draw();
  }

  function zoom(factor, around = (view[0] + view[1]) / 2) {
    look(around - (around - view[0]) * factor, around + (view[1] - around) * factor);
  }

  const move = (share) => look(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0]));

  function spanAt(x, y) {
    const width = root.clientWidth, time = toTime(x, width), near = (2 * (view[1] - view[0])) / (width - GUTTER);
    const row = rows.find((candidate) => y >= candidate.top && y <= candidate.top + candidate.height);
    if (!row || x < GUTTER) return null;
    const shown = row.spans.filter((i) => !hidden.has(row.name[i]) && row.begin[i] - near <= time && time <= row.begin[i] + row.length[i] + near);
    if (!shown.length) return null;
    const distance = (i) => Math.max(row.begin[i] - time, time - row.begin[i] - row.length[i], 0);
    return [row, shown.reduce((best, i) => (distance(i) < distance(best) ? i : best))];
  }

  function point(event) {
    const box = lanes.getBoundingClientRect();
    const found = spanAt(event.clientX - box.left, event.clientY - box.top);
    tip.style.display = found ? "block" : "none";
    if (!found) return;
    const [row, i] = found, outer = root.getBoundingClientRect();
    const [run, task, worker] = row.tasks ? [RUN[i], TASK[i], WORKER[i]] : [T.cores[5][i], T.cores[6][i], T.cores[0][i]];
    tip.textContent = `${T.names[row.name[i]]} \u00b7 ${duration(row.length[i] / 1e9)} at ${duration(row.begin[i] / 1e9)} \u00b7 ${row.tasks ? "" : "in "}task ${task} of run ${run} \u00b7 ${T.workers[worker].name}${row.tasks && STATE[i] !== "done" ? ` \u00b7 ${STATE[i]}` : ""}`;
    tip.style.left = `${Math.min(event.clientX - outer.left + 12, outer.width - tip.offsetWidth - 6)}px`;
    tip.style.top = `${event.clientY - outer.top + 16}px`;
  }

  function select(i) {
    selected = i;
    const detail = document.getElementById("detail");
    if (i < 0) {
      detail.textContent = "Click a task to see what it waited for and where its time went.";
    } else {
      const after = (from, to) => (from < 0 || to < 0 ? "\u2013" : duration((to - from) / 1e9));
      const waited = waitedFor(i).map((j) => `${T.names[NAME[j]]} (task ${TASK[j]})`), next = (followers.get(i) || []).length;
      detail.replaceChildren(
        el("b", {}, `${T.names[NAME[i]]}, task ${TASK[i]} of run ${RUN[i]} on ${T.workers[WORKER[i]].name}: ${STATE[i]}${onPath.has(i) ? ", on the critical path" : ""}`), el("br"),
        `submitted at ${duration(SUBMIT[i] / 1e9)} \u2192 ${after(SUBMIT[i], DISPATCH[i])} until it was dispatched \u2192 ${after(DISPATCH[i], BEGIN[i])} until it began \u2192 ${duration(LENGTH[i] / 1e9)} executing \u2192 ${after(BEGIN[i] + LENGTH[i], COMPLETE[i])} until the parent knew`, el("br"),
        waited.length ? `waited for ${waited.join(", ")}` : "waited for no other task", next ? `; ${count(next, "task")} waited for it` : "",
        WITHIN[i] >= 0 ? `; submitted by ${T.names[NAME[WITHIN[i]]]}, task ${TASK[WITHIN[i]]} of run ${RUN[WITHIN[i]]} on ${T.submitters[OF[i]]}` : "",
        below.has(i) ? `; submitted ${count(below.get(i), "task")} itself` : "");
    }
    draw();
  }

  function drag(canvas, begun, moved, ended) {
    canvas.addEventListener("pointerdown", (down) => {
      canvas.setPointerCapture(down.pointerId);
      const state = begun(down);
      const go = (event) => moved(event, state);
      const stop = (event) => { canvas.removeEventListener("pointermove", go); canvas.removeEventListener("pointerup", stop); ended(event, state); };
      canvas.addEventListener("pointermove", go);
      canvas.addEventListener("pointerup", stop);
    });
  }

  const overviewTime = (event) => Math.min(Math.max(toTime(event.clientX - overview.getBoundingClientRect().left, root.clientWidth, [0, whole]), 0), whole);
  drag(overview, (down) => ({ from: overviewTime(down), x: down.clientX }),
    (event, { from }) => { const to = overviewTime(event); brush = [Math.min(from, to), Math.max(from, to)]; drawOverview(); },
    (event, { from, x }) => {
      const to = overviewTime(event), half = (view[1] - view[0]) / 2;
      brush = null;
      if (Math.abs(event.clientX - x) < DRAG) look(to - half, to + half); else look(Math.min(from, to), Math.max(from, to));
    });
  drag(lanes, (down) => ({ view: [...view], x: down.clientX }),
    (event, start) => {
      const shift = ((event.clientX - start.x) / (root.clientWidth - GUTTER - 8)) * (start.view[1] - start.view[0]);
      if (Math.abs(event.clientX - start.x) >= DRAG) look(start.view[0] - shift, start.view[1] - shift);
    },
    (event, start) => {
      if (Math.abs(event.clientX - start.x) >= DRAG) return;
      const box = lanes.getBoundingClientRect(), found = spanAt(event.clientX - box.left, event.clientY - box.top);
      if (!found) { select(-1); return; }
      const [row, i] = found, task = row.tasks ? i : numbers.get(key(T.workers[T.cores[0][i]].of, T.cores[5][i], T.cores[6][i]));
      select(task === undefined ? -1 : task);
    });
  lanes.addEventListener("pointermove", point);
  lanes.addEventListener("pointerleave", () => { tip.style.display = "none"; });
  lanes.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(event.deltaY / 300), toTime(event.clientX - lanes.getBoundingClientRect().left, root.clientWidth));
  }, { passive: false });
  const keys = { w: () => zoom(0.6), s: () => zoom(1 / 0.6), a: () => move(-0.25), d: () => move(0.25), ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), 0: () => look(0, whole), Escape: () => select(-1) };
  root.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.getElementById("zoom-in").addEventListener("click", keys.w);
  document.getElementById("zoom-out").addEventListener("click", keys.s);
  document.getElementById("zoom-all").addEventListener("click", keys[0]);
  showPath.addEventListener("change", draw);
  if (cores) cores.addEventListener("change", () => { layOut(); draw(); });

  document.getElementById("legend").append(...T.names.map((name, i) => el("button", {
    type: "button", "aria-pressed": "true", title: "show or hide", onclick: (event) => {
      const shown = event.currentTarget.getAttribute("aria-pressed") === "true";
      event.currentTarget.setAttribute("aria-pressed", String(!shown));
      if (shown) hidden.add(i); else hidden.delete(i);
      draw();
    },
  }, el("i", { style: `background: ${colourOf(i)}; margin-right: 6px` }), name)),
  el("span", {}, el("i", { style: "background: var(--path); height: 4px" }), "on the critical path"),
  el("span", { class: "quiet" }, `${T.submitters.length > 1 ? "parent and nodes" : "parent"}: submits above, completions below`));
  new ResizeObserver(draw).observe(root);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  layOut();
  draw();
}
