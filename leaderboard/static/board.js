"use strict";
// Sorting and filtering of the rankings. Without this script the page is complete, in the order of its ranks.
for (const table of document.querySelectorAll("table.board")) {
  const body = table.tBodies[0];
  const published = [...body.rows];
  const lines = published.filter((row) => row.classList.contains("line"));
  const entries = published.filter((row) => !row.classList.contains("line"));
  const heads = [...table.tHead.rows[0].cells];
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const status = document.createElement("p");
  status.className = "sorted";
  status.setAttribute("role", "status");
  const choice = document.createElement("select");
  const filter = document.createElement("input");
  // On a narrow screen rows are cards, and some browsers forget then that they are a table.
  table.setAttribute("role", "table");
  for (const group of [table.tHead, body]) group.setAttribute("role", "rowgroup");
  for (const row of table.rows) row.setAttribute("role", "row");
  for (const cell of table.querySelectorAll("td")) cell.setAttribute("role", "cell");
  for (const head of table.querySelectorAll("th")) head.setAttribute("role", head.scope === "col" ? "columnheader" : "rowheader");

  const text = (cell) => (cell.querySelector("a, strong") ?? cell.firstChild ?? cell).textContent.trim().replace(/^\u2013$/, "").replace(/^>/, "");
  const figure = (row, column) => row.cells[column].dataset.sort ?? text(row.cells[column]);
  const compare = (column, descends) => (one, other) => {
    const [a, b] = [figure(one, column), figure(other, column)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last, either way
    const order = heads[column].classList.contains("figure") ? a - b : collator.compare(a, b);
    return descends ? -order : order;
  };

  const words = entries.map((row) => row.textContent.toLowerCase());
  let asPublished = true;
  const show = () => { // the prize line says nothing among names, dates or a few rows
    const wanted = filter.value.trim().toLowerCase();
    entries.forEach((row, index) => { row.hidden = !words[index].includes(wanted); });
    for (const line of lines) line.hidden = !asPublished || wanted !== "";
    return wanted && `${entries.filter((row) => !row.hidden).length} of ${entries.length} entries are shown.`;
  };

  const sort = (column, descends) => {
    asPublished = column === 0 && !descends;
    const rows = asPublished ? published
      : column === 0 ? [...entries].reverse() : [...entries].sort(compare(column, descends));
    const shown = show();
    body.append(...rows, ...(asPublished ? [] : lines));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descends ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    choice.value = String(column);
    const way = descends ? "descending" : "ascending";
    const order = asPublished ? "" : `Sorted by ${heads[column].textContent}, ${way}.`;
    status.textContent = [order, shown].filter(Boolean).join(" ");
  };

  heads.forEach((head, column) => {
    if (!head.dataset.sorts) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = head.title;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(column, now ? now === "ascending" : head.dataset.sorts === "descending");
    });
    head.replaceChildren(button);
    const option = document.createElement("option");
    option.value = String(column);
    option.textContent = head.textContent;
    choice.append(option);
  });
  choice.addEventListener("change", () => {
    const column = Number(choice.value);
    sort(column, heads[column].dataset.sorts === "descending");
  });
  filter.addEventListener("input", () => { status.textContent = show(); });
  filter.type = "search";
  const sorting = document.createElement("label"); // on a narrow screen there are no headings to press
  sorting.className = "sorting";
  sorting.append("Sort by ", choice);
  const filtering = document.createElement("label");
  filtering.title = "A part of a name, a badge, an origin or a day";
  filtering.append("Filter ", filter);
  const tools = document.createElement("p");
  tools.className = "tools";
  tools.append(filtering, sorting);
  if (entries.length > 1) table.parentElement.before(tools, status);
}
