// What every page does besides being read: menus, dialogs, keys, selections, notices. Without it the pages still work.
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");

  const say = (text) => { const live = $("#live"); if (live) { live.textContent = ""; setTimeout(() => { live.textContent = text; }, 30); } };
  window.xrm = { say };

  // --- menus: details that close like menus
  document.addEventListener("click", (event) => {
    for (const menu of $$("details.menu[open]")) {
      const inside = menu.contains(event.target);
      if (!inside || event.target.closest("[data-close-menu], .menu-list a:not(.stay)")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = event.target.closest?.("details.menu[open]") || $("details.menu[open]");
    if (menu) { menu.open = false; $("summary", menu).focus(); event.preventDefault(); event.stopPropagation(); }
  });
  document.addEventListener("keydown", (event) => {
    const list = event.target.closest?.("details.menu[open] .menu-list, details.menu[open] > summary");
    if (!list || !["ArrowDown", "ArrowUp"].includes(event.key) || event.target.closest(".combobox")) return;
    const menu = event.target.closest("details.menu");
    const stops = $$(".menu-list a, .menu-list button, .menu-list input", menu).filter((e) => e.offsetParent !== null);
    const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    stops[(next + stops.length) % stops.length]?.focus();
    event.preventDefault();
  });
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!(menu instanceof HTMLElement) || !menu.matches("details.menu") || !menu.open) return;
    for (const other of $$("details.menu[open]")) if (other !== menu && !other.contains(menu)) other.open = false;
    place(menu);
  }, true);
  const place = (menu) => {
    const list = $(".menu-list", menu);
    if (!list || list.classList.contains("menu-end")) return;
    list.classList.remove("flip");
    list.classList.toggle("flip", list.getBoundingClientRect().right > innerWidth - 8);
  };
  $$("details.menu[open]").forEach(place);

  // --- the dialog: filled by htmx, shown when there is something in it
  const dialog = $("#dialog");
  let opener = null;
  const settle = () => {
    if (!dialog) return;
    if (dialog.childElementCount && !dialog.open) {
      opener = document.activeElement;
      dialog.showModal();
    } else if (!dialog.childElementCount && dialog.open) dialog.close();
    if (dialog.open) ($(".error-summary, [aria-invalid=true]", dialog) || $("[autofocus], .form-control, .form-select, .combobox-text", dialog) || $("button", dialog))?.focus();
  };
  document.addEventListener("htmx:after:swap", settle);
  dialog?.addEventListener("close", () => { dialog.replaceChildren(); opener?.isConnected && opener.focus(); opener = null; });
  document.addEventListener("click", (event) => {
    if (event.target.closest("dialog [data-close]")) { event.preventDefault(); event.target.closest("dialog").close(); }
    if (event.target instanceof HTMLDialogElement) event.target.close();
    if (event.target.closest("[data-dismiss]")) event.target.closest(".alert")?.remove();
    if (event.target.closest("[data-back]")) history.back();
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard.writeText($(copy.dataset.copy).textContent).then(() => say("Copied"));
  });

  // --- htmx: what went wrong without an answer
  document.addEventListener("htmx:error", () => {
    const box = $("#problems");
    if (!box || $(".toast-offline", box)) return;
    const note = document.createElement("div");
    note.className = "toast-box toast-offline alert alert-danger";
    note.textContent = "The site cannot be reached. Check your connection, then try again.";
    box.append(note);
    setTimeout(() => note.remove(), 8000);
  });

  // --- forms: saved by Ctrl+S, not left by accident
  let dirty = false;
  const guarded = () => $("form[data-guard]");
  const snapshot = (form) => new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "_csrf").map(([name, value]) => [name, value instanceof File ? value.name : value])).toString();
  const form = guarded();
  if (form) {
    const before = $(".error-summary") ? "" : snapshot(form);
    const look = () => { dirty = snapshot(form) !== before; };
    form.addEventListener("input", look);
    form.addEventListener("change", look);
    form.addEventListener("submit", () => { dirty = false; });
    addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  }
  $(".error-summary")?.focus();

  // --- keys
  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "s") {
      const saved = $("dialog[open] form[data-save]") || $("form[data-save]");
      if (saved) { event.preventDefault(); saved.requestSubmit($("[type=submit]", saved)); }
    } else if (command && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
    } else if (!command && !event.altKey && !typing(event.target) && !$("dialog[open]")) {
      if (event.key === "/") { const box = $("#global-search"); if (box) { event.preventDefault(); box.focus(); box.select(); } }
      else if (/^[a-z]$/.test(event.key)) { const target = $(`[data-key="${event.key}"]`); if (target) { event.preventDefault(); target.click(); } }
    }
  });

  // --- selections in lists
  const picked = () => $$('input[name="id"][form="bulk"]');
  const countPicked = () => {
    const count = $("[data-bulk-count]");
    if (!count) return;
    const boxes = picked();
    const number = boxes.filter((box) => box.checked).length;
    count.textContent = String(number);
    const all = $("[data-bulk-all]");
    if (all) { all.checked = number > 0 && number === boxes.length; all.indeterminate = number > 0 && number < boxes.length; }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-bulk-all]")) for (const box of picked()) box.checked = event.target.checked;
    if (event.target.matches('[data-bulk-all], [form="bulk"]')) { countPicked(); event.stopPropagation(); }
    if (event.target.closest(".facet")) markFacet(event.target.closest(".facet"));
  }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-bulk-clear]")) { for (const box of picked()) box.checked = false; countPicked(); }
  });
  const markFacet = (facet) => {
    const mark = $(".facet-mark", facet);
    if (mark) mark.hidden = !$$("input, textarea", facet).some((e) => (e.type === "checkbox" ? e.checked : e.value !== ""));
  };
  countPicked();

  // --- filters taken away in the list are taken away in the toolbar
  document.addEventListener("htmx:after:swap", () => { countPicked(); labelTheme(); });

  // --- theme
  const labelTheme = () => { for (const e of $$("[data-theme-name]")) e.textContent = window.xrmTheme?.name ?? ""; };
  document.addEventListener("click", (event) => { if (event.target.closest("[data-theme-switch]")) { window.xrmTheme.next(); labelTheme(); } });
  labelTheme();

  // --- palette
  const palette = $("#palette");
  const input = $("#palette-input");
  const list = $("#palette-list");
  let found = [];
  let at = 0;
  const option = (icon, text, note, run) => {
    const item = document.createElement("li");
    item.role = "option";
    const mark = document.createElement("i");
    mark.className = icon;
    mark.ariaHidden = "true";
    const label = document.createElement("span");
    label.textContent = text;
    const small = document.createElement("small");
    small.textContent = note;
    item.append(mark, label, small);
    item._run = run;
    return item;
  };
  const fromLink = (link, note, prefix = "") => option(
    $("i", link)?.className || "bi bi-arrow-right-short", prefix + link.textContent.trim(), note,
    () => (link.matches("a") && !link.hasAttribute("hx-get") ? location.assign(link.href) : (palette.close(), link.click())),
  );
  const commands = () => [
    ...$$("main [data-command]").map((e) => fromLink(e, "here")),
    ...$$("#sidebar a").map((e) => fromLink(e, "go to")),
    ...$$(".topbar .menu:has(.btn-new) .menu-list a").map((e) => fromLink(e, "create", "New ")),
    ...$$(".topbar .menu-list [href='/account']").map((e) => fromLink(e, "go to")),
    option("bi bi-circle-half", "Switch theme", "display", () => { window.xrmTheme.next(); labelTheme(); palette.close(); }),
  ];
  const choose = (index) => {
    const options = $$("[role=option]", list);
    at = Math.max(0, Math.min(index, options.length - 1));
    options.forEach((item, n) => {
      item.id = `palette-${n}`;
      item.ariaSelected = String(n === at);
      item.classList.toggle("active", n === at);
    });
    options[at]?.scrollIntoView({ block: "nearest" });
    if (options[at]) input.setAttribute("aria-activedescendant", options[at].id);
    else input.removeAttribute("aria-activedescendant");
  };
  const fits = (text, words) => words.every((word) => text.toLowerCase().includes(word));
  let asked = 0;
  const refresh = async () => {
    const words = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    found = commands().filter((item) => fits(item.textContent, words)).slice(0, words.length ? 8 : 40);
    list.replaceChildren(...found);
    choose(0);
    const number = ++asked;
    if (input.value.trim().length < 2) return;
    try {
      const answer = await fetch(`/search/quick?q=${encodeURIComponent(input.value.trim())}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok || number !== asked) return;
      const holder = document.createElement("template");
      holder.innerHTML = await answer.text();
      for (const item of $$("[role=option]", holder.content)) item._run = () => location.assign(item.dataset.href);
      list.append(...$$("[role=option]", holder.content).map((item) => { item._run = () => location.assign(item.dataset.href); return item; }));
      choose(at);
    } catch { /* the commands are there without the records */ }
  };
  const openPalette = () => {
    if (!palette) return;
    if (palette.open) { palette.close(); return; }
    input.value = "";
    palette.showModal();
    refresh();
  };
  let waiting = 0;
  const now = () => { clearTimeout(waiting); waiting = 0; refresh(); };
  input?.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(now, 120); });
  input?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(at + 1);
    else if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "Enter") { if (waiting) now(); $$("[role=option]", list)[at]?._run?.(); }
    else return;
    event.preventDefault();
  });
  list?.addEventListener("click", (event) => event.target.closest("[role=option]")?._run?.());
  document.addEventListener("click", (event) => { if (event.target.closest("[data-palette]")) openPalette(); });
})();
