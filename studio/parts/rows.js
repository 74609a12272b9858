/* Rows to fill in. A value is sent when its input is left or Enter is pressed; a row without a name is not sent yet. */

const escape = (text) => {
  const span = document.createElement("span")
  span.textContent = text ?? ""
  return span.innerHTML.replaceAll('"', "&quot;")
}

const slug = (text) =>
  text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replaceAll("ß", "ss").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[_0-9]+|_+$/g, "").slice(0, 40)

const cell = (column, row, number) => {
  const value = row[column.key] ?? ""
  const name = `aria-label="${escape(column.title)}, row ${number + 1}" data-key="${escape(column.key)}"`
  if (column.options) {
    const options = column.options.map(([id, title]) => `<option value="${escape(id)}"${id === value ? " selected" : ""}>${escape(title)}</option>`)
    return `<select ${name} class="xs-input${column.key === "color" ? ` xs-color xs-color-${escape(value)}` : ""}">${options.join("")}</select>`
  }
  const locked = column.key === "name" && row._fixed ? ' readonly title="Records hold this value, so its name stays"' : ""
  return `<input ${name} class="xs-input" value="${escape(String(value))}" placeholder="${escape(column.placeholder ?? "")}" ${column.number ? 'inputmode="numeric"' : ""}${locked}>`
}

const line = (columns, row, number, last) => `
  <tr data-number="${number}">
    ${columns.map((column) => `<td>${cell(column, row, number)}</td>`).join("")}
    <td class="xs-tools">
      <button type="button" data-do="up" aria-label="Move row ${number + 1} up"${number === 0 ? " disabled" : ""}><i class="bi bi-chevron-up" aria-hidden="true"></i></button>
      <button type="button" data-do="down" aria-label="Move row ${number + 1} down"${last ? " disabled" : ""}><i class="bi bi-chevron-down" aria-hidden="true"></i></button>
      <button type="button" data-do="remove" aria-label="Remove row ${number + 1}"><i class="bi bi-x-lg" aria-hidden="true"></i></button>
    </td>
  </tr>`

export default function (component) {
  const { parentElement: root, data, setTriggerValue } = component
  const waiting = (root._waiting ?? []).filter((row) => !row.name)
  let rows = [...data.rows.map((row) => ({ ...row })), ...waiting]
  const said = JSON.stringify(data.rows)

  const send = () => {
    root._waiting = rows.filter((row) => !row.name)
    const named = rows.filter((row) => row.name)
    if (JSON.stringify(named) !== said) setTriggerValue("rows", named)
  }

  const draw = (focus) => {
    const active = root.contains(document.activeElement) ? document.activeElement : null
    const at = focus ?? (active?.closest("tr") ? [active.closest("tr").dataset.number, active.dataset.key, active.dataset.do] : null)
    const head = data.columns.map((column) => `<th scope="col"${column.width ? ` style="width:${column.width}"` : ""}>${escape(column.title)}</th>`).join("")
    root.innerHTML = `<div class="xs-scroll"><table class="xs-table" aria-label="${escape(data.label)}"><thead><tr>${head}<th class="xs-tools"><span class="xs-hidden">Tools</span></th></tr></thead><tbody>${rows.map((row, number) => line(data.columns, row, number, number === rows.length - 1)).join("")}</tbody></table></div>
      <button type="button" class="xs-add"><i class="bi bi-plus-lg" aria-hidden="true"></i> ${escape(data.add)}</button>`
    if (at) {
      const owner = root.querySelector(`tr[data-number="${at[0]}"]`)
      owner?.querySelector(at[1] ? `[data-key="${at[1]}"]` : `[data-do="${at[2]}"]`)?.focus()
    }
    root.querySelector(".xs-add").onclick = () => {
      rows.push({})
      draw([rows.length - 1, data.columns[0].key])
    }
    const body = root.querySelector("tbody")
    body.onchange = (event) => {
      const row = rows[Number(event.target.closest("tr").dataset.number)]
      const key = event.target.dataset.key
      row[key] = event.target.value.trim()
      if (key === "title" && !row.name && row.title) {
        row.name = slug(row.title)
        const twins = rows.filter((other) => other.name === row.name).length
        if (twins > 1) row.name = `${row.name}_${twins}`
      }
      send()
    }
    body.onkeydown = (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return
      event.preventDefault()
      const number = Number(event.target.closest("tr").dataset.number)
      const key = event.target.dataset.key
      event.target.blur()
      if (number === rows.length - 1) rows.push({})
      draw([number + 1, key])
    }
    body.onclick = (event) => {
      const button = event.target.closest("button[data-do]")
      if (!button) return
      const number = Number(button.closest("tr").dataset.number)
      const by = { up: -1, down: 1 }[button.dataset.do]
      const [row] = rows.splice(number, 1)
      if (by) rows.splice(number + by, 0, row)
      draw(by ? [number + by, null, button.dataset.do] : null)
      send()
    }
  }
  draw()
}
