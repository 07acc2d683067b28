// The sections of a run's page, except for its timeline, each from the data to an element or null.

const RESULT = DATA.result;
const TIMELINE = DATA.timeline;

// Tasks of result.json at every level, the outermost first.
function levels() {
  const found = [];
  for (let level = RESULT.tasks; level; level = level.below) found.push(level);
  return found;
}

// Chips and sub-workers. A node is not counted: the workers below it are.
function leafWorkers() {
  return TIMELINE.workers.filter((worker) => worker.kind !== "node");
}

function statesOf(states) {
  return Object.entries(states).map(([state, tasks]) => `${number(tasks)} ${state}`).join(", ");
}

function header() {
  const machine = RESULT.provenance.machine || {};
  const stages = RESULT.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const cards = [["All stages", duration(stages), `${RESULT.stages.length} of them`]];
  if (TIMELINE) {
    const workers = leafWorkers(), busy = workers.reduce((sum, worker) => sum + worker.busy_ns, 0);
    const further = levels().slice(1).reduce((sum, level) => sum + level.count, 0), states = statesOf(RESULT.tasks.states);
    cards.push(["Task graph", duration(TIMELINE.span_ns / 1e9), "first submit to last completion"]);
    cards.push(["Tasks", number(RESULT.tasks.count), levels().length > 1 ? `${states}, and ${number(further)} below` : states]);
    cards.push(["Workers busy", percent(busy / (TIMELINE.span_ns * workers.length || 1)), `of ${count(workers.length, "worker")}, on average`]);
  }
  return [
    el("div", { class: "top" },
      el("h1", {}, `${RESULT.workload || "run"} on ${RESULT.topology}`),
      el("span", { class: `pill${RESULT.exit_code ? "" : " good"}`, id: "status" }, RESULT.status.replace("_", " "))),
    el("p", { class: "quiet" }, [`target ${RESULT.target}`, `build ${RESULT.build}`, RESULT.provenance.time, machine.cpu, machine.cores ? count(machine.cores, "core") : null].filter(Boolean).join(" \u00b7 ")),
    RESULT.error ? el("div", { class: "box", id: "error" }, RESULT.error) : null,
    DATA.diagnosis && DATA.diagnosis.sentences.length ? el("div", { class: "said", id: "diagnosis" }, DATA.diagnosis.sentences.map((sentence) => el("p", {}, sentence))) : null,
    el("div", { class: "cards" }, cards.map(([title, value, more]) =>
      el("div", { class: "card" }, el("span", { class: "quiet" }, title), el("b", {}, value), el("span", { class: "quiet" }, more)))),
  ];
}

const VERIFICATION_WORDS = new Map([[true, "verified"], [false, "differs"], [null, "unverified"]]);

function verification() {
  const found = RESULT.verification;
  if (!found) return section("Verification", el("p", { class: "quiet", id: "verification" }, "The run did not reach the verification: nothing was compared."));
  const figures = Object.entries(found.figures).map(([name, value]) => el("span", {}, el("span", { class: "quiet" }, name.replaceAll("_", " ")), el("b", {}, figure(value))));
  return section("Verification",
    el("div", { class: `box${found.passed ? " good" : ""}`, id: "verification" }, `${VERIFICATION_WORDS.get(found.passed)}: ${found.message}`),
    figures.length ? el("div", { class: "legend", id: "figures" }, figures) : null);
}

function stages() {
  const parts = RESULT.stages.map((stage, i) => [stage.name, stage.seconds, i]);
  return section("Where the time went",
    el("p", { class: "note" }, "The stages of the run:"), stackedBar("stages of the run", parts),
    TIMELINE && TIMELINE.path.length ? [
      el("p", { class: "note" }, "The critical path, from the first submit to the last completion:"),
      stackedBar("the critical path", TIMELINE.path_kinds.map((kind) => [kind, TIMELINE.path_ns[kind] / 1e9, PATH_COLOURS[kind]])),
      el("p", { class: "note" }, "Execution: a task ran. Hand-over: a task had nothing left to wait for and was on its way to its worker. Submission: the orchestration function had not submitted the task yet. Completion: a task had ended, and the parent had not noticed yet."),
      TIMELINE.submitters.length > 1 ? el("p", { class: "note" }, "Where a node's task is on the path, the path continues through the tasks that it submitted; their parent is the node.") : null,
    ] : null);
}

