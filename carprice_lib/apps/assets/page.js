// What Gradio leaves to the page: where the answer comes to stand, what the address says, and buttons within an answer.
window.carprice ??= (() => {
  const find = (name) => document.querySelector(name);
  const narrow = () => window.innerWidth < 900;
  let restoring = 0; // answers to back and forward that are still to come

  // A field has changed: the answer is that of another car until it is asked for anew.
  function stale() {
    if (find("#price [role]")) find("#answer").classList.add("stale");
  }

  // An answer or an error is there: bring it into view, and say so to whoever cannot see it.
  function show(state) {
    restoring = state === "push" ? 0 : Math.max(restoring - 1, 0);
    find("#answer").classList.remove("stale");
    const error = find("#problem [role=alert]");
    const target = error ?? find("#price [role]");
    if (!target) return;
    if (!error && !restoring) remember(state); // else the address has moved on from this answer
    const box = target.getBoundingClientRect();
    const hidden = box.top < 0 || box.top > window.innerHeight * 0.75;
    if (narrow() || hidden) {
      target.tabIndex = -1;
      target.focus({ preventScroll: true });
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      target.scrollIntoView({ block: error ? "center" : "start", behavior: calm ? "auto" : "smooth" });
    }
  }

  // The address names the valuation, so that back, forward and a copied address bring it back.
  function remember(state) {
    const link = find("#share");
    const theme = new URLSearchParams(location.search).get("__theme");
    const address = link && link.getAttribute("href") + (theme ? `&__theme=${theme}` : "");
    if (!address || address === location.search) return;
    if (state === "push") history.pushState({}, "", address);
    else history.replaceState({}, "", address);
  }

  // Another language: the page says so to browsers and screen readers, and the address keeps it.
  function speak(language) {
    document.documentElement.lang = language;
    const query = new URLSearchParams(location.search);
    query.set("lang", language);
    history.replaceState({}, "", `?${query}`);
  }

  // Lead to a field of the form, which may be folded away.
  function open(name) {
    const attributes = find("#shown textarea, #shown input")?.value.split("\n") ?? [];
    const field = find(`#field-${name}`) ?? find(`#part-${attributes.indexOf(name)}`);
    const fold = find(`${attributes.includes(name) ? "#beyond" : "#more"} button.label-wrap`);
    if (!field?.offsetParent && fold && !fold.classList.contains("open")) fold.click();
    setTimeout(() => {
      const place = find(`#field-${name}`) ?? find(`#part-${attributes.indexOf(name)}`);
      place?.scrollIntoView({ block: "center" });
      place?.querySelector("input, textarea")?.focus();
    }, 150);
  }

  document.addEventListener("input", (event) => {
    if (event.target.closest("#form")) stale();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
    const leads = event.target.closest("[data-open]");
    if (leads) open(leads.dataset.open);
  });
  window.addEventListener("popstate", () => {
    restoring += 1;
    find("#restore")?.click();
  });
  return { stale, show, speak };
})();
