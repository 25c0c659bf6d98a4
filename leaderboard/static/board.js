"use strict";
// Sorting of the rankings. Without this script the page is complete, in the order of its ranks.
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

  const text = (cell) => (cell.querySelector("bdi") ?? cell).textContent.trim().replace(/^\u2013$/, "").replace(/^>/, "");
  const figure = (row, column) => row.cells[column].dataset.sort ?? text(row.cells[column]);
  const compare = (column, descends) => (one, other) => {
    const [a, b] = [figure(one, column), figure(other, column)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last, either way
    const order = heads[column].classList.contains("figure") ? a - b : collator.compare(a, b);
    return descends ? -order : order;
  };

  const sort = (column, descends) => {
    const asPublished = column === 0 && !descends;
    const rows = asPublished ? published : [...entries].sort(compare(column, descends));
    for (const line of lines) line.hidden = !asPublished; // the prize line says nothing among names or dates
    body.append(...rows, ...(asPublished ? [] : lines));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descends ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    choice.value = String(column);
    const way = descends ? "descending" : "ascending";
    status.textContent = asPublished ? "" : `Sorted by ${heads[column].textContent}, ${way}.`;
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
  const label = document.createElement("label"); // on a narrow screen rows are cards and have no headings
  label.className = "sorting";
  label.append("Sort by ", choice);
  table.parentElement.before(label, status);
}
