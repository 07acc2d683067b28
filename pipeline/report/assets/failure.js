// The section of a failure: the failed task, its callable, what else ran at the time, and what to try next.

function failure() {
  const found = DATA.failure;
  if (!found) return null;
  const took = `${duration(found.took_ns / 1e9)} after ${found.state === "failed" ? "it began" : "it was dispatched"}`;
  const facts = [
    ["task", `${number(found.task)} of run ${number(found.run)}`],
    ["callable", [found.callable, " ", el("code", {}, found.hashid)]],
    ["on", found.worker || "no worker: it was never dispatched"],
    ["outcome", [el("b", { class: "slower" }, [found.state, found.why].filter(Boolean).join(", ")), `, ${took}`]],
    ["compiler flags", found.flags.length ? el("code", {}, found.flags.join(" ")) : "none, neither of the callable nor of the build"],
  ];
  const others = found.others.map(([worker, words]) => [worker, words]);
  return section("What went wrong",
    pairs(facts),
    found.next.length ? [el("h3", {}, "Next"), found.next.map(({ why, command: text }) => [el("p", { class: "note" }, why), command(text)])] : null,
    el("h3", {}, "What the workers wrote last"),
    found.output.length ? el("pre", { class: "wrapped", id: "output", tabindex: "0" }, found.output.join("\n"))
      : el("p", { class: "note", id: "output" }, "Nothing: standard error is empty, without log lines of a kernel (ops->log) or a report of a sanitizer."),
    found.sources.map((source, i) => el("details", { open: i === 0 && source.text.split("\n").length <= 80, class: "file" },
      el("summary", {}, `${found.callable}: ${source.file}`),
      el("pre", { class: "source", tabindex: "0", "aria-label": `source of ${found.callable}` }, source.text.split("\n").map((line, at) => el("span", { "data-line": source.first_line + at }, line || "\u200b"))),
      source.left_out ? el("p", { class: "note" }, `${count(source.left_out, "further line")} left out.`) : null)),
    others.length > 1 ? [el("h3", {}, "What the other workers did"), table("others", "What every worker did when the task failed", [{ title: "worker" }, { title: "did" }], others)] : null);
}