function whatIf() {
  const found = DATA.diagnosis;
  if (!found || !found.what_if.length) return null;
  const rows = found.what_if.map(({ callable, gain }) => [callable, { show: `${gain.toFixed(2)} times as fast`, sort: gain }]);
  return section("What if a callable were twice as fast",
    el("p", { class: "note" }, `Run ${number(found.run)}, the run of median length, replayed with shorter tasks of one callable. Every task keeps its delay after the event that it waited for last; submits keep their times, and workers their order of tasks.`),
    table("what-if", "What each callable would gain", [{ title: "callable" }, { title: "the run would be", number: true }], rows));
}

function callables() {
  const hashes = Object.fromEntries(RESULT.callables.map((callable) => [callable.name, callable.hashid]));
  const all = levels(), nested = all.length > 1;
  const named = all.flatMap((level, depth) => Object.entries(level.callables).map(([name, tasks]) => [name, tasks, depth]));
  if (!named.length || !TIMELINE) return null;
  const workOf = (name, depth) => ((TIMELINE.work_ns[depth] || {})[name] || [0, 0]).map((ns) => ns / 1e9);
  // Of chips and sub-workers only: a node's task takes as long as the tasks that it submits, which are counted already.
  const whole = named.reduce((sum, [name, , depth]) => sum + workOf(name, depth)[0], 0) || 1;
  const seconds = (value) => ({ show: duration(value), sort: value });
  const rows = named.map(([name, tasks, depth]) => {
    const [work, onNodes] = workOf(name, depth);
    const executed = tasks.execution_seconds || {}, queued = tasks.queue_seconds || {};
    const other = Object.entries(tasks.states).filter(([state]) => state !== "done").map(([state, those]) => `${number(those)} ${state}`);
    const hashid = hashes[name.split("/")[0]] || name;
    const level = RESULT.configuration.topology?.level - depth;
    return [
      name, ...(nested ? [level] : []), { show: el("code", { title: hashid }, hashid.replace("sha256:", "").slice(0, 8)), sort: hashid },
      { show: [number(tasks.count), ...other].join(", "), sort: tasks.count },
      seconds(executed.min), seconds(executed.median), seconds(executed.p99), seconds(executed.max),
      { show: duration(work + onNodes) + (onNodes && !work ? "" : ` \u00b7 ${percent(work / whole)}`), sort: work + onNodes },
      seconds(queued.median), seconds(queued.p99),
    ];
  });
  const right = { number: true };
  return section("Callables",
    table("callables", "Tasks by callable", [
      { title: "callable" }, ...(nested ? [{ title: "level", ...right, help: "of the Worker that submitted the tasks" }] : []),
      { title: "hash" }, { title: "tasks", ...right }, { title: "min", ...right }, { title: "median", ...right },
      { title: "p99", ...right, help: "the smallest duration that 99 % of the tasks do not exceed; only for 100 tasks or more" }, { title: "max", ...right },
      { title: "total", ...right, help: nested ? "and its share of all execution on chips and sub-workers" : "and its share of all execution" },
      { title: "median wait", ...right, help: "from submit to begin" }, { title: "p99 wait", ...right, help: "only for 100 tasks or more" }], rows));
}

