// Methods of Timeline that handle the pointer and the keyboard.

Object.assign(Timeline.prototype, {
  look(from, to, told = true) {
    const length = Math.min(Math.max(to - from, 50), this.whole), begin = Math.min(Math.max(from, this.start), this.start + this.whole - length);
    this.view = [begin, begin + length];
    this.draw();
    if (told) this.onLook(this.view);
  },

  lookAtAll() {
    this.look(this.start, this.start + this.whole);
  },

  zoom(factor, around = (this.view[0] + this.view[1]) / 2) {
    this.look(around - (around - this.view[0]) * factor, around + (this.view[1] - around) * factor);
  },

  move(share) {
    const by = share * (this.view[1] - this.view[0]);
    this.look(this.view[0] + by, this.view[1] + by);
  },

  select(i) {
    this.selected = i;
    if (i >= 0 && this.worker[i] >= 0 && (this.begin[i] + this.length[i] < this.view[0] || this.begin[i] > this.view[1])) {
      const half = (this.view[1] - this.view[0]) / 2, middle = this.begin[i] + this.length[i] / 2;
      this.look(middle - half, middle + half);
    }
    this.tell();
    this.draw();
  },

  // The task beside the selected one: before or after it in its lane, or at its time in the lane above or below.
  step(aside, down) {
    const lanes = this.rows.filter((row) => row.tasks && row.spans.length);
    if (!lanes.length) return;
    if (this.selected < 0 || this.worker[this.selected] < 0) {
      const row = lanes[0];
      this.select(row.spans[Math.min(this.firstVisible(row), row.spans.length - 1)]);
      return;
    }
    const at = lanes.findIndex((row) => row.spans === this.byLane[this.worker[this.selected]]);
    if (aside) {
      const spans = lanes[at].spans, to = spans.indexOf(this.selected) + aside;
      if (to >= 0 && to < spans.length) this.select(spans[to]);
      return;
    }
    const row = lanes[at + down], time = this.begin[this.selected];
    if (row) this.select(row.spans.reduce((best, i) => (Math.abs(this.begin[i] - time) < Math.abs(this.begin[best] - time) ? i : best)));
  },

  close() {
    const i = this.selected;
    if (i >= 0 && this.worker[i] >= 0) this.look(this.begin[i] - this.length[i], this.begin[i] + 2 * this.length[i]);
  },

  rowAt(y) {
    return this.rows.find((candidate) => y >= candidate.top && y <= candidate.top + candidate.height);
  },

  spanAt(x, y) {
    const width = this.root.clientWidth, time = this.toTime(x, width), row = this.rowAt(y), gutter = this.gutter(width);
    const near = (2 * (this.view[1] - this.view[0])) / (width - gutter);
    if (!row || x < gutter) return null;
    const shown = row.spans.filter((i) => !this.hidden.has(row.name[i]) && row.begin[i] - near <= time && time <= row.begin[i] + row.length[i] + near);
    if (!shown.length) return null;
    const distance = (i) => Math.max(row.begin[i] - time, time - row.begin[i] - row.length[i], 0);
    return [row, shown.reduce((best, i) => (distance(i) < distance(best) ? i : best))];
  },

  // A description of the bin below the pointer; empty if there is none.
  binAt(x, y) {
    const row = this.rowAt(y);
    if (!row || !row.density) return "";
    const bin = Math.floor(this.toTime(x, this.root.clientWidth) / this.binLength), [bins, busy, counts, names] = row.density, at = bins.indexOf(bin);
    if (at < 0) return "";
    return `${count(counts[at], row.tasks ? "task" : "core span")} within ${duration(this.binLength / 1e9)}, busy ${percent(busy[at] / 1000)} of it, most of it ${this.T.names[names[at]]}`;
  },

  point(event) {
    const T = this.T, box = this.lanes.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const found = this.spanAt(x, y), bin = found ? "" : this.binAt(x, y), tip = this.tip;
    tip.style.display = found || bin ? "block" : "none";
    if (!found && !bin) return;
    const outer = this.root.getBoundingClientRect();
    if (bin) tip.textContent = bin;
    else {
      const [row, i] = found, [run, task, worker] = row.tasks ? [this.run[i], this.task[i], this.worker[i]] : [T.cores[5][i], T.cores[6][i], T.cores[0][i]];
      const became = row.tasks && this.state[i] !== "done" ? ` \u00b7 ${[this.state[i], this.why[i]].filter(Boolean).join(", ")}` : "";
      tip.textContent = `${T.names[row.name[i]]} \u00b7 ${duration(row.length[i] / 1e9)} at ${duration(row.begin[i] / 1e9)} \u00b7 ${row.tasks ? "" : "in "}task ${number(task)} of run ${number(run)} \u00b7 ${T.workers[worker].name}${became}`;
    }
    tip.style.left = `${Math.max(4, Math.min(event.clientX - outer.left + 12, outer.width - tip.offsetWidth - 6))}px`;
    tip.style.top = `${event.clientY - outer.top + 16}px`;
  },

  drag(canvas, begun, moved, ended) {
    canvas.addEventListener("pointerdown", (down) => {
      canvas.setPointerCapture(down.pointerId);
      const state = begun(down), go = (event) => moved(event, state);
      const stop = (event) => { canvas.removeEventListener("pointermove", go); canvas.removeEventListener("pointerup", stop); canvas.removeEventListener("pointercancel", stop); ended(event, state); };
      canvas.addEventListener("pointermove", go);
      canvas.addEventListener("pointerup", stop);
      canvas.addEventListener("pointercancel", stop);
    });
  },

  listen() {
    const { overview, lanes, root } = this;
    const timeAt = (event) => {
      const all = [this.start, this.start + this.whole], time = this.toTime(event.clientX - overview.getBoundingClientRect().left, root.clientWidth, all);
      return Math.min(Math.max(time, all[0]), all[1]);
    };
    this.drag(overview, (down) => ({ from: timeAt(down), x: down.clientX }),
      (event, { from }) => { const to = timeAt(event); this.brush = [Math.min(from, to), Math.max(from, to)]; this.drawOverview(); },
      (event, { from, x }) => {
        const to = timeAt(event), half = (this.view[1] - this.view[0]) / 2;
        this.brush = null;
        if (Math.abs(event.clientX - x) < DRAG) this.look(to - half, to + half); else this.look(Math.min(from, to), Math.max(from, to));
      });
    this.drag(lanes, (down) => ({ view: [...this.view], x: down.clientX }),
      (event, start) => {
        const width = root.clientWidth, shift = ((event.clientX - start.x) / (width - this.gutter(width) - 8)) * (start.view[1] - start.view[0]);
        if (Math.abs(event.clientX - start.x) >= DRAG) this.look(start.view[0] - shift, start.view[1] - shift);
      },
      (event, start) => {
        if (Math.abs(event.clientX - start.x) >= DRAG) return;
        const box = lanes.getBoundingClientRect(), found = this.spanAt(event.clientX - box.left, event.clientY - box.top), T = this.T;
        if (!found) { this.select(-1); return; }
        const [row, i] = found, task = row.tasks ? i : this.numbers.get(this.key(T.workers[T.cores[0][i]].of, T.cores[5][i], T.cores[6][i]));
        this.select(task === undefined ? -1 : task);
      });
    lanes.addEventListener("pointermove", (event) => this.point(event));
    lanes.addEventListener("pointerleave", () => { this.tip.style.display = "none"; });
    lanes.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY / 300), this.toTime(event.clientX - lanes.getBoundingClientRect().left, root.clientWidth));
    }, { passive: false });
    const keys = {
      w: () => this.zoom(0.6), s: () => this.zoom(1 / 0.6), a: () => this.move(-0.25), d: () => this.move(0.25), 0: () => this.lookAtAll(),
      ArrowLeft: () => this.step(-1, 0), ArrowRight: () => this.step(1, 0), ArrowUp: () => this.step(0, -1), ArrowDown: () => this.step(0, 1),
      Enter: () => this.close(), Escape: () => this.select(-1),
    };
    root.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    new ResizeObserver(() => this.draw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  },
});
