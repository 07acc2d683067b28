// The recent tasks that a live page draws, and the numbers of ended tasks over the last minutes.

const WINDOW = 10e9; // nanoseconds of the timeline
const MINUTES = 2; // of the chart of tasks a second
const LOAD_BINS = 200;
const [ROW_CHILD, ROW_BEGIN, ROW_LENGTH, ROW_NAME, ROW_STATE, ROW_RUN, ROW_TASK, ROW_SUBMIT, ROW_DISPATCH, ROW_COMPLETE] = Array(10).keys();

class RecentTasks {
  constructor() {
    this.forget();
  }

  // Begins with another run, whose workers and callables have other numbers.
  forget() {
    this.rows = []; // [row, how many tasks it stands for]
    this.samples = []; // [nanoseconds, tasks that had ended]
    this.workers = null;
    this.since = null; // ended tasks are known from this time on
  }

  // The server starts again, for instance after a pause: earlier tasks are dropped, since it sends them again.
  restart() {
    this.rows = [];
    this.since = null;
  }

  add(workers) {
    this.workers = workers;
    if (this.since === null) this.since = workers.recorded > workers.ended.length ? Math.min(...workers.ended.map((row) => row[ROW_COMPLETE])) : 0;
    this.rows.push(...workers.ended.map((row) => [row, workers.step]));
    this.rows = this.rows.filter(([row]) => row[ROW_COMPLETE] > workers.now - WINDOW);
    this.samples.push([workers.now, this.ended()]);
    this.samples = this.samples.filter(([now]) => now > workers.now - MINUTES * 60e9);
  }

  ended() {
    return this.workers.stats.accepted - this.workers.stats.pending;
  }

  // Tasks a second between two messages: [seconds ago, tasks].
  rates() {
    const now = this.workers && this.workers.now;
    return this.samples.slice(1).map(([time, ended], i) => [(now - time) / 1e9, (ended - this.samples[i][1]) / ((time - this.samples[i][0]) / 1e9)]);
  }

  // Each drawn task stands for at most this many ended tasks.
  step() {
    return this.rows.reduce((most, [, step]) => Math.max(most, step), 1);
  }

  // Data for the timeline; times are nanoseconds since the run began.
  timeline(began) {
    const { now, names, children, begun } = this.workers, from = Math.max(now - WINDOW, this.since, began), span = Math.max(now - from, 1);
    const since = (time) => (time ? time - began : -1);
    const all = [...this.rows, ...begun.map((row) => [[...row.slice(0, ROW_LENGTH), now - row[ROW_BEGIN], ...row.slice(ROW_NAME)], 1])];
    const column = (of) => all.map(([row]) => of(row)), plain = (at) => column((row) => row[at]), timed = (at) => column((row) => since(row[at]));
    const busy = children.map(() => 0), leaves = children.filter(([, kind]) => kind !== "node").length, load = new Array(LOAD_BINS).fill(0), bin = span / LOAD_BINS;
    for (const [row, step] of all) {
      const child = row[ROW_CHILD], begin = Math.max(row[ROW_BEGIN], from), end = row[ROW_BEGIN] + row[ROW_LENGTH];
      if (child < 0 || end <= begin) continue;
      busy[child] += (end - begin) * step;
      if (children[child][1] === "node" && leaves) continue;
      for (let at = Math.floor((begin - from) / bin); at < LOAD_BINS && at * bin < end - from; ++at) {
        load[at] += (step * (Math.min(end - from, (at + 1) * bin) - Math.max(begin - from, at * bin))) / bin;
      }
    }
    const workers = children.map(([name, kind, pid], i) => ({ name, label: name, depth: 0, kind, of: 0, hosts: -1, pid, tasks: 0, busy_ns: Math.min(busy[i], span), cores: [] }));
    return {
      start_ns: from - began, span_ns: span, submitters: ["parent"], workers, names,
      tasks: [plain(ROW_CHILD), timed(ROW_BEGIN), plain(ROW_LENGTH), plain(ROW_NAME), plain(ROW_STATE), plain(ROW_RUN), plain(ROW_TASK),
        timed(ROW_SUBMIT), timed(ROW_DISPATCH), timed(ROW_COMPLETE), all.map(() => []), all.map(() => 0), all.map(() => -1), all.map(() => "")],
      cores: [], total_tasks: all.length, total_cores: 0, dropped: {}, density: null, left_out: 0, missing: [],
      load: load.map((each) => Math.min(1000, (1000 * each) / Math.max(1, leaves || children.length))), path: [], path_kinds: [], path_ns: {}, path_segments: 0,
    };
  }
}
