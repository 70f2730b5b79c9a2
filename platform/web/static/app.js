// What pages gain where JavaScript runs; without it each of them works the same.
import "./errors.js";
import "./guard.js";
import "./refresh.js";

// On a narrow screen the menu is closed at first; without JavaScript it is open.
const menu = document.querySelector("[data-menu]");
const narrow = matchMedia("(max-width: 61.99rem)");
const fold = () => { if (menu) menu.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
