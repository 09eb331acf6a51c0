"""The suffix that the tagger appends to every line. Imports nothing: the tagger shares it.

    2026-11-02T09:00:01Z INFO charge accepted {"ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}

The suffix follows the line with no blank between; older taggers wrote one, readers meet both.
The tagger's suffix is the last one of a line: an application can print a look-alike before it.
"""

CUID_KEY = "ikontainer_CUID"
SVC_KEY = "svc"
LIFECYCLE_KEY = "ikontainer_event"
OPENING = '{"ikontainer_CUID":'

# A JSON string or null, as JSON writers quote it.
_TEXT = r'"((?:[^"\\]|\\.)*)"'

# Two groups: the CUID and the svc as they stand between the quotes (JSON escapes still in).
# Understood alike by Rust's regex (polars) and Python's re.
PATTERN = (
    r'\{\s*"ikontainer_CUID"\s*:\s*'
    + _TEXT
    + r'\s*,\s*"svc"\s*:\s*(?:'
    + _TEXT
    + r"|null)\s*\}\s*$"
)
