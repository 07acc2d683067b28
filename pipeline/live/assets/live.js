// The live page. The server sends it news once a second, while the page is visible.

const recent = new RecentTasks();
const status = el("span", { class: "pill", id: "status", role: "status" }, "connecting");
const title = el("h1", {}, DATA.title), where = el("p", { class: "quiet", id: "where" });
const ending = el("div", { id: "ending" });
const cards = new Cards(["Since it began", "Tasks ended", "Tasks a second", "Pending", "Workers"]);
const points = new Points(), stages = new Stages(), workers = new Workers(), rates = new RateChart();
const note = el("p", { class: "note", id: "drawn" }), hold = el("input", { type: "checkbox", id: "hold" });
const lanes = el("div", {});
const job = el("p", { class: "quiet", id: "job" }), run = el("div", { hidden: true });
const tasks = el("div", { hidden: true });
const TIMELINES = []; // empty before there is a worker
let timeline = null, shown = null, source = null, over = false;

points.element.hidden = true;
tasks.append(section("Timeline, last 10 seconds", note, el("div", { class: "tools" }, el("label", {}, hold, "hold still")), lanes), el("div", { class: "charts one" }, rates.element), workers.element);
run.append(job, stages.element, tasks);
document.getElementById("page").append(el("div", { class: "top" }, title, status), where, ending, cards.element, points.element, run);

function say(words, kind = "") {
  if (status.textContent === words) return;
  status.textContent = words;
  status.className = `pill ${kind}`;
}

function showRun(told) {
  if (shown !== told.began_ns) {
    shown = told.began_ns;
    recent.forget();
    workers.before = null;
    timeline = null;
    tasks.hidden = true;
  }
  stages.fill(told);
  if (!told.workers) return;
  recent.add(told.workers);
  const drawn = recent.timeline(told.began_ns);
  tasks.hidden = false;
  if (!timeline) {
    timeline = new Timeline("timeline", drawn);
    lanes.replaceChildren(...timeline.place);
    TIMELINES.splice(0, 1, timeline);
    timeline.draw();
  } else if (!hold.checked) timeline.follow(drawn);
  const step = recent.step();
  note.textContent = step > 1 ? `Not every ended task is drawn: at times one of ${number(step)}. Counts and shares include all.` : "All ended and all running tasks are drawn. Only the report shows the tasks below nodes.";
  workers.fill(told.workers, drawn);
  rates.fill(recent.rates());
}

function show(told) {
  if (told.end) { end(told.end); return; }
  say("running", "good");
  const { run: running, sweep } = told;
  if (sweep) {
    points.element.hidden = false;
    points.fill(sweep);
    title.textContent = sweep.title;
    job.textContent = running ? `Now: ${sweep.running === null ? "a job" : `job ${number(sweep.running)}`}, ${running.title}` : "";
  } else if (running) title.textContent = running.title;
  run.hidden = !running;
  if (running) {
    where.textContent = running.where;
    showRun(running);
  }
  const stats = running && running.workers ? running.workers.stats : null, all = recent.rates(), wrong = stats ? stats.failed + stats.lost + stats.timed_out : 0;
  const ready = running && running.workers ? running.workers.children.filter(([, , , state]) => state === "ready").length : 0;
  cards.fill([
    [passed(sweep ? sweep.elapsed : running ? running.elapsed : 0), running && running.stage ? `in ${running.stage.name}` : ""],
    [stats ? number(recent.ended()) : "\u2013", wrong ? `${number(wrong)} went wrong` : ""],
    [stats && all.length ? rounded(all[all.length - 1][1]) : "\u2013", ""],
    [stats ? number(stats.pending) : "\u2013", stats ? count(stats.runs, "run") + " under way" : ""],
    [running && running.workers ? number(running.workers.children.length) : "\u2013", running && running.workers ? `${number(ready)} ready` : ""],
  ]);
}

function end({ status: word, exit_code: code, error, report, html }) {
  over = true;
  source.close();
  say(word.replace("_", " "), code ? "" : "good");
  document.title = `${title.textContent}: ${word.replace("_", " ")}`;
  points.end();
  const open = () => { location.href = URL.createObjectURL(new Blob([html], { type: "text/html" })); };
  ending.replaceChildren(
    ...[error ? el("div", { class: "box", id: "error" }, error) : null,
      el("p", {}, "Ended: this page no longer changes."),
      html ? el("p", {}, el("button", { type: "button", class: "plain", id: "open-report", onclick: open }, "show its report here")) : null,
      report ? [el("p", { class: "note" }, "The report is a file, which stays when this page is closed:"), command(report)] : null].flat().filter(Boolean));
  if (timeline) timeline.draw();
}

// A hidden page only waits for the end, so that the run computes nothing for it.
function listen() {
  if (over) return;
  if (source) source.close();
  source = new EventSource(document.hidden ? "end" : "events");
  source.onopen = () => recent.restart();
  source.onmessage = (event) => show(JSON.parse(event.data));
  // The browser connects again by itself, also to another process that continues the run, but not after a refusal.
  source.onerror = ({ target }) => say(target.readyState === EventSource.CLOSED ? "refused: too many pages of this run are open" : "no answer: the run has ended or was killed");
}

document.addEventListener("visibilitychange", listen);
printLight(TIMELINES);
listen();
