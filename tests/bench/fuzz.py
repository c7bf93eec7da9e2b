"""Made-up requests to every operation of the API: `python -m tests.bench.fuzz [REQUESTS-EACH [SEED]]`.

Ends with 1 if an answer was not as the API's description says; the same seed makes up the same requests.
"""

import os
import secrets
import subprocess
import sys


def main() -> int:
    """Run the test of the description with more requests, and others, than it tries by itself."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    print(f"{count} requests each, seed {seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "tests/api/test_description.py", f"--hypothesis-seed={seed}"]
    return subprocess.run(command, env=os.environ | {"LILONG_TEST_API_EXAMPLES": str(count)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
