// The page of a space is loaded anew when the space's files change; not under the hands of somebody who writes.
let known = null;

function isBusy() {
  const fields = [...document.querySelectorAll("#ask textarea, #ask input")];
  return fields.some((field) => field.value !== "") || document.querySelector("#upload:not([hidden])") !== null;
}

/** The space stands at `revision`: the first time is where the page begins. */
export function keepSpaceFresh({ revision }) {
  if (known === null || revision <= known) { known ??= revision; return; }
  known = revision;
  if (!isBusy()) { location.reload(); return; }
  const changed = document.getElementById("space-changed");
  if (changed) changed.hidden = false;
}
