// Light and dark: as the system says, or as chosen here.

const NAMES = { system: "as the system", light: "light", dark: "dark" };

/** Let a button go round system, light and dark; the choice is kept in this browser. */
export function followTheme(button) {
  let now = read();
  show();
  button.onclick = () => {
    const names = Object.keys(NAMES);
    now = names[(names.indexOf(now) + 1) % names.length];
    keep(now);
    show();
  };

  function show() {
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.setAttribute("aria-label", `Colours: ${NAMES[now]}`);
    button.title = `Colours: ${NAMES[now]}`;
    dispatchEvent(new Event("resize"));
  }
}

function read() {
  try {
    const kept = localStorage.getItem("theme");
    return kept in NAMES ? kept : "system";
  } catch {
    return "system"; // a browser that keeps nothing
  }
}

function keep(name) {
  try {
    localStorage.setItem("theme", name);
  } catch {
    // then it holds until the page is closed
  }
}
