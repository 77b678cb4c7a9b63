// Where a command names the wheel by a path that only shows its form, name the one beside these pages: it can then be copied.
(() => {
  const download = new URL("../download/", document.currentScript.src).href;
  const texts = document.createTreeWalker(document.querySelector(".md-content"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.parentElement.closest("pre")) text.data = text.data.replaceAll("file:///path/to/", download);
  }
})();