function workers() {
  if (!TIMELINE) return null;
  const whole = TIMELINE.span_ns || 1;
  const meter = (share) => el("span", { class: "meter" }, el("i", { style: `width: ${100 * Math.min(1, share)}%` }));
  const rows = TIMELINE.workers.map((worker, i) => {
    const cores = worker.cores.map((core) => core.busy_ns / whole);
    const mean = cores.length ? cores.reduce((a, b) => a + b, 0) / cores.length : null;
    return [
      { show: worker.machine ? `${worker.name} on ${worker.machine}` : worker.name, sort: i }, { show: worker.pid ?? "\u2013", sort: worker.pid }, { show: number(worker.tasks), sort: worker.tasks },
      { show: duration(worker.busy_ns / 1e9), sort: worker.busy_ns },
      { show: [meter(worker.busy_ns / whole), ` ${percent(worker.busy_ns / whole)}`], sort: worker.busy_ns },
      { show: cores.length ? [el("span", { class: "cores" }, cores.map((share, core) => el("i", { title: `core ${worker.cores[core].core}: ${percent(share)}` }, el("i", { style: `height: ${100 * Math.min(1, share)}%` })))), ` ${percent(mean)}`] : "\u2013", sort: mean },
    ];
  });
  const right = { number: true };
  return section("Workers",
    el("p", { class: "note" }, `Busy means that the worker executed a task; shares are relative to the ${duration(whole / 1e9)} of the task graph.`),
    TIMELINE.submitters.length > 1 ? el("p", { class: "note" }, "A node is busy while one of its tasks runs, even if all workers below it are idle; averages over workers count the workers below, not the node.") : null,
    table("workers", "How busy the workers were", [{ title: "worker" }, { title: "process", ...right }, { title: "tasks", ...right }, { title: "busy", ...right }, { title: "utilisation" }, { title: "cores" }], rows));
}

function pathSteps() {
  if (!TIMELINE || !TIMELINE.path.length) return null;
  const T = TIMELINE.tasks, most = 14;
  const why = { submit: "its submit", dependency: "a task that it depends on", worker: "its worker, which executed another task", below: "the last task that it submitted", "": "" };
  const rows = TIMELINE.path.map(([kind, begin, length, task, cause]) => {
    const about = task < 0 ? "" : `${TIMELINE.names[T[3][task]]}, task ${number(T[6][task])} of run ${number(T[5][task])}`;
    const where = task < 0 || T[0][task] < 0 ? "" : TIMELINE.workers[T[0][task]].name;
    const named = TIMELINE.path_kinds[kind];
    return [
      { show: duration(begin / 1e9), sort: begin },
      { show: el("span", { class: "legend", style: "margin: 0" }, el("span", {}, el("i", { class: colourClass(PATH_COLOURS[named]) }), named)), sort: kind },
      { show: duration(length / 1e9), sort: length }, about, where, why[cause]];
  });
  const columns = [{ title: "at", number: true }, { title: "what" }, { title: "took", number: true }, { title: "task" }, { title: "on" }, { title: "began after" }];
  const steps = (some) => table("path", "The critical path, step by step", columns, some);
  const place = el("div", {}, steps(rows.slice(0, most)));
  const more = rows.length > most ? el("button", { type: "button", class: "plain", onclick: () => { place.replaceChildren(steps(rows)); more.remove(); } }, `show all ${number(rows.length)}`) : null;
  const thinned = TIMELINE.path_segments > rows.length ? el("p", { class: "note" }, `The ${number(rows.length)} longest of ${number(TIMELINE.path_segments)} pieces.`) : null;
  return section("Critical path, step by step", thinned, place, more);
}

function virtual() {
  const found = RESULT.virtual;
  if (!found) return null;
  const time = (ns) => duration(ns / 1e9);
  const rows = Object.entries(found.callables).map(([name, { tasks, work_ns }]) => [
    name, { show: number(tasks), sort: tasks }, { show: time(work_ns), sort: work_ns }]);
  return section("Virtual time, on modelled chips",
    el("p", { class: "note" }, "Computed from the task graph and the chip model of the configuration; nothing in this section was measured, and no other section shows virtual time."),
    pairs([
      ["chip model", found.model],
      ["chips", `${number(found.chips)}, busy ${percent(found.chips_busy)} of the time`],
      ["one run of the graph", time(found.makespan_ns)],
      ["critical path", `${time(found.critical_path_ns)}, if no task had to wait for a busy chip or for the parent`],
      ["one task after the other", time(found.one_by_one_ns)],
    ]),
    table("virtual", "Virtual time by callable", [{ title: "callable" }, { title: "tasks", number: true }, { title: "virtual time, together", number: true }], rows));
}

