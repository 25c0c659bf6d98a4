#!/usr/bin/env python3
"""An answer that lacks its last token, and says so."""

import kit

kit.lie(lambda stream, t, batch, body: stream.sendall(kit.reply(t, batch, body[:-4])))
