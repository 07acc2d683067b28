// The page of a run, from its sections.

const TIMELINES = [];

function timelineSection() {
  if (!TIMELINE) return null;
  const earlier = DATA.earlier && DATA.earlier.timeline;
  if (!earlier) {
    const shown = new Timeline("timeline", TIMELINE);
    TIMELINES.push(shown);
    return section("Timeline", timelineNotes(TIMELINE).map((note) => el("p", { class: "note", id: "thinned" }, note)), shown.place);
  }
  // Two timelines, one above the other, on one axis; they move together.
  const whole = Math.max(TIMELINE.span_ns, earlier.span_ns);
  const now = new Timeline("timeline", TIMELINE, { whole, onLook: (view) => before.look(...view, false) });
  const before = new Timeline("before", earlier, { whole, onLook: (view) => now.look(...view, false) });
  TIMELINES.push(now, before);
  const notes = (T) => timelineNotes(T).map((note) => el("p", { class: "note" }, note));
  return section("Timeline", el("h3", {}, "now"), notes(TIMELINE), now.place, el("h3", {}, "before"), notes(earlier), before.place);
}

document.getElementById("page").append(...[
  header(), failure(), verification(), comparison(), measurements(), stages(), timelineSection(), callables(), rates(), workers(), machines(), pathSteps(), whatIf(), virtual(), identity(), provenance(),
].flat().filter(Boolean));
printLight(TIMELINES);
TIMELINES.forEach((timeline) => timeline.draw());
