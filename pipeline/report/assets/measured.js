// The section of measurements: medians and spreads, and the comparison with an earlier run.

function middle(values, share) {
  const ordered = [...values].sort((a, b) => a - b), at = share * (ordered.length - 1), low = Math.floor(at);
  return ordered[low] + (at - low) * ((ordered[low + 1] ?? ordered[low]) - ordered[low]);
}

function measurements() {
  const found = RESULT.measurements, runs = found.run_seconds;
  if (!runs.length) return null;
  const warm = found.warm_up_seconds || [];
  const apart = warm.length ? [el("p", { class: "note" }, `Before them, ${count(warm.length, "run")} warmed up (${warm.map(duration).slice(0, 5).join(", ")}${warm.length > 5 ? ", \u2026" : ""}): hollow dots in the drawing. Of this page, only the timeline and the counts of tasks include them.`)] : [];
  if (runs.length === 1) {
    return section("Measurements", el("p", { id: "measured" }, `One measured run took ${duration(runs[0])}. Repeat it to see how much that varies: workload.repeat=20.`), apart);
  }
  const seconds = (value) => ({ show: duration(value), sort: value });
  const row = (name, values) => {
    const [low, median, high] = [0.25, 0.5, 0.75].map((share) => middle(values, share));
    return [name, number(values.length), seconds(median), { show: `${duration(low)} to ${duration(high)}`, sort: high - low }, seconds(Math.min(...values)), seconds(Math.max(...values)), { show: percent((high - low) / median), sort: (high - low) / median }];
  };
  const rows = [row("run", runs), ...Object.entries(found.execution_seconds).filter(([, values]) => values.length > 1).map(([name, values]) => row(name, values))];
  const columns = ["runs", "median", "middle half", "fastest", "slowest"].map((title) => ({ title, number: true }));
  return section("Measurements", el("div", { class: "charts" }, DATA.figures.measurements.map(figureOf)), apart,
    table("measured", "Measured runs, and the tasks of each callable in them", [{ title: "what" }, ...columns, { title: "spread", number: true, help: "the middle half, relative to the median" }], rows));
}

function rates() {
  const found = DATA.rates;
  if (!found) return null;
  const rate = (value, unit) => ({ show: value === null ? "\u2013" : `${value.toPrecision(3)} ${unit}`, sort: value });
  const rows = found.rows.map((row) => [row.callable, { show: duration(row.seconds), sort: row.seconds }, { show: row.flop === null ? "\u2013" : figure(row.flop), sort: row.flop }, { show: row.bytes === null ? "\u2013" : figure(row.bytes), sort: row.bytes },
    rate(row.gflop_per_second, "GFLOP/s"), rate(row.gb_per_second, "GB/s"), rate(row.intensity, "FLOP/B")]);
  const right = ["median", "FLOP of a task", "bytes of a task", "computes", "moves", "intensity"].map((title) => ({ title, number: true }));
  return section("Work in a second",
    el("p", { class: "note" }, `From the operations and bytes that the callables declare. The limits are ${found.gflop_per_second.toPrecision(3)} GFLOP/s and ${found.gb_per_second.toPrecision(3)} GB/s, ${found.roofs}.${found.modelled ? ` ${found.modelled}` : ""}`),
    found.figure ? figureOf(found.figure) : null,
    table("rates", "Work in a second by callable", [{ title: "callable" }, ...right], rows));
}

function plainly(value) {
  return value === null || value === undefined ? "\u2013" : typeof value === "string" ? value : JSON.stringify(value);
}

function comparison() {
  const found = RESULT.comparison;
  if (!found) return null;
  const whole = found.lines[0], good = whole.verdict === "faster" || whole.verdict === "same";
  const word = whole.verdict === "unknown" ? `${whole.words}: compare needs at least 8 measured runs on both sides` : whole.words;
  const seconds = (value) => ({ show: duration(value), sort: value });
  const lines = found.lines.map((line) => [
    line.what, seconds(line.old_seconds), seconds(line.new_seconds), { show: line.ratio.toFixed(3), sort: line.ratio },
    { show: line.low === null ? "\u2013" : `${line.low.toFixed(3)} to ${line.high.toFixed(3)}`, sort: line.low },
    { show: el("span", { class: line.verdict }, line.words), sort: line.ratio }]);
  const different = Object.entries(found.different).map(([key, { old, new: now }]) => [key, plainly(old), plainly(now)]);
  const right = { number: true };
  return section("Comparison",
    el("div", { class: `box${good ? " good" : ""}`, id: "verdict" }, `Against ${found.with}: ${word}.`),
    found.warnings.map((warning) => el("p", { class: "note" }, `Take care: ${warning}.`)),
    DATA.figures.comparison.map(figureOf),
    table("compared", "Figures before and now", [{ title: "what" }, { title: "before", ...right }, { title: "now", ...right }, { title: "ratio", ...right, help: "2: twice as long as before" }, { title: "interval", ...right }, { title: "verdict" }], lines),
    el("h3", {}, "What else is different"),
    different.length ? table("different", "What else is different", [{ title: "what" }, { title: "before" }, { title: "now" }], different)
      : el("p", { class: "note", id: "different" }, "Nothing: the same configuration, the same hashids, the same machine."));
}
