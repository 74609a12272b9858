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
