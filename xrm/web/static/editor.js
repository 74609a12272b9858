// Texts with a layout, colours and icons in forms: buttons that put marks around what is selected, previews, pickers.
(() => {
  const MARKS = {
    markdown: { bold: ["**", "**"], italic: ["*", "*"], heading: ["## ", ""], list: ["- ", ""], link: ["[", "](https://)"] },
    rich_text: { bold: ["<strong>", "</strong>"], italic: ["<em>", "</em>"], heading: ["<h3>", "</h3>"], list: ["<ul>\n<li>", "</li>\n</ul>"], link: ['<a href="https://">', "</a>"] },
  };
  const put = (editor, name) => {
    const area = editor.querySelector("textarea");
    const [before, after] = MARKS[editor.dataset.editor][name];
    const { selectionStart: from, selectionEnd: to } = area;
    area.setRangeText(before + area.value.slice(from, to) + after, from, to, "preserve");
    area.setSelectionRange(from + before.length, to + before.length);
    area.focus();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const preview = async (button) => {
    const editor = button.closest(".editor");
    const shown = editor.querySelector(".editor-preview");
    const open = shown.hidden;
    button.setAttribute("aria-expanded", String(open));
    if (!open) { shown.hidden = true; return; }
    const body = new URLSearchParams({ kind: editor.dataset.editor, text: editor.querySelector("textarea").value });
    const headers = { "x-csrf-token": document.querySelector("meta[name=csrf]").content };
    const answer = await fetch("/preview", { method: "POST", body, headers });
    if (answer.ok) shown.innerHTML = await answer.text();  // cleaned by the server
    else shown.textContent = "The preview cannot be made.";
    shown.hidden = false;
  };
  document.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-mark]");
    if (mark) put(mark.closest(".editor"), mark.dataset.mark);
    const eye = event.target.closest("[data-preview]");
    if (eye) preview(eye);
  });
  document.addEventListener("keydown", (event) => {
    const editor = event.target.closest?.(".editor");
    const name = { b: "bold", i: "italic", k: "link" }[event.key];
    if (!editor || !name || !event.target.matches("textarea") || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    put(editor, name);
  }, true);
  // --- dependent choices: offer what fits when the other field changes
  const offer = (place, value) => {
    const fits = JSON.parse(place.dataset.choices).filter((choice) => !choice.when.length || !value || choice.when.includes(value));
    if (place.matches("select")) {
      const chosen = fits.some((choice) => choice.name === place.value) ? place.value : "";
      place.replaceChildren(new Option("", ""), ...fits.map((choice) => new Option(choice.title, choice.name, false, choice.name === chosen)));
      place.value = chosen;
      place.dispatchEvent(new Event("change", { bubbles: true }));
      return;
    }
    const name = place.closest("fieldset").id.slice(2);
    const held = new Set([...place.querySelectorAll("input:checked")].map((box) => box.value));
    place.replaceChildren(...fits.map((choice) => {
      const label = Object.assign(document.createElement("label"), { className: "check-pill" });
      const box = Object.assign(document.createElement("input"), { className: "form-check-input", type: "checkbox", name, value: choice.name, checked: held.has(choice.name) });
      label.append(box, ` ${choice.title}`);
      return label;
    }));
  };
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.form || !field.name || !field.matches("select")) return;
    for (const place of field.form.querySelectorAll(`[data-depends="${field.name}"]`)) offer(place, field.value);
  });
  document.addEventListener("input", (event) => {
    const picker = event.target;
    if (picker.dataset?.colourOf) document.getElementById(picker.dataset.colourOf).value = picker.value;
    if (!picker.id) return;
    const colour = document.querySelector(`[data-colour-of="${picker.id}"]`);
    if (colour && /^#[0-9a-f]{6}$/i.test(picker.value)) colour.value = picker.value;
    const icon = document.querySelector(`[data-icon-of="${picker.id}"]`);
    if (icon && /^[a-z0-9-]*$/.test(picker.value)) icon.className = `bi bi-${picker.value || "question"}`;
  });
})();
