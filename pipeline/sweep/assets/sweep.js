// The page of a sweep: its figures, failed points, and a table of all points that can be sorted and filtered.

function header() {
  return [
    el("h1", {}, DATA.title),
    el("p", { class: "quiet" }, DATA.where),
    el("div", { class: "cards" }, DATA.cards.map(([title, value, more, kind]) =>
      el("div", { class: `card ${kind}` }, el("span", { class: "quiet" }, title), el("b", {}, value), el("span", { class: "quiet" }, more)))),
  ];
}

function causes(title, note, those) {
  if (!those.length) return null;
  return section(title, note ? el("p", { class: "note" }, note) : null, those.map(({ code, error, points }) => el("div", {},
    el("p", {}, el("b", {}, points.slice(0, 8).join("; ")), points.length > 8 ? ` and ${number(points.length - 8)} more` : "", `: exit code ${code}`),
    el("pre", { class: "wrapped", tabindex: "0", "aria-label": "why" }, error))));
}

function figures() {
  if (!DATA.figures.length) return null;
  return section("Charts",
    el("p", { class: "note" }, "Marks and bars are medians of the measured runs; half of the runs lie in the shaded band, or between the ends of the line. Point at a mark for numbers. Virtual time is computed on modelled chips, and has charts of its own."),
    el("div", { class: "charts" }, DATA.figures.map(figureOf)));
}

function comparisons() {
  return DATA.comparison.length ? section("Comparison with earlier runs", DATA.comparison.map(figureOf)) : null;
}

function points() {
  const numeric = (value) => (value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value);
  const seconds = (value) => ({ show: duration(value), sort: value });
  const measured = DATA.points.some((row) => row.runs), modelled = DATA.points.some((row) => row.virtual), compared = DATA.points.some((row) => row.compared);
  const slowest = Math.max(...DATA.points.map((row) => row.times[0] ?? 0), 1e-12), right = { number: true };
  const median = (value) => ({
    show: value === null ? "\u2013" : [el("span", { class: "meter", style: "width: 50px", "aria-hidden": "true" }, el("i", { style: `width: ${(100 * value) / slowest}%` })), ` ${duration(value)}`], sort: value,
  });
  const half = ([, low, high]) => ({ show: low === null ? "\u2013" : `${duration(low)} to ${duration(high)}`, sort: low === null ? null : high - low });
  const columns = [{ title: "job", ...right }, ...DATA.keys.map(([title, help]) => ({ title, help })), { title: "status" },
    ...(measured ? ["runs", "median", "middle half", "fastest", "slowest"].map((title) => ({ title, ...right })) : []),
    { title: "tasks", ...right },
    ...(modelled ? [{ title: "chip model" }, { title: "virtual time", ...right, help: "computed, not measured" }, { title: "virtual critical path", ...right }, { title: "chips busy", ...right, help: "in virtual time" }] : []),
    ...(compared ? [{ title: "times as long as before", ...right, help: "with its interval" }, { title: "verdict" }] : [])];
  const rows = DATA.points.map((row) => [
    { show: row.link ? el("a", { href: row.link }, row.job === null ? "\u2013" : number(row.job)) : row.job === null ? "\u2013" : number(row.job), sort: row.job },
    ...row.values.map((value) => ({ show: value, sort: numeric(value) })),
    { show: el("span", { class: row.status === "ok" ? "faster" : row.status === "infeasible" ? "quiet" : "slower" }, row.status.replace("_", " ")), sort: row.status },
    ...(measured ? [number(row.runs), median(row.times[0]), half(row.times), ...row.times.slice(3).map(seconds)] : []),
    { show: row.tasks === null ? "\u2013" : number(row.tasks), sort: row.tasks },
    ...(modelled ? (row.virtual ? [row.virtual[0], seconds(row.virtual[1] / 1e9), seconds(row.virtual[2] / 1e9), { show: percent(row.virtual[3]), sort: row.virtual[3] }] : ["\u2013", seconds(null), seconds(null), seconds(null)]) : []),
    ...(compared ? (row.compared ? [{ show: row.compared[1], sort: row.compared[0] }, { show: el("span", { class: row.compared[3] }, row.compared[2]), sort: row.compared[0] }] : [seconds(null), "\u2013"]) : []),
  ]);
  const kinds = DATA.points.map((row) => (row.best ? "best" : null));
  return section("Every point", el("p", { class: "note" }, "A job's number leads to its own report; the green row is the fastest."),
    table("points", "Every point of the sweep", columns, rows, { kinds, filter: true }));
}

function provenance() {
  if (!DATA.provenance) return null;
  const { callables, ...rest } = DATA.provenance;
  return section("Provenance", pairs(Object.entries(rest)),
    table("identity", "Callables of the first point", [{ title: "callable" }, { title: "hashid", help: "of the first point" }], callables.map(([name, hashid]) => [name, { show: el("code", {}, hashid), sort: hashid }])));
}

const failed = DATA.causes.filter(({ kind }) => kind !== "infeasible"), infeasible = DATA.causes.filter(({ kind }) => kind === "infeasible");
document.getElementById("page").append(...[
  header(), causes("What failed", "", failed), figures(), comparisons(), points(),
  causes("Infeasible", "Impossible combinations of values: they cost no run, and are no failures.", infeasible), provenance(),
].flat().filter(Boolean));
printLight([]);
