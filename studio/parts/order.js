/* A list to choose from and to put in order: by mouse (drag), by buttons, or by Alt with the arrow keys. */

const escape = (text) => {
  const span = document.createElement("span")
  span.textContent = text ?? ""
  return span.innerHTML.replaceAll('"', "&quot;")
}

const row = (item, data) => `
  <li class="xs-row${item.id === data.selected ? " is-selected" : ""}${item.quiet ? " is-quiet" : ""}" data-id="${escape(item.id)}"${item.fixed || !data.movable ? "" : ' draggable="true"'}>
    ${data.movable ? `<span class="xs-grip" aria-hidden="true">${item.fixed ? "" : '<i class="bi bi-grip-vertical"></i>'}</span>` : ""}
    <${data.choosable ? 'button type="button"' : "span"} class="xs-main"${data.choosable ? ` aria-pressed="${item.id === data.selected}"` : ""}>
      ${item.icon ? `<i class="bi bi-${escape(item.icon)} xs-icon" aria-hidden="true"></i>` : ""}
      <span class="xs-text"><span class="xs-title">${escape(item.title)}</span>${item.sub ? `<span class="xs-sub">${escape(item.sub)}</span>` : ""}</span>
      <span class="xs-badges">${(item.badges ?? []).map((b) => `<span class="xs-badge xs-${escape(b.kind)}"${b.help ? ` title="${escape(b.help)}"` : ""}>${escape(b.text)}</span>`).join("")}</span>
    </${data.choosable ? "button" : "span"}>
    ${data.movable && !item.fixed ? `<button type="button" class="xs-move" data-by="-1" aria-label="Move ${escape(item.title)} up"><i class="bi bi-chevron-up" aria-hidden="true"></i></button><button type="button" class="xs-move" data-by="1" aria-label="Move ${escape(item.title)} down"><i class="bi bi-chevron-down" aria-hidden="true"></i></button>` : ""}
    ${data.removable && !item.fixed ? `<button type="button" class="xs-remove" aria-label="Remove ${escape(item.title)}"><i class="bi bi-x-lg" aria-hidden="true"></i></button>` : ""}
  </li>`

const remember = (root) => {
  const focused = root.contains(document.activeElement) ? document.activeElement : null
  const owner = focused?.closest("[data-id]")
  return owner ? [owner.dataset.id, focused.className, focused.dataset.by ?? ""] : null
}

const restore = (root, place) => {
  if (!place) return
  const [id, name, by] = place
  const owner = [...root.querySelectorAll("[data-id]")].find((found) => found.dataset.id === id)
  const target = [...(owner?.querySelectorAll("button") ?? [])].find((b) => b.className === name && (b.dataset.by ?? "") === by)
  ;(target ?? owner?.querySelector("button"))?.focus()
}

// On a phone the panel stands below the list and is drawn a moment after it: follow it until it stands still or
// the visitor scrolls.
const reveal = () => {
  let left = 12
  const follow = () => {
    if (left-- <= 0) return
    document.querySelector("[class*='-panel']")?.scrollIntoView({ block: "start" })
    setTimeout(follow, 250)
  }
  const stop = () => { left = 0 }
  for (const sign of ["touchstart", "wheel", "keydown"]) window.addEventListener(sign, stop, { once: true, passive: true })
  follow()
}

export default function (component) {
  const { parentElement: root, data, setTriggerValue } = component
  const place = remember(root)
  root.innerHTML = `<ul class="xs-list" aria-label="${escape(data.label)}">${data.items.map((item) => row(item, data)).join("")}</ul>`
  restore(root, place)
  if (root._selected !== undefined && data.selected && root._selected !== data.selected && window.innerWidth <= 640) {
    reveal()
  }
  root._selected = data.selected
  const list = root.querySelector(".xs-list")
  const ids = () => [...list.children].map((found) => found.dataset.id)

  const move = (element, by) => {
    const other = by < 0 ? element.previousElementSibling : element.nextElementSibling
    if (!other || !other.draggable) return
    const kept = remember(root)
    by < 0 ? other.before(element) : other.after(element)
    restore(root, kept)
    setTriggerValue("moved", ids())
  }

  list.onclick = (event) => {
    const element = event.target.closest("[data-id]")
    if (!element) return
    const button = event.target.closest("button")
    if (button?.classList.contains("xs-move")) move(element, Number(button.dataset.by))
    else if (button?.classList.contains("xs-remove")) setTriggerValue("removed", element.dataset.id)
    else if (button?.classList.contains("xs-main")) {
      for (const found of list.children) {
        found.classList.toggle("is-selected", found === element)
        found.querySelector(".xs-main")?.setAttribute("aria-pressed", String(found === element))
      }
      setTriggerValue("chosen", element.dataset.id)
    }
  }

  list.onkeydown = (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    const element = event.target.closest("[data-id]")
    if (!by || !element) return
    event.preventDefault()
    if (event.altKey && data.movable) move(element, by)
    else (by < 0 ? element.previousElementSibling : element.nextElementSibling)?.querySelector("button")?.focus()
  }

  let dragged = null
  let before = ""
  list.ondragstart = (event) => {
    dragged = event.target.closest?.("[data-id]")
    before = ids().join()
    dragged?.classList.add("is-dragged")
    event.dataTransfer.effectAllowed = "move"
    event.dataTransfer.setData("text/plain", dragged?.dataset.id ?? "")
  }
  list.ondragover = (event) => {
    const over = event.target.closest?.("[data-id]")
    if (!dragged || !over) return
    event.preventDefault()
    if (over === dragged || !over.draggable) return
    const box = over.getBoundingClientRect()
    event.clientY < box.top + box.height / 2 ? over.before(dragged) : over.after(dragged)
  }
  list.ondragend = () => {
    dragged?.classList.remove("is-dragged")
    dragged = null
    if (ids().join() !== before) setTriggerValue("moved", ids())
  }
}
