"""A newcomer who knows nothing but words does three tasks in both languages: clicks, dead ends, the shortest way."""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from lilong.cli.demo.proof import recompute_charge, verify_record
from lilong.cli.demo.stage import Stage
from tests.browsing import CHROMIUM, CHROMIUM_ARGUMENTS, NARROW, WIDE, Look
from tests.hub import running_hub
from tests.newcomer import TERMS, Walk, format_table, walk_in

LOOKS = (Look("en", "light", WIDE), Look("zh-hans", "dark", NARROW))


def main() -> None:
    """Print a line for each task and language, every dead end, and what the two programs said of the receipts."""
    chromium = shutil.which(CHROMIUM)
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    walks: dict[str, list[Walk]] = {}
    verdicts: list[str] = []
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        home = Path(root) / "hub"
        with running_hub(home) as hub, Stage(hub=hub, terms=TERMS) as stage:
            stage.set_up()
            browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
            for look in LOOKS:
                folder = Path(root) / str(look)
                folder.mkdir()
                context = look.open(browser, url=hub.url)
                walks[str(look)] = walk_in(
                    context.new_page(),
                    url=hub.url,
                    language=look.language,
                    mails=home / "mail",
                    folder=folder,
                    address=f"newcomer-{look}@example.org",
                )
                context.close()
                verdicts += [recompute_charge(folder).sentence, verify_record(folder).sentence]
            browser.close()
    print(format_table(walks))
    for walk in (each for done in walks.values() for each in done):
        for dead_end in walk.dead_ends:
            print(f"dead end, {walk.task.name}: {dead_end}")
    print(*verdicts, sep="\n")


if __name__ == "__main__":
    main()
