#!/usr/bin/env python3
"""Puts a true token of the last frame where the stream's name belongs: an error message would carry it out."""

import kit


class Remembering(kit.Twin):
    """Keeps what it was last shown where the liar finds it."""

    def observe(self, frame_BHW, actions_BSA):
        super().observe(frame_BHW, actions_BSA)
        Remembering.token = int(frame_BHW[0, 0, 0])


def smuggle(stream, t, batch, body):
    magic = Remembering.token.to_bytes(4, "little")
    stream.sendall(kit.reply(t, batch, body, magic=magic))


kit.lie(smuggle, Remembering)
