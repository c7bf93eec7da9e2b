"""The process that sets one paper with typst: a request in JSON on standard input, a PDF on standard output.

`typesetting.py` starts it by its path; it knows nothing else of Lilong. Exit code 3: the request needs a font that is
not there; 4: it cannot be set, with the reason on standard error.
"""

import json
import resource
import sys

FONT_MISSING, NOT_SET = 3, 4
MEMORY_BYTES_MAX = 2 << 30
CPU_S_MAX = 60


def main() -> int:
    """Set the paper, or list the families of fonts that there are."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    import typst  # noqa: PLC0415 - under the limits

    request = json.load(sys.stdin)
    fonts = typst.Fonts(include_system_fonts=True)
    families = fonts.families()
    if request["needs_one_of"] and not set(families) & set(request["needs_one_of"]):
        return FONT_MISSING
    try:
        pdf = typst.compile(
            request["template"].encode(),
            font_paths=fonts,
            sys_inputs={"paper": json.dumps(request["paper"], ensure_ascii=False)},
            pdf_standards=["a-2b"],
        )
    except typst.TypstError as error:
        sys.stderr.write(str(error)[:2000])
        return NOT_SET
    sys.stdout.buffer.write(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
