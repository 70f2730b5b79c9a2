// Live regions: fetch the page again, take the region out of it, and say when. Nothing is announced unless the region
// asks for it; a region that holds the focus, or a page that nobody looks at, waits.
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

function start(region) {
  const content = region.querySelector("[data-live-content]");
  const told = region.querySelector("[data-live-told]");
  const button = region.querySelector("[data-live-pause]");
  const failed = region.querySelector("[data-live-failed]");
  let paused = false;

  async function refresh() {
    if (paused || document.hidden || content.contains(document.activeElement)) return;
    try {
      // The header tells the server that nobody asked: it does not keep a session awake.
      const answer = await fetch(location.href, { headers: { "Chukan-Refresh": "1" }, signal: AbortSignal.timeout(20000) });
      const fresh = answer.ok && !answer.redirected && parse(await answer.text()).getElementById(region.id);
      if (!fresh) throw new Error("no region");
      const next = fresh.querySelector("[data-live-content]");
      if (next.innerHTML !== content.innerHTML) content.replaceChildren(...next.childNodes);
      told.replaceChildren(...fresh.querySelector("[data-live-told]").childNodes);
      failed.hidden = true;
    } catch {
      failed.hidden = false;
    }
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    refresh();
  });
  setInterval(refresh, Number(region.dataset.live) * 1000);
}

document.querySelectorAll("[data-live]").forEach(start);
