// Relation inputs: suggestions while one types, chosen by keyboard or pointer (ARIA combobox with a list box).
// Without this the typed text is looked up when the form is sent.
(() => {
  const $ = (selector, from) => from.querySelector(selector);
  let number = 0;

  const enhance = (box) => {
    if (box.dataset.ready) return;
    box.dataset.ready = "1";
    const text = $(".combobox-text", box);
    const id = $(".combobox-id", box);
    const was = $(".combobox-was", box);
    const entity = $(".combobox-entity", box);
    const clear = $(".combobox-clear", box);
    const list = document.createElement("ul");
    list.className = "combobox-list";
    list.role = "listbox";
    list.id = `combobox-${++number}`;
    list.hidden = true;
    list.setAttribute("aria-label", "Suggestions");
    text.after(list);
    text.role = "combobox";
    text.setAttribute("aria-autocomplete", "list");
    text.setAttribute("aria-controls", list.id);
    text.setAttribute("aria-expanded", "false");
    let at = -1;
    let asked = 0;
    let waiting;

    const target = () => entity?.value || box.dataset.combobox;
    const options = () => [...list.querySelectorAll("[role=option][data-id]")];
    const show = (open) => { list.hidden = !open; text.setAttribute("aria-expanded", String(open)); if (!open) mark(-1); };
    const mark = (index) => {
      at = index;
      options().forEach((option, n) => { option.id = `${list.id}-${n}`; option.ariaSelected = String(n === at); option.classList.toggle("active", n === at); });
      if (at >= 0 && options()[at]) { text.setAttribute("aria-activedescendant", options()[at].id); options()[at].scrollIntoView({ block: "nearest" }); }
      else text.removeAttribute("aria-activedescendant");
    };
    const take = (option) => {
      if (box.dataset.facet) { addFacet(box, option.dataset.id, option.dataset.label); text.value = ""; show(false); return; }
      if (box.dataset.many) { addLink(box, option.dataset.id, option.dataset.label); text.value = ""; show(false); return; }
      text.value = was.value = option.dataset.label;
      id.value = option.dataset.id;
      show(false);
      text.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const search = async () => {
      const mine = ++asked;
      if (!target()) return;
      try {
        const answer = await fetch(`/e/${encodeURIComponent(target())}/lookup?q=${encodeURIComponent(text.value.trim())}`, { headers: { "HX-Request": "true" } });
        if (!answer.ok || mine !== asked || document.activeElement !== text) return;
        list.innerHTML = await answer.text();
        show(true);
        mark(options().length && text.value.trim() ? 0 : -1);
      } catch { show(false); }
    };
    const later = () => { clearTimeout(waiting); waiting = setTimeout(search, 150); };

    text.addEventListener("input", (event) => { if (id) id.value = ""; event.stopPropagation(); text.form?.dispatchEvent(new Event("input")); later(); });
    text.addEventListener("focus", () => text.select());
    text.addEventListener("click", () => { if (list.hidden) search(); });
    text.addEventListener("blur", () => { setTimeout(() => show(false), 120); });
    if (box.dataset.facet) text.addEventListener("change", (event) => event.stopPropagation());
    text.addEventListener("keydown", (event) => {
      const open = !list.hidden;
      if (event.key === "ArrowDown") { if (open) mark(Math.min(at + 1, options().length - 1)); else search(); }
      else if (event.key === "ArrowUp" && open) mark(Math.max(at - 1, 0));
      else if (event.key === "Enter" && open && options()[at]) take(options()[at]);
      else if (event.key === "Enter" && open && text.value.trim()) show(false);
      else if (event.key === "Escape" && open) show(false);
      else if (event.key === "Tab" && open && options()[at] && text.value.trim() && id && !id.value) { take(options()[at]); return; }
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    list.addEventListener("pointerdown", (event) => { event.preventDefault(); const option = event.target.closest("[data-id]"); if (option) take(option); });
    clear?.addEventListener("click", () => { text.value = ""; if (id) { id.value = was.value = ""; } text.focus(); text.dispatchEvent(new Event("change", { bubbles: true })); });
    entity?.addEventListener("change", () => { text.value = id.value = was.value = ""; });
  };

  const addLink = (box, id, label) => {
    const set = box.parentElement.querySelector("[data-links]");
    const known = set.querySelector(`input[value="${CSS.escape(id)}"]`);
    if (known) known.checked = true;
    else {
      const pill = document.createElement("label");
      pill.className = "check-pill";
      const input = document.createElement("input");
      Object.assign(input, { type: "checkbox", className: "form-check-input", name: box.dataset.many, value: id, checked: true });
      pill.append(input, ` ${label}`);
      set.append(pill);
    }
    set.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const addFacet = (box, id, label) => {
    const set = box.closest(".facet-panel").querySelector("fieldset");
    const known = set.querySelector(`input[value="${CSS.escape(id)}"]`);
    if (known) known.checked = true;
    else {
      const option = document.createElement("label");
      option.className = "facet-option";
      const input = document.createElement("input");
      Object.assign(input, { type: "checkbox", className: "form-check-input", name: box.dataset.facet, value: id, checked: true });
      const span = document.createElement("span");
      span.textContent = label;
      option.append(input, span);
      set.append(option);
    }
    set.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const all = (from = document) => from.querySelectorAll("[data-combobox]").forEach(enhance);
  all();
  document.addEventListener("htmx:after:swap", () => all());
})();
