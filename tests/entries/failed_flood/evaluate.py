#!/usr/bin/env python3
"""Reports an error that never ends, made of escapes, mark-up and what it was shown."""

import kit

from wmc_guest import Kind


class Remembering(kit.Twin):
    """Keeps what it was last shown where the liar finds it."""

    def observe(self, frame_BHW, actions_BSA):
        super().observe(frame_BHW, actions_BSA)
        Remembering.shown = " ".join(map(str, frame_BHW[0, 0]))


def flood(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, b"", kind=Kind.FAILED, size=2**62))
    text = f"\x1b[2J\x1b]0;owned\x07<script>hostile_script()</script> {Remembering.shown} ".encode()
    while True:
        stream.sendall(text * 100)


kit.lie(flood, Remembering)
