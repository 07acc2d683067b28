// The page of a run, from its sections.

const TIMELINES = [];

function timelineSection() {
  if (!TIMELINE) return null;
  const shown = new Timeline("timeline", TIMELINE);
  TIMELINES.push(shown);
  return section("Timeline", timelineNotes(TIMELINE).map((note) => el("p", { class: "note", id: "thinned" }, note)), shown.place);
}

document.getElementById("page").append(...[
  header(), failure(), verification(), stages(), timelineSection(), callables(), workers(), pathSteps(), virtual(), identity(), provenance(),
].flat().filter(Boolean));
printLight(TIMELINES);
TIMELINES.forEach((timeline) => timeline.draw());
