// Who leaves a page with a form that was changed and not sent is asked first.
const dirty = new Set();
for (const form of document.querySelectorAll("form[data-guard]")) {
  form.addEventListener("input", () => dirty.add(form));
  form.addEventListener("submit", () => dirty.delete(form));
}
addEventListener("beforeunload", (event) => { if (dirty.size) event.preventDefault(); });
