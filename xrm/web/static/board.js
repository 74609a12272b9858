// The board: dragging and its keyboard twin. Both press the button of the card's own menu, so what is allowed is said once.
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const say = (text) => window.xrm?.say(text);

  const way = (card, lane) => $(`.card-menu [data-target="${CSS.escape(lane)}"]`, card);
  const laneTitle = (lane) => $("h2", lane).firstChild.textContent.trim();

  // One card on its way: where it came from, so that it can be put back.
  let moving = null;
  const putBack = (why) => {
    if (!moving) return;
    const { card, from, next } = moving;
    moving = null;
    if (card.isConnected) from.insertBefore(card, next);
    card.classList.remove("card-moving");
    if (why) say(why);
  };

  const move = (card, lane, from, next) => {
    const title = card.dataset.title;
    const button = way(card, lane.dataset.lane);
    moving = { card, from, next };
    if (!button) { putBack(`${title} cannot be moved to ${laneTitle(lane)}.`); flash(card, `It cannot be moved to ${laneTitle(lane)} from here.`); return; }
    if ("asks" in button.dataset) putBack("");
    else card.classList.add("card-moving");
    button.click();
  };
  const flash = (card, text) => {
    const note = document.createElement("p");
    note.className = "card-note";
    note.textContent = text;
    card.append(note);
    setTimeout(() => note.remove(), 3500);
  };

  const ready = () => {
    const board = $("#board");
    if (!board || board.dataset.ready || !window.Sortable) return;
    board.dataset.ready = "1";
    for (const cards of $$("[data-cards]", board)) {
      window.Sortable.create(cards, {
        group: "cards", animation: 120, delay: 250, delayOnTouchOnly: true, touchStartThreshold: 6, filter: ".menu, .menu *",
        preventOnFilter: false, ghostClass: "card-ghost", draggable: ".card-box", scrollSensitivity: 60, bubbleScroll: true,
        onStart: (event) => { moving = { card: event.item, from: event.from, next: event.item.nextElementSibling }; board.classList.add("dragging"); offer(event.item); },
        onEnd: (event) => {
          board.classList.remove("dragging");
          for (const lane of $$(".lane", board)) lane.classList.remove("lane-open", "lane-shut");
          const start = moving;
          if (!start || event.to === event.from) { if (start) putBack(""); return; }
          move(event.item, event.to.closest(".lane"), start.from, start.next);
        },
      });
    }
  };
  const offer = (card) => {
    for (const lane of $$(".lane")) {
      if (lane.contains(card)) continue;
      lane.classList.add(way(card, lane.dataset.lane) ? "lane-open" : "lane-shut");
    }
  };

  // --- keyboard: arrows go from card to card, Shift+arrows move the card, M opens its menu
  const lanes = () => $$("#board .lane");
  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-card]");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const card = link.closest(".card-box");
    const lane = link.closest(".lane");
    const here = $$("[data-card]", lane);
    const index = here.indexOf(link);
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "m" || event.key === "M") { const menu = $(".card-menu", card); if (menu) { menu.open = true; $(".menu-list a, .menu-list button", menu)?.focus(); } }
    else if (event.key === "ArrowDown") here[index + 1]?.focus();
    else if (event.key === "ArrowUp") here[index - 1]?.focus();
    else if (side && event.shiftKey) shift(card, lane, side);
    else if (side) stroll(lane, side, index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const stroll = (lane, side, index) => {
    const all = lanes();
    for (let n = all.indexOf(lane) + side; all[n]; n += side) {
      const cards = $$("[data-card]", all[n]);
      if (cards.length) { cards[Math.min(index, cards.length - 1)].focus(); return; }
    }
  };
  const shift = (card, lane, side) => {
    const all = lanes();
    for (let n = all.indexOf(lane) + side; all[n]; n += side) {
      if (!way(card, all[n].dataset.lane)) continue;
      const from = card.parentElement;
      move(card, all[n], from, card.nextElementSibling);
      return;
    }
    say(`${card.dataset.title} cannot be moved ${side > 0 ? "to the right" : "to the left"}.`);
    flash(card, `It cannot be moved ${side > 0 ? "right" : "left"} from here.`);
  };

  // --- answers
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx?.response?.status ?? 0;
    if (moving && status >= 400) putBack("It was not moved.");
  });
  document.addEventListener("htmx:error", () => putBack("It was not moved."));
  document.addEventListener("htmx:after:swap", () => { if ($("#board") && !$("#board").dataset.ready) moving = null; ready(); });
  ready();
})();
