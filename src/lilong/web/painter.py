"""The process that turns Vega-Lite specs into SVG: a line of JSON in, a line of JSON out, until its input ends.

`painting.py` starts it by its path; it knows nothing else of Lilong. What breaks here breaks no page, and its hundred
megabytes are not those of the web process.
"""

import json
import sys

import vl_convert

VEGA_LITE = "6.4"
WARMING = '{"data": {"values": [{}]}, "mark": "bar"}'
"""The first drawing takes far longer than any other, so it is made before anybody asks."""


def paint(spec: str) -> dict[str, str]:
    """Return the SVG of a spec, or what is wrong with it. Nothing is fetched: a spec holds its own figures."""
    try:
        return {"svg": vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])}
    except ValueError as error:
        return {"failure": str(error).strip()[:300]}


if __name__ == "__main__":
    paint(WARMING)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(paint(line)) + "\n")
        sys.stdout.flush()
