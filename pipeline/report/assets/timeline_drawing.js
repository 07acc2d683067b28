// Methods of Timeline that draw.

Object.assign(Timeline.prototype, {
  style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  },

  // Wide enough for the labels, never more than a third of a narrow window.
  gutter(width) {
    return Math.round(Math.min(146, Math.max(84, width * 0.24)));
  },

  toX(time, width) {
    const gutter = this.gutter(width);
    return gutter + ((time - this.view[0]) / (this.view[1] - this.view[0])) * (width - gutter - 8);
  },

  toTime(x, width, [from, to] = this.view) {
    const gutter = this.gutter(width);
    return from + ((x - gutter) / (width - gutter - 8)) * (to - from);
  },

  prepare(canvas, height) {
    const width = this.root.clientWidth, scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    return [pen, width];
  },

  draw() {
    const height = Number(this.lanes.dataset.height), [pen, width] = this.prepare(this.lanes, height);
    if (!width) return;
    this.ink = Object.fromEntries(["quiet", "line", "text", "bad", "path", "on", "accent", "paper"].map((name) => [name, this.style(`--${name}`)]));
    this.ink.colours = Array.from({ length: COLOURS }, (_, i) => this.style(`--c${i}`));
    this.ticks(pen, width, height);
    let drawn = 0;
    for (const row of this.rows) drawn += row.moments === undefined ? this.lane(pen, row, width) : this.momentsRow(pen, row, width);
    if (this.selected >= 0) this.links(pen, width);
    else if (this.showPath.checked) this.pathLine(pen, width);
    this.drawOverview();
    this.root.dataset.drawn = drawn;
    this.root.dataset.view = `${Math.round(this.view[0])} ${Math.round(this.view[1])}`;
  },

  colour(name) {
    return this.ink.colours[name % COLOURS];
  },

  back(pen, row, width) {
    const gutter = this.gutter(width), left = 10 + (gutter < 120 ? 6 : 12) * row.depth;
    pen.fillStyle = row.tasks || row.top === AXIS ? this.ink.text : this.ink.quiet;
    // Without room for both, only the name is drawn: a table has the share, too.
    const shared = row.share !== undefined && pen.measureText(row.label).width <= gutter - left - 46, room = gutter - left - (shared ? 46 : 6);
    let label = row.label;
    while (label.length > 3 && pen.measureText(label).width > room) label = `${label.slice(0, -2)}\u2026`;
    pen.fillText(label, left, row.top + row.height / 2);
    if (shared) {
      pen.fillStyle = this.ink.quiet;
      pen.textAlign = "right";
      pen.fillText(percent(row.share), gutter - 8, row.top + row.height / 2);
      pen.textAlign = "left";
    }
    pen.fillStyle = this.ink.line;
    pen.globalAlpha = 0.35;
    pen.fillRect(gutter, row.top, width - gutter - 8, row.height);
    pen.globalAlpha = 1;
  },

  // Draws a lane's spans. Returns how many.
  lane(pen, row, width) {
    const gutter = this.gutter(width), middle = row.top + row.height / 2;
    this.back(pen, row, width);
    if (row.density) this.bins(pen, row, width);
    let drawn = 0, last = -1;
    for (let at = this.firstVisible(row); at < row.spans.length; ++at) {
      const i = row.spans[at], begin = row.begin[i];
      if (begin > this.view[1]) break;
      const left = Math.max(this.toX(begin, width), gutter), right = Math.min(this.toX(begin + row.length[i], width), width - 8);
      if (right < gutter || this.hidden.has(row.name[i])) continue;
      if (right - last < 0.4 && !this.important(row, i)) continue;
      last = right;
      ++drawn;
      const wide = Math.max(right - left, 0.8);
      if (row.tasks && WENT_WRONG.has(this.state[i])) { this.wrong(pen, row, i, left, wide, width); continue; }
      pen.fillStyle = this.colour(row.name[i]);
      pen.globalAlpha = this.selected >= 0 && row.tasks && i !== this.selected ? 0.55 : 1;
      pen.fillRect(left, row.top, wide, row.height);
      pen.globalAlpha = 1;
      if (row.tasks && this.showPath.checked && this.onPath.has(i)) { pen.fillStyle = this.ink.path; pen.fillRect(left, row.top, Math.max(wide, 1.5), 4); }
      if (i === this.selected && row.tasks) this.frame(pen, row, left, wide);
      const label = this.T.names[row.name[i]];
      if (row.tasks && wide > 14 && pen.measureText(label).width < wide - 6) { pen.fillStyle = this.ink.on; pen.fillText(label, left + 4, middle + 1); }
    }
    return drawn;
  },

  frame(pen, row, left, wide) {
    pen.strokeStyle = this.ink.text;
    pen.lineWidth = 2;
    pen.strokeRect(left, row.top, Math.max(wide, 2), row.height);
  },

  // A failed or lost task is red, from its dispatch to when the parent noticed, with its outcome.
  wrong(pen, row, i, left, wide, width) {
    const seen = Math.max(wide, 3), middle = row.top + row.height / 2 + 1, became = this.why[i] || this.state[i];
    pen.fillStyle = this.ink.bad;
    pen.fillRect(left, row.top, seen, row.height);
    if (i === this.selected) this.frame(pen, row, left, wide);
    for (const words of [`${this.T.names[this.name[i]]} \u00b7 task ${number(this.task[i])} \u00b7 ${became}`, became]) {
      const room = pen.measureText(words).width, beside = left + seen + room + 12;
      pen.fillStyle = this.ink.on;
      if (room < seen - 8) { pen.fillText(words, left + 4, middle); return; }
      const free = beside < width && !row.spans.some((j) => j !== i && row.begin[j] > row.begin[i] && this.toX(row.begin[j], width) < beside);
      pen.fillStyle = this.ink.bad;
      if (free) { pen.fillText(words, left + seen + 5, middle); return; }
    }
  },

  // Draws the bins of tasks that are not drawn singly: the height is the busy share, the colour that of the busiest name.
  bins(pen, row, width) {
    const [bins, busy, , names] = row.density, gutter = this.gutter(width);
    pen.globalAlpha = 0.5;
    bins.forEach((bin, at) => {
      const begin = bin * this.binLength, left = Math.max(this.toX(begin, width), gutter), right = Math.min(this.toX(begin + this.binLength, width), width - 8);
      if (right < gutter || left > width - 8 || this.hidden.has(names[at])) return;
      const high = Math.max(1.5, (row.height * busy[at]) / 1000);
      pen.fillStyle = this.colour(names[at]);
      pen.fillRect(left, row.top + row.height - high, Math.max(right - left, 0.8), high);
    });
    pen.globalAlpha = 1;
  },

  // The row of a Worker: submits above, completions below.
  momentsRow(pen, row, width) {
    const gutter = this.gutter(width), half = row.height / 2;
    this.back(pen, row, width);
    this.moments[row.moments].forEach((times, kind) => {
      const top = row.top + kind * half;
      pen.fillStyle = this.ink.colours[kind ? PATH_COLOURS.completion : PATH_COLOURS.submission];
      const [bins, counts] = this.momentDensity.get(`${row.moments}/${kind}`) || [[], []], most = Math.max(1, ...counts);
      bins.forEach((bin, at) => {
        const left = Math.max(this.toX(bin * this.binLength, width), gutter), right = Math.min(this.toX((bin + 1) * this.binLength, width), width - 8);
        if (right < gutter || left > width - 8) return;
        pen.globalAlpha = 0.25 + (0.5 * counts[at]) / most;
        pen.fillRect(left, top + 1, Math.max(right - left, 0.8), half - 2);
      });
      pen.globalAlpha = 0.8;
      const drawnAt = new Set();
      for (const time of times) {
        const x = Math.round(this.toX(time, width));
        if (time < this.view[0] || time > this.view[1] || drawnAt.has(x)) continue;
        drawnAt.add(x);
        pen.fillRect(x, top + 1, 1, half - 2);
      }
    });
    pen.globalAlpha = 1;
    return 0;
  },

  ticks(pen, width, height) {
    const gutter = this.gutter(width), about = (this.view[1] - this.view[0]) / Math.max(2, (width - gutter) / 110), power = 10 ** Math.floor(Math.log10(about));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= about);
    const [unit, name] = step >= 1e9 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "\u00b5s"] : [1, "ns"];
    for (let time = Math.ceil(this.view[0] / step) * step; time <= this.view[1]; time += step) {
      const x = this.toX(time, width);
      pen.fillStyle = this.ink.line;
      pen.fillRect(x, AXIS - 6, 1, height);
      pen.fillStyle = this.ink.quiet;
      if (x < width - 52) pen.fillText(`${Number((time / unit).toFixed(3))} ${name}`, x + 3, AXIS / 2 - 1);
    }
  },

  middleOf(i) {
    const row = this.rows.find((candidate) => candidate.tasks && candidate.spans === this.byLane[this.worker[i]]);
    return row.top + row.height / 2;
  },

  curve(pen, width, from, to, colour) {
    const x0 = this.toX(this.begin[from] + this.length[from], width), x1 = this.toX(this.begin[to], width), y0 = this.middleOf(from), y1 = this.middleOf(to);
    const bend = Math.max(14, Math.abs(x1 - x0) / 2);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.4;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
    pen.stroke();
  },

  clipped(pen, width, paint) {
    const gutter = this.gutter(width);
    pen.save();
    pen.beginPath();
    pen.rect(gutter, AXIS, width - gutter - 8, Number(this.lanes.dataset.height));
    pen.clip();
    paint();
    pen.restore();
  },

  links(pen, width) {
    const i = this.selected;
    if (this.worker[i] < 0) return;
    this.clipped(pen, width, () => {
      this.waitedFor(i).filter((j) => this.worker[j] >= 0).forEach((j) => this.curve(pen, width, j, i, this.ink.text));
      (this.followers.get(i) || []).filter((j) => this.worker[j] >= 0).forEach((j) => this.curve(pen, width, i, j, this.ink.accent));
    });
  },

  pathLine(pen, width) {
    const T = this.T, steps = T.path.filter(([kind, , , task]) => T.path_kinds[kind] === "execution" && task >= 0);
    this.clipped(pen, width, () => {
      for (let at = 1; at < steps.length; ++at) {
        const [, begin, , to, cause] = steps[at], from = steps[at - 1][3];
        // No edge connects tasks of two Workers: a path goes down with a submit, and up when all tasks below have ended.
        if (begin < this.view[0] || this.begin[from] > this.view[1] || this.worker[from] === this.worker[to] || this.of[from] !== this.of[to] || cause === "submit") continue;
        this.curve(pen, width, from, to, this.ink.path);
      }
    });
  },

  // How many workers were busy at each time of the run, counted over all tasks.
  drawOverview() {
    const [pen, width] = this.prepare(this.overview, OVERVIEW), gutter = this.gutter(width), inner = width - gutter - 8, load = this.T.load;
    if (width <= gutter) return;
    pen.fillStyle = this.ink.quiet;
    pen.fillText(gutter < 120 ? "busy" : "busy workers", 10, OVERVIEW / 2);
    pen.fillStyle = this.ink.accent;
    pen.globalAlpha = 0.55;
    const each = (inner * this.T.span_ns) / this.whole / load.length;
    load.forEach((busy, bin) => pen.fillRect(gutter + bin * each, OVERVIEW - 4 - (busy / 1000) * (OVERVIEW - 10), each + 0.5, (busy / 1000) * (OVERVIEW - 10)));
    pen.globalAlpha = 1;
    const [from, to] = this.brush || this.view, left = gutter + ((from - this.start) / this.whole) * inner, right = gutter + ((to - this.start) / this.whole) * inner;
    pen.fillStyle = this.ink.paper;
    pen.globalAlpha = 0.65;
    pen.fillRect(gutter, 0, left - gutter, OVERVIEW);
    pen.fillRect(right, 0, gutter + inner - right, OVERVIEW);
    pen.globalAlpha = 1;
    pen.strokeStyle = this.ink.accent;
    pen.strokeRect(left + 0.5, 0.5, Math.max(right - left - 1, 1), OVERVIEW - 1);
  },
});
