"""Puts built pages beside those of other versions, so that readers can switch between them.

    python doc/publish.py HTML SITE VERSION [ROOT]

copies HTML, built with DOC_VERSION=VERSION ("dev" or a number), to SITE/VERSION, and lists
all versions in SITE/versions.json, which the switcher reads. SITE/index.html leads to the newest
release. ROOT is the path of SITE on its server, such as /sklearn_set/.
"""

import json
import shutil
import sys
from pathlib import Path

FORWARD = (
    '<!doctype html><meta http-equiv="refresh" content="0; url=./{}/"><title>sklearn_set</title>'
)


def age(version: str) -> tuple[int, ...]:
    """A key to sort versions by: the one in development, then releases from the newest on."""
    return () if version == "dev" else tuple(-int(part) for part in version.split("."))


def publish(html: Path, site: Path, version: str, root: str = "/") -> None:
    target = site / version
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(html, target)
    versions = sorted((page.parent.name for page in site.glob("*/index.html")), key=age)
    newest = next((name for name in versions if name != "dev"), "dev")
    entries = [
        {"name": name, "version": name, "url": f"{root}{name}/", "preferred": name == newest}
        for name in versions
    ]
    (site / "versions.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    (site / "index.html").write_text(FORWARD.format(newest) + "\n", encoding="utf-8")
    (site / ".nojekyll").touch()


if __name__ == "__main__":
    publish(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
