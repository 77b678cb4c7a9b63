"""What MkDocs does beside its own work: pages that lie outside of docs/, links out of it, markers, diagrams.

The pages are written for whoever reads them in a clone or on a forge, where each link leads to a file. On the site the
same link leads to the page made of that file or, where there is none, to a copy of it under repository/.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

# Files of the repository that are pages of the site.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "MODEL_CARD.md": "model-card.md",
    "THIRD_PARTY.md": "third-party.md",
    "README.md": "index.md",
}
MERMAID = ROOT / "build" / "mermaid" / "mermaid.min.js"  # scripts/fetch_mermaid.py
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_NOT_RUN = re.compile(r"^<!-- (?:not run|nothing here is run): (.*?) -->$", re.MULTILINE)
_DIAGRAM = re.compile(r"^```mermaid$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/, and the files that any page links to."""
    for name, uri in PAGES.items():
        if uri != "index.md":
            files.append(File.generated(config, uri, content=(ROOT / name).read_text("utf-8")))
    for name in sorted(_linked(files)):
        files.append(File.generated(config, _copy_of(name), abs_src_path=str(ROOT / name)))
    if MERMAID.is_file():
        files.append(File.generated(config, "javascripts/mermaid.min.js", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links, show what the tests do not run, and draw diagrams where the script is there."""
    uri = page.file.src_uri
    markdown = _LINK.sub(lambda found: found[1] + _turned(found[2], uri, files) + found[3], markdown)
    markdown = _NOT_RUN.sub(r'<p class="not-run">Not run by the tests: \1.</p>\n', markdown)
    if not _DIAGRAM.search(markdown):
        return markdown
    if not MERMAID.is_file():
        return _DIAGRAM.sub("```text", markdown)
    script = posixpath.relpath("javascripts/mermaid.min.js", posixpath.dirname(uri) or ".")
    return f'{markdown}\n\n<script src="{script}"></script>\n'


def _source_of(uri: str) -> str:
    """Where in the repository a page of the site comes from."""
    return next((name for name, page in PAGES.items() if page == uri and uri != "index.md"), f"docs/{uri}")


def _target(link: str, uri: str) -> str | None:
    """The file of the repository that a link leads to; None of links to elsewhere and within the page."""
    if re.match(r"[a-z]+:", link) or link.startswith("#"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(_source_of(uri)), link.partition("#")[0]))


def _copy_of(name: str) -> str:
    # A page of Markdown is copied as a text: it is no page of the site.
    return f"repository/{name}.txt" if name.endswith(".md") else f"repository/{name}"


def _linked(files: Files) -> set[str]:
    """Files outside of docs/ that pages link to."""
    found = set()
    for file in files.documentation_pages():
        for link in _LINK.findall(file.content_string):
            name = _target(link[1], file.src_uri)
            if name and not name.startswith("docs/") and name not in PAGES and (ROOT / name).is_file():
                found.add(name)
    return found


def _turned(link: str, uri: str, files: Files) -> str:
    name = _target(link, uri)
    if name is None:
        return link
    anchor = link[link.index("#") :] if "#" in link else ""
    if name in PAGES:
        target = PAGES[name]
        anchor = "" if name == "README.md" else anchor  # its headings are not those of the site's first page
    elif name.startswith("docs/"):
        target = name.removeprefix("docs/")
    else:
        target = _copy_of(name)
    return posixpath.relpath(target, posixpath.dirname(uri) or ".") + anchor
