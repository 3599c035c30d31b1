for (const head of document.querySelectorAll("figure.table thead")) {
  const table = head.closest("table");
  for (const th of head.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending";
      for (const other of head.querySelectorAll("th")) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const at = Number(th.dataset.cell), words = th.dataset.type === "words";
      const key = (row) => row.children[at]?.dataset.key ?? "";
      const order = (a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const d = words ? x.localeCompare(y, undefined, { numeric: true }) : Number(x) - Number(y);
        return down ? -d : d;
      };
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((r) => !r.classList.contains("group"));
        body.append(...rows.sort(order));
      }
    });
  }
}
