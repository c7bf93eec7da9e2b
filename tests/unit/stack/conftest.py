"""The survey that the claims were typed from is not part of the project: where it is absent, nothing is compared."""

import os

collect_ignore = [] if os.environ.get("LILONG_TEST_FACTS") else ["test_survey.py"]
