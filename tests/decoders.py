"""What decodes pictures in another process, and does not survive some of them; imported there by this name."""

import os
import signal
import time
from collections.abc import Callable

from mien.core.types import Image
from mien.pipeline.decoding import Encoded, start_decoding

DEADLY, ENDLESS = b"a deadly picture", b"an endless picture"  # what follows such a file's end


def fragile() -> Callable[[Encoded], Image]:
    """Decodes, but for two kinds of pictures."""
    decode = start_decoding()

    def work(item: Encoded) -> Image:
        if item[0].endswith(DEADLY):
            os.kill(os.getpid(), signal.SIGSEGV)
        if item[0].endswith(ENDLESS):
            time.sleep(600)
        return decode(item)

    return work
