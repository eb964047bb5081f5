// Files chosen in a form: listed with their sizes, taken out again one by one, dropped from the desktop.
import { size } from "./files.js";
import { words } from "./words.js";

const FITS = { audio_file: /^audio\//, video_file: /^video\// };

function put(input, files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

/** The input of a form that a dropped file belongs to, or undefined. */
function inputFor(inputs, file) {
  return inputs.find((input) => FITS[input.name]?.test(file.type)) ?? inputs.find((input) => input.name === "other_file");
}

export class Pickers {
  constructor(form) {
    this.form = form;
    this.inputs = [...form.querySelectorAll("input[type=file]")];
    for (const input of this.inputs) input.addEventListener("input", () => this.show());
    form.addEventListener("reset", () => setTimeout(() => this.show()));
    if (this.inputs.length) this.takeDrops();
    this.show();
  }

  get bytes() { return this.inputs.flatMap((input) => [...input.files]).reduce((sum, file) => sum + file.size, 0); }

  get tooLarge() { return this.bytes > Number(this.form.dataset.most); }

  show() {
    for (const input of this.inputs) {
      const list = document.getElementById(`${input.id}-chosen`);
      list.replaceChildren(...[...input.files].map((file) => this.entry(input, file)));
      list.hidden = !input.files.length;
    }
    const total = document.getElementById("chosen-total");
    if (!total) return;
    total.textContent = this.bytes ? words("chosen", { n: size(this.bytes) }) : "";
    total.classList.toggle("is-bad", this.tooLarge);
  }

  entry(input, file) {
    const made = document.createElement("li");
    const name = document.createElement("span");
    const remove = document.createElement("button");
    name.textContent = `${file.name} (${size(file.size)})`;
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "×";
    remove.setAttribute("aria-label", words("remove", { n: file.name }));
    remove.addEventListener("click", () => {
      put(input, [...input.files].filter((other) => other !== file));
      input.focus();
    });
    made.append(name, remove);
    return made;
  }

  takeDrops() {
    const ends = () => this.form.classList.remove("is-target");
    this.form.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files") || this.inputs[0].matches(":disabled")) return;
      event.preventDefault();
      this.form.classList.add("is-target");
    });
    this.form.addEventListener("dragleave", (event) => { if (!this.form.contains(event.relatedTarget)) ends(); });
    this.form.addEventListener("drop", (event) => {
      ends();
      if (!event.dataTransfer.files.length || this.inputs[0].matches(":disabled")) return;
      event.preventDefault();
      for (const file of event.dataTransfer.files) {
        const input = inputFor(this.inputs, file);
        if (input) put(input, input.multiple ? [...input.files, file] : [file]);
      }
    });
  }
}
