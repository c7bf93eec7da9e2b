"""Management commands that answer with one JSON document; `lilong` starts them as child processes and finds the words.

What they refuse is raised, and `web/manage.py` prints it as a problem document.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from lilong.common.django.tables import require_tables


class HubCommand(BaseCommand, ABC):
    """Prints what `answer` returns. `needs_tables`: whether the hub has to be made before."""

    needs_tables = True

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - what the parser made
        """Print the answer as one document on standard output."""
        if self.needs_tables:
            require_tables()
        self.stdout.write(json.dumps(self.answer(**options), ensure_ascii=False))

    @abstractmethod
    def answer(self, *args: Any, **options: Any) -> Mapping[str, object]:  # noqa: ANN401 - what the parser made
        """Do it and return what there is to say."""
