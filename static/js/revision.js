// The page of a space is loaded anew when the space's files change; not under the hands of somebody who writes.
const form = document.getElementById("ask");
let known = Number(form?.dataset.revision);

function isBusy() {
  const fields = [...document.querySelectorAll("#ask textarea, #ask input")];
  return fields.some((field) => field.value !== "") || document.querySelector("#upload:not([hidden])") !== null;
}

/** The space stands at `revision` now; the page was made at the one its form names. */
export function keepSpaceFresh({ revision }) {
  if (!form || revision <= known) return;
  known = revision;
  if (!isBusy()) { location.reload(); return; }
  const changed = document.getElementById("space-changed");
  if (changed) changed.hidden = false;
}
