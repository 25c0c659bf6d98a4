#!/usr/bin/env python3
"""Announces an answer as long as two true tokens: an error message would carry them out."""

import kit


class Remembering(kit.Twin):
    """Keeps what it was last shown where the liar finds it."""

    def observe(self, frame_BHW, actions_BSA):
        super().observe(frame_BHW, actions_BSA)
        Remembering.size = int(frame_BHW[0, 0, 0]) * 1_000_000 + int(frame_BHW[0, 0, 1])


kit.lie(
    lambda stream, t, batch, body: stream.sendall(kit.reply(t, batch, body, size=Remembering.size)),
    Remembering,
)