function identity() {
  if (!RESULT.callables.length) return null;
  const words = {};
  for (const stage of RESULT.stages) if (stage.name === "build") for (const action of stage.actions) words[action.name] = action.word;
  const rows = RESULT.callables.map((callable) => [callable.name, callable.kind, callable.target_namespace, words[callable.name] || "\u2013", { show: el("code", { class: "hash" }, callable.hashid), sort: callable.hashid }]);
  const lock = RESULT.lock ? `${RESULT.lock.file} ${RESULT.lock.outcome}${RESULT.lock.differing.length ? `: ${RESULT.lock.differing.join(", ")}` : ""} (sha256 ${RESULT.lock.sha256.slice(0, 12)}\u2026)` : "not used in this run";
  return section("What ran",
    table("identity", "The callables of the run", [{ title: "callable" }, { title: "kind" }, { title: "runs on" }, { title: "binary" }, { title: "hashid", help: "SHA-256 over what executed" }], rows),
    el("p", { class: "note" }, `Lock: ${lock}.`));
}

function machines() {
  const engine = RESULT.engine;
  if (!engine || !engine.hosts.length) return null;
  const right = { number: true };
  const rows = engine.hosts.map((host) => [
    { show: `node ${host.node}`, sort: host.node }, host.machine,
    { show: host.clock_bound_seconds === null ? "\u2013" : duration(host.clock_bound_seconds), sort: host.clock_bound_seconds },
    { show: number(host.sent_bytes), sort: host.sent_bytes }, { show: number(host.received_bytes), sort: host.received_bytes },
  ]);
  const versions = Object.entries(engine.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return section("Machines",
    el("p", { class: "note" }, `Nodes on ${engine.kind} at ${engine.address}${versions ? ` (${versions})` : ""}. Times of a host's processes are exact up to the bound of its clock.`),
    table("machines", "Where the nodes were", [{ title: "node" }, { title: "machine" }, { title: "clock bound", ...right }, { title: "bytes sent", ...right }, { title: "bytes received", ...right }], rows));
}

function provenance() {
  const p = RESULT.provenance, git = p.git;
  const entries = [
    ["time", p.time], ["Python", p.python], ["compiler", p.compiler ?? "\u2013"],
    ["commit", git ? `${git.commit}${git.modified ? " with changes" : ""}` : "not in a checkout"],
    ["machine", p.machine ? `${p.machine.cpu ?? "unknown processor"}, ${count(p.machine.cores, "core")}, ${p.machine.architecture}, Linux ${p.machine.kernel}` : "\u2013"],
    ["packages", Object.entries(p.versions || {}).map(([name, version]) => `${name} ${version ?? "?"}`).join(", ")],
  ].filter(([, value]) => value);
  const actions = RESULT.stages.flatMap((stage) => stage.actions.map((action) => [stage.name, action.word, action.name, { show: el("code", {}, action.hash.replace("sha256:", "").slice(0, 12) || "\u2013"), sort: action.hash }, { show: duration(action.seconds), sort: action.seconds }]));
  return section("Provenance", pairs(entries),
    el("details", {}, el("summary", {}, "What every stage did"), table("actions", "What every stage did", [{ title: "stage" }, { title: "did" }, { title: "what" }, { title: "hash" }, { title: "took", number: true }], actions)),
    el("details", {}, el("summary", {}, "Configuration"), el("pre", { tabindex: "0", "aria-label": "configuration" }, JSON.stringify(RESULT.configuration, null, 2))));
}
