// The table of groups is whole without this; here its columns learn to sort, and its rows to be filtered.
for (const box of document.querySelectorAll("[data-sortable]")) {
  const body = box.querySelector("tbody");
  const rows = [...body.rows];
  const heads = [...box.querySelectorAll("thead th")];
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent;
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => value(a, i).localeCompare(value(b, i), "en", { numeric: true });
      const numbers = (a, b) => Number(value(a, i)) - Number(value(b, i));
      rows.sort(rows.every((row) => !isNaN(value(row, i))) ? numbers : order);
      body.append(...(down ? rows.reverse() : rows));
    });
  });
  const kind = box.querySelector("select");
  const words = box.querySelector("input");
  const left = box.querySelector("output");
  const filter = () => {
    const sought = words.value.trim().toLowerCase();
    for (const row of rows) {
      const fits = !kind.value || row.cells[0].textContent === kind.value;
      row.hidden = !fits || !row.textContent.toLowerCase().includes(sought);
    }
    left.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  [kind, words].forEach((control) => control.addEventListener("input", filter));
  box.querySelector(".controls").hidden = false;
  filter();
}
