// Copying, also on a plain http address, where browsers offer no clipboard.
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}

/** Whether `text` is on the clipboard now. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Copy, and say so on the button for a moment. */
export async function copyFrom(button, text, said) {
  const label = button.textContent;
  if (!(await copyText(text))) return;
  button.textContent = said;
  setTimeout(() => { button.textContent = label; }, 1500);
}
