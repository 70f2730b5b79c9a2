// The summary of what is wrong in a form takes the focus, and so do the fields that it leads to.
const summary = document.querySelector("[data-error-summary]");
summary?.focus();
summary?.addEventListener("click", (event) => {
  const target = event.target.closest("a") && document.getElementById(event.target.closest("a").hash.slice(1));
  if (!target) return;
  event.preventDefault();
  target.focus({ preventScroll: true });
  (target.closest(".field") ?? target).scrollIntoView();
});
